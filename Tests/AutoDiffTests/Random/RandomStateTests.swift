import TestSupport
import Testing

@testable import AutoDiff

@Suite struct RandomStateTests {
  /// A state and a generator of the same seed give the same bits, whatever is drawn in which order.
  @Test func numbersAreTheGenerators() {
    for seed in [0, 1, 0xffff_ffff, 0x1234_5678_9abc_def0, UInt64.max] {
      var (generator, choices) = (RandomGenerator(seed: seed), RandomGenerator(seed: 1))
      _ = generator.next()
      var state = RandomState(generator)
      for _ in 0..<20 {
        let shape = [[], [3], [2, 0], [5, 7], [200]].randomElement(using: &choices)!
        let type = ScalarType.allCases.randomElement(using: &choices)!
        switch Int.random(in: 0..<3, using: &choices) {
        case 0: #expect(state.normal(shape, as: type) == .normal(shape, as: type, using: &generator))
        case 1:
          #expect(
            state.uniform(shape, in: -1..<2, as: type) == .uniform(shape, in: -1..<2, as: type, using: &generator))
        default: #expect(state.rademacher(shape, as: type) == .rademacher(shape, as: type, using: &generator))
        }
        #expect(state.position.scalar == Double(generator.position))
      }
      var (child, other) = (state.split(), generator.split())
      #expect(child.normal([9]) == .normal([9], using: &other))
      #expect(state.normal([9]) == .normal([9], using: &generator))
    }
  }

  /// Each example of a batched state has the numbers that it would have alone.
  @Test func examplesHaveNumbersOfTheirOwn() {
    var parent = RandomState(seed: 5)
    let states = parent.split(4)
    let drawn = vmap { (state: RandomState) -> Pair<[Tensor], RandomState> in
      var state = state
      let first = state.normal([3])
      return Pair([first, state.uniform([], in: 2..<3)], state)
    }(states)
    for k in 0..<4 {
      var alone = RandomGenerator(seed: UInt64(states.key[k, 0].scalar) | UInt64(states.key[k, 1].scalar) << 32)
      #expect(drawn.first[0][k] == .normal([3], using: &alone))
      #expect(drawn.first[1][k] == .uniform([], in: 2..<3, using: &alone))
    }
    #expect(drawn.second.position == Tensor([4, 4, 4, 4]))
    #expect(drawn.first[0][0] != drawn.first[0][1])
    // Once more from where they stand, nested, and for no example.
    let twice = vmap { (state: RandomState) in
      var state = state
      return vmap { (shift: Tensor) -> Tensor in state.normal([3]) + shift }(Tensor([0, 10]))
    }(drawn.second)
    #expect(twice.shape == [4, 2, 3])
    expectClose(twice[0..<4, 1] - twice[0..<4, 0], .filled(10, [4, 3]), .analytic)
    let none = vmap { (state: RandomState) -> Tensor in
      var state = state
      return state.normal([2])
    }(parent.split(0))
    #expect(none.shape == [0, 2])
  }

  @Test func aSharedStateGivesSharedNumbers() {
    let y = vmap { (x: Tensor) -> Tensor in
      var state = RandomState(seed: 6)
      return x * 0 + state.normal([2])
    }(Tensor.zeros([3, 2]))
    var generator = RandomGenerator(seed: 6)
    let expected = Tensor.normal([2], using: &generator)
    for k in 0..<3 { #expect(y[k] == expected) }
  }

  /// With a batched position and a shared key, examples draw from different places of one stream.
  @Test func positionsMayDifferAlone() {
    let key = RandomState(seed: 7).key
    let drawn = vmap { position in bind(RandomDraw(.normal, [2], .float64), key, position) }(Tensor([0, 2, 4]))
    var generator = RandomGenerator(seed: 7)
    #expect(drawn == .normal([3, 2], using: &generator))
  }

  /// Noise is a constant to derivatives, and a state passes through them.
  @Test func derivatives() {
    let state = RandomState(seed: 8)
    let x = Tensor([1, 2, 3])
    let gradients = gradient(
      of: { (tree: Pair<Tensor, RandomState>) -> Tensor in
        var random = tree.second
        return (tree.first * random.normal([3])).sum()
      }, at: Pair(x, state))
    var generator = RandomGenerator(seed: 8)
    #expect(gradients.first == .normal([3], using: &generator))
    #expect(gradients.second.leaves.allSatisfy { $0.allSatisfy { $0 == 0 } })
    let tangent = jvp(
      of: { (x: Tensor) -> Tensor in
        var random = state
        return x * random.uniform([3])
      }, at: x, along: Tensor([1, 1, 1])
    ).tangent
    generator = RandomGenerator(seed: 8)
    #expect(tangent == .uniform([3], using: &generator))
  }

  @Test func manyExamplesOnManyThreads() {
    var parent = RandomState(seed: 9)
    let states = parent.split(3000)
    let draw = vmap { (state: RandomState) -> Tensor in
      var state = state
      return state.normal([20])
    }
    #expect(withThreadLimit(1) { draw(states) } == draw(states))
  }
}
