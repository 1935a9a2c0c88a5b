import TestSupport
import Testing

@testable import AutoDiff

/// What recorded programs say: of themselves, and where they stop.
struct CompiledMessageTests {
  @Test func numbersCannotBeRead() async {
    let branch = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = compiled { (x: Tensor) in x.scalar > 0 ? x : -x }(Tensor(1))
    }
    #expect(branch.message.contains("scalar: a number of a recorded function is known only when the program runs"))
    #expect(branch.message.contains("select(_:_:_:)") && branch.message.contains("repeated(while:_:_:)"))
  }

  @Test func whatATransformFollowsCannotBeCaptured() async {
    let captured = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(of: { (w: Tensor) in compiled { x in x * w }(Tensor(2)) }, at: Tensor(1))
    }
    #expect(captured.message.contains("multiply: a recorded function must not capture a value"))
    #expect(captured.message.contains("Pass it as an input."))
  }

  @Test func statesKeepTheirShapes() async {
    let grown = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = compiled { (x: Tensor) in repeated(3, x) { concatenate([$0, $0]) } }(Tensor([1]))
    }
    #expect(grown.message.contains("repeated: both trees must have the same leaves"))
  }

  @Test func evaluationNamesThePrimitive() async {
    let outside = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = compiled { (x: [Tensor]) in x[0].gathered(at: x[1]) }([Tensor([1, 2]), Tensor([5])])
    }
    #expect(outside.message.contains("gathered: indices must be"))
  }

  @Test func recordedValuesEndWithTheirRecording() async {
    let leaked = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let kept = Locked(Tensor(0))
      _ = compiled { (x: Tensor) in
        kept.value = x * 2
        return x
      }(Tensor(1))
      _ = kept.value + 1
    }
    #expect(leaked.message.contains("a value was used after the transform that followed it had ended"))
  }

  @Test func itsDescriptionListsTheSteps() {
    let w = Tensor.ones([64, 64])
    let f = compiled { (x: Tensor) -> Tensor in
      let y = repeated(7, x) { tanh(matmul($0, w)) + 1 }
      return repeated(while: { $0.sum() .< 100 }, y) { exp($0) * 2 }.sum(axes: [0])
    }
    #expect("\(f)" == "compiled, not called yet")
    _ = f(.zeros([32, 64]))
    let lines = "\(f)".split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(lines[0].hasPrefix("[32, 64] float64 → [64] float64, "))
    #expect(lines.contains("6 times") && lines.contains("product of [32, 64] and [64, 64]"))
    #expect(lines.contains { $0.hasPrefix("tanh, ") && $0.hasSuffix(" of 2048 entries") })
    #expect(lines.contains("while this is not 0") && lines.contains { $0.hasPrefix("exp") })
    #expect(lines.last == "sum of [32, 64], 64 in all")
  }
}
