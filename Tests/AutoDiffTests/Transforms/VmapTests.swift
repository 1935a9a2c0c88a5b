import Testing

@testable import AutoDiff

@Suite struct VmapTests {
  @Test func hidesTheExampleAxis() {
    let f = vmap { (x: Tensor) -> Tensor in
      #expect(x.shape == [3] && x.rank == 1 && x.count == 3)
      return x.sum()
    }
    #expect(f(Tensor([[1.0, 2, 3], [4, 5, 6]])) == Tensor([6.0, 15]))
  }

  @Test func severalInputs() {
    let x = Tensor([[1.0, 2], [3, 4], [5, 6]])
    let w = Tensor([10.0, 20, 30])
    #expect(vmap { (x: Tensor, w: Tensor) in x * w }(x, w) == Tensor([[10.0, 20], [60, 80], [150, 180]]))
    #expect(vmap { (x: Tensor, w: Tensor) in (x * w).sum() }(x, w) == Tensor([30.0, 140, 330]))
    let three = vmap { (x: Tensor, w: Tensor, c: Tensor) in x.sum() * w + c }(x, w, Tensor([1.0, 2, 3]))
    #expect(three == Tensor([31.0, 142, 333]))
  }

  @Test func choiceOfAxes() {
    let x = Tensor([[1.0, 2, 3], [4, 5, 6]])
    #expect(vmap({ (x: Tensor) in x.sum() }, axis: 1)(x) == Tensor([5.0, 7, 9]))
    #expect(vmap({ (x: Tensor) in x.sum() }, axis: -1)(x) == Tensor([5.0, 7, 9]))
    #expect(vmap({ (x: Tensor) in x * 2 }, axis: 1)(x) == x.transposed * 2)
    #expect(vmap({ (x: Tensor) in x * 2 }, axis: 1, outputAxis: 1)(x) == x * 2)
    #expect(vmap({ (x: Tensor) in x * 2 }, outputAxis: -1)(x) == x.transposed * 2)
    let mixed = vmap({ (a: Tensor, b: Tensor) in a + b }, axes: (0, 1))(x, x.transposed)
    #expect(mixed == x * 2)
  }

  @Test func sharedInputs() {
    let x = Tensor([[1.0, 2], [3, 4]])
    let shared = Tensor([10.0, 100])
    #expect(vmap({ (x: Tensor, s: Tensor) in x + s }, axes: (0, nil))(x, shared) == x + shared)
    #expect(vmap({ (s: Tensor, x: Tensor) in dot(x, s) }, axes: (nil, 0))(shared, x) == Tensor([210.0, 430]))
    // A captured value is shared too.
    #expect(vmap { (x: Tensor) in x + shared }(x) == x + shared)
    let all = vmap({ (a: Tensor, b: Tensor, c: Tensor) in a * b + c }, axes: (nil, 0, nil))(Tensor(2), x, shared)
    #expect(all == x * 2 + shared)
  }

  @Test func resultsThatDoNotDependOnTheExampleAreRepeated() {
    let results = vmap { (x: Tensor) in [x, Tensor(7), .ones([2])] }(Tensor([1.0, 2, 3]))
    #expect(results == [Tensor([1.0, 2, 3]), Tensor([7.0, 7, 7]), .ones([3, 2])])
  }

  @Test func trees() {
    let batch = ["x": Tensor([[1.0, 2], [3, 4]]), "scale": Tensor([10.0, 100])]
    let result = vmap { (tree: [String: Tensor]) in
      ["scaled": tree["x"]! * tree["scale"]!, "scale": tree["scale"]!]
    }(batch)
    #expect(result == ["scaled": Tensor([[10.0, 20], [300, 400]]), "scale": Tensor([10.0, 100])])
  }

  @Test func noExamplesAndOneExample() {
    let f = vmap { (x: Tensor) in matmul(Tensor([[1.0, 2], [3, 4], [5, 6]]), x) }
    #expect(f(.zeros([0, 2])).shape == [0, 3])
    #expect(f(.ones([1, 2])) == Tensor([[3.0, 7, 11]]))
  }

  @Test func examplesDoNotMix() {
    var generator = RandomGenerator(seed: 41)
    let xs = Tensor.normal([4, 3], using: &generator)
    let f = vmap { (x: Tensor) in softmax(x) * x.max() + x.norm() }
    let whole = f(xs)
    var changed = xs
    changed[2] = Tensor([7.0, 8, 9])
    let after = f(changed)
    for k in [0, 1, 3] { #expect(whole[k] == after[k]) }
    #expect(whole[2] != after[2])
  }

  @Test func networkAgainstALoop() {
    var generator = RandomGenerator(seed: 42)
    let (w, b) = (Tensor.normal([4, 5], using: &generator), Tensor.normal([5], using: &generator))
    let xs = Tensor.normal([6, 4], using: &generator)
    let net = { (x: Tensor) in logSoftmax(gelu(matmul(x, w) + b)) }
    expectClose(vmap(net)(xs), stack((0..<6).map { net(xs[$0]) }), .exact, seed: 42)
    // Per-example gradients with respect to shared weights.
    let gradients = vmap { (x: Tensor) in gradient(of: { (w: Tensor) in square(matmul(x, w)).sum() }, at: w) }(xs)
    let loop = stack((0..<6).map { k in gradient(of: { (w: Tensor) in square(matmul(xs[k], w)).sum() }, at: w) })
    expectClose(gradients, loop, .exact, seed: 42)
  }

  @Test func matmulUnderVmapInAllRanks() {
    var generator = RandomGenerator(seed: 43)
    let shapes: [([Int], [Int])] = [
      ([3], [3]), ([2, 3], [3]), ([3], [3, 4]), ([2, 3], [3, 4]), ([2, 2, 3], [3, 4]), ([2, 2, 3], [2, 3, 4]),
      ([3], [2, 3, 4]), ([2, 2, 3], [3]), ([1, 2, 3], [5, 3, 2]),
    ]
    for (left, right) in shapes {
      for (isLeft, isRight) in [(true, true), (true, false), (false, true)] {
        let a = Tensor.normal((isLeft ? [3] : []) + left, using: &generator)
        let b = Tensor.normal((isRight ? [3] : []) + right, using: &generator)
        let result = vmap({ (a: Tensor, b: Tensor) in matmul(a, b) }, axes: (isLeft ? 0 : nil, isRight ? 0 : nil))(a, b)
        let loop = stack((0..<3).map { matmul(isLeft ? a[$0] : a, isRight ? b[$0] : b) })
        expectClose(result, loop, .exact, seed: 43, "\(left) \(right)")
      }
    }
  }

  // MARK: Errors

  @Test func numbersOfExamplesMustAgree() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap { (a: Tensor, b: Tensor) in a + b }(.ones([2]), .ones([3]))
    }
    #expect(result.message.contains("vmap: all inputs must have the same number of examples, but got 2 and 3."))
  }

  @Test func aNumberHasNoExamples() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap { (a: Tensor) in a }(Tensor(1))
    }
    #expect(result.message.contains("vmap: a batched input needs an axis of examples, but got a single number."))
  }

  @Test func somethingMustBeBatched() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap({ (a: Tensor, b: Tensor) in a + b }, axes: (nil, nil))(.ones([2]), .ones([2]))
    }
    #expect(result.message.contains("vmap: at least one input must be batched."))
  }

  @Test func anAxisMustExist() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap({ (a: Tensor) in a }, axis: 2)(.ones([2, 3]))
    }
    #expect(result.message.contains("vmap: an axis must lie in -2..<2, but got 2."))
  }

  @Test func theOutputAxisMustExist() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap({ (a: Tensor) in a }, outputAxis: 2)(.ones([2, 3]))
    }
    #expect(result.message.contains("vmap: an axis must lie in -2..<2, but got 2."))
  }

  /// Shapes in messages are those of one example, as the caller sees them.
  @Test func messagesSpeakOfOneExample() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap { (a: Tensor) in matmul(a, .ones([4, 5])) }(.ones([7, 2, 3]))
    }
    #expect(result.message.contains("matmul: inner extents must agree, but got [2, 3] and [4, 5]."))
  }
}
