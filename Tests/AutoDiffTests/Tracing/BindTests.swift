import Foundation
import Testing

@testable import AutoDiff

/// The interception point: who takes an operation, and what it refuses.
@Suite struct BindTests {
  @Test func theHighestTraceTakesTheOperation() {
    _ = gradient(
      of: { (x: Tensor) in
        let outer = (x.node as? TracedNode)?.trace
        _ = jvp(
          of: { (y: Tensor) -> Tensor in
            let inner = (y.node as? TracedNode)?.trace
            #expect(inner!.level > outer!.level)
            #expect(((x * y).node as? TracedNode)?.trace === inner)
            #expect(((x * x).node as? TracedNode)?.trace === outer)
            #expect((Tensor(1) * 2).node.level == 0)
            return y
          }, at: x, along: Tensor(1))
        return x
      }, at: Tensor(3))
  }

  @Test func constantsAreNotTraced() {
    _ = gradient(
      of: { (x: Tensor) in
        #expect(x.isTraced && (x + 1).isTraced)
        #expect(!Tensor(1).isTraced && !exp(Tensor(1)).isTraced)
        return x
      }, at: Tensor(1))
  }

  /// A value and its derivative rules agree on shapes and types, traced or not.
  @Test func tracedValuesShowWhatPlainOnesShow() {
    let x = Tensor([[1, 2, 3]] as [[Double]], as: .float32)
    _ = gradient(
      of: { (y: Tensor) in
        #expect(y.shape == x.shape && y.scalarType == .float32 && y.rank == 2 && y.count == 3)
        #expect(y.scalars == x.scalars && y.floats == x.floats && y == x)
        return y.sum()
      }, at: x)
  }

  @Test func mixedTypesStop() async {
    let plain = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor(1) + Tensor(1, as: .float32)
    }
    #expect(
      plain.message.contains(
        "add: all inputs must have one scalar type, but got float64 and float32. Convert with .as(.float32) or "
          + ".as(.float64)."))
    let many = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = select(Tensor(1), Tensor(1), Tensor(1, as: .float32))
    }
    #expect(
      many.message.contains("select: all inputs must have one scalar type, but got float64 and float64 and float32."))
  }

  @Test func evaluationRulesCannotReadTracedNumbers() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(of: { (x: Tensor) in Exp().evaluate([x]) }, at: Tensor(1))
    }
    #expect(result.message.contains("the numbers of a value inside a transform cannot be used here"))
  }

  /// Rules dispatch: shapes are checked where the caller sees them, and not again where they may carry hidden axes.
  @Test func rulesDoNotBind() throws {
    let folder = CompletenessTests.sources.appending(path: "Primitives")
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects as? [URL] ?? []
    var structures = 0
    for file in files where file.pathExtension == "swift" {
      var isInside = false
      for (number, line) in try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n").enumerated() {
        if line.contains(#/^(package |private |fileprivate )?struct /#) {
          isInside = true
          structures += 1
        } else if line.hasPrefix("}") {
          isInside = false
        }
        let binds = isInside && line.contains(#/(^|[^.A-Za-z])bind\(/#)
        #expect(!binds, "\(file.lastPathComponent), line \(number + 1): \(line)")
      }
    }
    #expect(structures > 50)
  }
}
