import TestSupport
import Testing

@testable import AutoDiff

/// A recorded function is the function: for every primitive, under every transform, nested to the third order.
struct CompiledLawTests {
  private func expectSame(
    _ call: @escaping ([Tensor]) -> [Tensor], at point: [Tensor], _ seed: UInt64, _ label: String
  ) {
    let program = compiled(call)
    let expected = call(point)
    // The scale of what is compared may be that of terms that cancel.
    for run in 1...2 {
      expectClose(program(point), expected, .exact, atLeast: 1e-3, seed: seed, "\(label), run \(run)")
    }
  }

  /// What is asked for twice is recorded once, whatever the parameters of a primitive are.
  @Test(arguments: PrimitiveCatalogue.variants) func equalOperationsAreRecordedOnce(variant: Variant) {
    var generator = RandomGenerator(seed: variant.seed)
    let function = LawFunction(variant, using: &generator)
    let recorder = Recorder()
    defer { recorder.close() }
    let x = function.point.map { recorder.input($0.shape, $0.scalarType) }
    _ = function.call(x)
    let count = recorder.graph.operations.count
    _ = function.call(x)
    let more = recorder.graph.operations[count...].map { "\($0.kind)" }
    #expect(more.isEmpty, "\(variant): \(more)")
  }

  @Test(arguments: PrimitiveCatalogue.variants) func recordedIsEager(variant: Variant) {
    // A rule of evaluation that throws or reads numbers cannot be recorded where it does so.
    var generator = RandomGenerator(seed: variant.seed)
    let function = LawFunction(variant, using: &generator)
    expectSame(function.call, at: function.point, variant.seed, "value")
    if variant.order < 1 { return }
    let forward = function.pushforward(using: &generator)
    let reverse = function.pullback(using: &generator)
    for first in [forward, reverse] {
      expectSame(first.call, at: first.point, variant.seed, first.label)
      if variant.order < 2 { continue }
      for second in [first.pushforward(using: &generator), first.pullback(using: &generator)] {
        expectSame(second.call, at: second.point, variant.seed, second.label)
      }
    }
    guard variant.order >= 3 else { return }
    let third = reverse.pushforward(using: &generator).pushforward(using: &generator)
    expectSame(third.call, at: third.point, variant.seed, third.label)
    // All examples at once, the derivative inside the batch and around it.
    let size = 3
    let batch = zip(reverse.point, reverse.moves).map { x, moves in stack([x, moves ? x * 0.9375 : x, x]) }
    expectSame({ vmap(reverse.call)($0) }, at: batch, variant.seed, "vmap of \(reverse.label)")
    expectSame(
      { x in
        gradient(of: { vmap(function.call)($0).map { $0.sum().as(.float64) }.reduce(Tensor(0), +) }, at: x)
      }, at: Array(batch.prefix(function.point.count)), variant.seed, "gradient of vmap, \(size) examples")
  }
}
