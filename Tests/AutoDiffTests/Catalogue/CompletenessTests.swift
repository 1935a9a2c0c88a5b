import Foundation
import Testing

@testable import AutoDiff

/// A primitive without a row in the catalogue is a primitive without tests: here it is found.
@Suite struct CompletenessTests {
  /// The package's sources.
  static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Sources/AutoDiff")

  static func primitivesWithoutRow(_ declared: Set<String>, _ rows: [PrimitiveRow]) -> [String] {
    declared.subtracting(rows.map(\.typeName)).sorted()
  }

  @Test func everyPrimitiveHasARow() throws {
    let declared = try PrimitiveDeclarations(of: Self.sources).names
    #expect(declared.count >= 40, "The scan found only \(declared.sorted()).")
    let missing = Self.primitivesWithoutRow(declared, PrimitiveCatalogue.rows)
    #expect(missing.isEmpty, "no row in the catalogue for \(missing.joined(separator: ", "))")
  }

  @Test func everyRowHasItsPrimitive() throws {
    let declared = try PrimitiveDeclarations(of: Self.sources).names
    let names = PrimitiveCatalogue.rows.map(\.typeName)
    #expect(Set(names).count == names.count, "two rows for one primitive")
    #expect(Set(names).subtracting(declared).isEmpty)
    for row in PrimitiveCatalogue.rows {
      #expect(!row.variants.isEmpty, "\(row.typeName) has no variant")
      for variant in row.variants { #expect("\(type(of: variant.primitive))" == row.typeName) }
      for point in row.points { #expect("\(type(of: point.primitive))" == row.typeName) }
    }
  }

  /// The test above is worth something only if it would notice.
  @Test func aRemovedRowIsNamed() throws {
    let declared = try PrimitiveDeclarations(of: Self.sources).names
    let missing = Self.primitivesWithoutRow(declared, PrimitiveCatalogue.rows)
    for removed in PrimitiveCatalogue.rows {
      let rest = PrimitiveCatalogue.rows.filter { $0.typeName != removed.typeName }
      #expect(Self.primitivesWithoutRow(declared, rest) == (missing + [removed.typeName]).sorted())
    }
  }

  @Test func theScanUnderstandsDeclarations() {
    let scan = PrimitiveDeclarations(
      in: [
        """
        public protocol Family: Primitive {}
        protocol Grandchild: Sendable, Family {
          associatedtype X: Sendable
        }
        struct Plain: Primitive {
        """,
        """
        /// struct Commented: Primitive {
        public struct Member: Family, Sendable {
        struct Generic<T: LoopScalar>: Grandchild where T: Sendable {
        final class Reference: Grandchild {
        struct Late {}
        extension Late: Primitive {
        struct Nearby: PrimitiveLike {
        struct Wrapped<P: Primitive>: Sendable {
        struct Long: Sendable,
          Primitive
        {
        """,
      ])
    #expect(scan.names == ["Plain", "Member", "Generic", "Reference", "Late", "Long"])
  }
}

/// The names of the types that conform to `Primitive`, read from source text.
struct PrimitiveDeclarations {
  private(set) var names: Set<String> = []

  init(of folder: URL) throws {
    let files = FileManager.default.enumerator(at: folder.resolvingSymlinksInPath(), includingPropertiesForKeys: nil)
    let paths = (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
    self.init(in: try paths.map { try String(contentsOf: $0, encoding: .utf8) })
  }

  init(in texts: [String]) {
    var protocols: Set = ["Primitive"]
    var declarations: [(kind: String, name: String, parents: Set<String>)] = []
    for text in texts {
      let code = text.split(separator: "\n", omittingEmptySubsequences: false)
        .filter { !$0.drop(while: \.isWhitespace).hasPrefix("//") }.joined(separator: "\n")
      // kind, name, generic parameters, then everything between the colon and the brace
      let pattern = /\b(protocol|struct|class|enum|actor|extension)\s+(\w+)(?:<[^{>]*>)?\s*:([^{]*)\{/
      for match in code.matches(of: pattern) {
        let clause = match.3.prefix { _ in true }.split(separator: /\bwhere\b/).first ?? ""
        let parents = clause.split(whereSeparator: { ",&".contains($0) })
          .map { $0.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: " ").last.map(String.init) ?? "" }
        declarations.append((String(match.1), String(match.2), Set(parents)))
      }
    }
    // Families inherit from families: repeat until no further one is found.
    while case let more = declarations.filter({
      $0.kind == "protocol" && !protocols.contains($0.name) && !$0.parents.isDisjoint(with: protocols)
    }), !more.isEmpty {
      protocols.formUnion(more.map(\.name))
    }
    for declaration in declarations where declaration.kind != "protocol" {
      if !declaration.parents.isDisjoint(with: protocols) && !protocols.contains(declaration.name) {
        names.insert(declaration.name)
      }
    }
  }
}
