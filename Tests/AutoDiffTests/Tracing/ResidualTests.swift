import Synchronization
import Testing

@testable import AutoDiff

/// What is kept for derivatives, and what is computed on the way to them.
@Suite struct ResidualTests {
  /// x ↦ 2 x for a matrix, which counts how often it is evaluated.
  private struct CountedDouble: LinearPrimitive {
    final class Counter: Sendable { let evaluations = Atomic(0) }
    let counter = Counter()
    var name: String { "countedDouble" }
    func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
    func evaluate(_ inputs: Inputs) -> Tensor {
      counter.evaluations.add(1, ordering: .relaxed)
      return inputs[0] * 2
    }
    func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor { cotangent * 2 }
    func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { bind(self, Array(inputs)) }
  }

  @Test func aDirectionalDerivativeLeavesOutValuesThatNobodyReads() {
    let double = CountedDouble()
    let f = { (x: Tensor) in bind(double, x) }
    let x = Tensor([1, 2])
    #expect(directionalDerivative(of: f, at: x, along: Tensor([3, 4])).scalars == [6, 8])
    #expect(double.counter.evaluations.load(ordering: .relaxed) == 1)
    let (value, tangent) = jvp(of: f, at: x, along: Tensor([3, 4]))
    #expect(value.scalars == [2, 4] && tangent.scalars == [6, 8])
    #expect(double.counter.evaluations.load(ordering: .relaxed) == 3)
  }

  @Test func valuesAreComputedOnceWhenControlFlowReadsThem() {
    let double = CountedDouble()
    let f = { (x: Tensor) -> Tensor in
      let y = bind(double, x)
      return y.scalars[0] > 0 && y.scalars[1] > 0 ? y : -y
    }
    _ = directionalDerivative(of: f, at: Tensor([1, 2]), along: Tensor([1, 1]))
    #expect(double.counter.evaluations.load(ordering: .relaxed) == 2)
  }

  @Test func longChainsOfDeferredStepsDoNotRecurseDeeply() {
    let f = { (x: Tensor) -> Tensor in
      var y = x
      for _ in 0..<200_000 { y = -y }
      return y
    }
    #expect(jvp(of: f, at: Tensor([1, 2]), along: Tensor([3, 4])).value.scalars == [1, 2])
  }

  /// The tape forgets large values that no rule reads.
  @Test func largeValuesAreForgotten() {
    weak var product: Node?
    weak var sum: Node?
    weak var image: Node?
    let tape = Tape()
    let x = tape.watch(Tensor.ones([64, 64]) * 0.01)
    var y = matmul(x, x)
    product = tape.primal(of: y).node
    y = y + 1
    sum = tape.primal(of: y).node
    y = exp(y)
    image = tape.primal(of: y).node
    y = y * 2
    #expect(product == nil && sum == nil && image != nil)
    tape.clear()
    #expect(image == nil)
  }

  /// A rule that claims to read nothing, and reads.
  private struct Liar: LinearPrimitive {
    var name: String { "liar" }
    func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
    func evaluate(_ inputs: Inputs) -> Tensor { inputs[0] }
    func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor { cotangent }
    func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { inputs[0] }
    func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? { cotangent * output }
  }

  @Test func readingAValueThatWasNotKeptStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(of: { bind(Liar(), $0).sum() }, at: Tensor.ones([1000]) * 1)
    }
    let text = result.message
    #expect(text.contains("entries that were not kept") && text.contains("residuals"))
  }
}
