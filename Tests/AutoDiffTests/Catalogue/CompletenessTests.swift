import Foundation
import Testing

@testable import AutoDiff

/// A primitive without a row in the catalogue is a primitive without tests: here it is found.
@Suite struct CompletenessTests {
  static let sources = PrimitiveDeclarations.sources

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
