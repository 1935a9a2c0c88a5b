import Foundation

/// The names of the types that conform to `Primitive`, read from source text.
package struct PrimitiveDeclarations {
  /// The sources of the module that declares the primitives of this package.
  package static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Sources/AutoDiff")

  package private(set) var names: Set<String> = []

  package init(of folder: URL) throws {
    let files = FileManager.default.enumerator(at: folder.resolvingSymlinksInPath(), includingPropertiesForKeys: nil)
    let paths = (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
    self.init(in: try paths.map { try String(contentsOf: $0, encoding: .utf8) })
  }

  package init(in texts: [String]) {
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
