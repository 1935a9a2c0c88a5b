import Foundation
import Testing

@testable import AutoDiff

/// The code of the documentation compiles, runs, gives what the text says, and stands there as it stands here.
@Suite struct DocumentationTests {
  @Test func theFirstPage() {
    // AutoDiff.md
    let f = { (x: Tensor) in sin(x) * x }
    let x = Tensor(2)
    let slope = gradient(of: f, at: x)
    let curvature = gradient(of: { gradient(of: f, at: $0) }, at: x)
    let slopes = vmap { gradient(of: f, at: $0) }(Tensor([0, 1, 2]))
    // end
    #expect(abs(slope.scalar - 0.0770037537313969) < 1e-15)  // sin 2 + 2 cos 2
    #expect(abs(curvature.scalar + 2.650888526745648) < 1e-14)  // 2 cos 2 − 2 sin 2
    expectClose(slopes, Tensor([0, sin(1.0) + cos(1.0), 0.0770037537313969]), .exact)
  }

  /// The tape holds the entries of the table.
  @Test func oneNumberThroughTheHouse() {
    // OneNumberThroughTheHouse.md
    let f = { (x: Tensor) in sin(x) * x }
    let x = Tensor(2)
    let slope = gradient(of: f, at: x)
    // next
    let curvature = gradient(of: { gradient(of: f, at: $0) }, at: x)
    // next
    let slopes = vmap { gradient(of: f, at: $0) }(Tensor([0, 1, 2]))
    // end
    #expect(slopes[2] == slope && curvature.scalar < 0)
    let tape = Tape()
    defer { tape.clear() }
    _ = f(tape.watch(x))
    #expect(tape.entries.count == 3)
    #expect(tape.entries[0].operation == nil && tape.entries[0].output == x)
    #expect(tape.entries[1].operation is Sin && tape.entries[2].operation is Multiply)
    #expect(tape.entries[1].parents.map(Int.init).elementsEqual([0]))
    #expect(tape.entries[2].parents.map(Int.init).elementsEqual([1, 0]))
    #expect(tape.entries[2].inputs.elementsEqual([sin(x), x]))
    #expect(abs(tape.entries[2].output.scalar - 1.819) < 1e-3)
  }

  @Test func numericalChoices() {
    // NumericalChoices.md
    let safe = gradient(of: { (x: Tensor) in select(x .> 0, sqrt(x), x) }, at: Tensor(0))
    // end
    #expect(safe.scalar == 1)
    #expect(gradient(of: relu, at: Tensor(0)).scalar == 0 && gradient(of: abs, at: Tensor(0)).scalar == 0)
    #expect(gradient(of: { maximum($0, Tensor(0)) }, at: Tensor(0)).scalar == 0.5)
    #expect(gradient(of: { $0.max() }, at: Tensor([1, 1, 0])).scalars == [0.5, 0.5, 0])
    #expect(gradient(of: { $0.norm() }, at: Tensor([0, 0])).scalars == [0, 0])
  }

  /// Every piece of code in a page stands above, after a comment with the page's name.
  @Test(arguments: ["AutoDiff", "OneNumberThroughTheHouse", "NumericalChoices", "Limitations"])
  func codeStandsHere(page: String) throws {
    let catalogue = PrimitiveDeclarations.sources.appending(path: "AutoDiff.docc")
    let text = try String(contentsOf: catalogue.appending(path: "\(page).md"), encoding: .utf8)
    let documented = text.components(separatedBy: "```swift\n").dropFirst().map {
      $0.components(separatedBy: "```")[0].trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let source = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
    let lines = source.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    var compiled: [String] = []
    if let begin = lines.firstIndex(of: "// \(page).md") {
      let end = try #require(lines[begin...].firstIndex(of: "// end"))
      compiled = lines[(begin + 1)..<end].split(separator: "// next").map { $0.joined(separator: "\n") }
    }
    #expect(documented == compiled)
  }

  /// The primitive in CONTRIBUTING is the tested one.
  @Test func theRecipeStandsInContributing() throws {
    let root = PrimitiveDeclarations.sources.deletingLastPathComponent().deletingLastPathComponent()
    let support = root.appending(path: "Tests/AutoDiffTests/Support/UserPrimitive.swift")
    let source = try String(contentsOf: support, encoding: .utf8)
    let begin = try #require(source.range(of: "struct Hypotenuse"))
    let end = try #require(source[begin.lowerBound...].range(of: "\n}\n"))
    let recipe = source[begin.lowerBound..<end.upperBound]
    let text = try String(contentsOf: root.appending(path: "CONTRIBUTING.md"), encoding: .utf8)
    #expect(text.contains("```swift\n\(recipe)```"))
  }
}
