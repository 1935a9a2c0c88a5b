import AutoDiff
import Tangent
import Testing

/// x W for a vector, as a user would write it, with its structure stated.
private struct UserProduct: Primitive {
  var name: String { "userProduct" }

  func shape(of inputs: Inputs) -> [Int] {
    guard inputs[0].rank == 1, inputs[1].rank == 2, inputs[0].shape[0] == inputs[1].shape[0] else {
      stop("needs [d] and [d, m]", got: "\(inputs[0].shape) and \(inputs[1].shape)")
    }
    return [inputs[1].shape[1]]
  }

  func evaluate(_ inputs: Inputs) -> Tensor { matmul(inputs[0], inputs[1]) }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    let parts = [tangents[0].map { bind(self, $0, inputs[1]) }, tangents[1].map { bind(self, inputs[0], $0) }]
    let moving = parts.compactMap { $0 }
    return moving.count == 2 ? moving[0] + moving[1] : moving.first
  }

  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    argument == 0 ? matmul(inputs[1], cotangent) : outer(inputs[0], cotangent)
  }

  func outerProducts(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> OuterProducts? {
    guard argument == 1 else { return nil }
    return OuterProducts(
      left: inputs[0].expanded(at: 0), right: cotangent.expanded(at: 0), leftAxes: [0], rightAxes: [1],
      shape: inputs[1].shape)
  }

  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    guard isBatched[0], isBatched[1] else { return matmul(inputs[0], inputs[1]) }
    return matmul(inputs[0].expanded(at: 1), inputs[1]).squeezed([1])
  }
}

/// x_h W_h for every head h.
private struct UserHeads: Primitive {
  var name: String { "userHeads" }
  func shape(of inputs: Inputs) -> [Int] { [inputs[1].shape[0], inputs[1].shape[2]] }
  func evaluate(_ inputs: Inputs) -> Tensor { product(inputs[0], inputs[1]) }

  private func product(_ x: Tensor, _ w: Tensor) -> Tensor { matmul(x.expanded(at: -2), w).squeezed([-2]) }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    let parts = [tangents[0].map { bind(self, $0, inputs[1]) }, tangents[1].map { bind(self, inputs[0], $0) }]
    let moving = parts.compactMap { $0 }
    return moving.count == 2 ? moving[0] + moving[1] : moving.first
  }

  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    argument == 0
      ? product(cotangent, inputs[1].permuted([0, 2, 1])) : inputs[0].expanded(at: 2) * cotangent.expanded(at: 1)
  }

  func outerProducts(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> OuterProducts? {
    guard argument == 1 else { return nil }
    return OuterProducts(
      left: inputs[0].expanded(at: 0), right: cotangent.expanded(at: 0), leftAxes: [1], rightAxes: [2],
      parallelAxes: [0], shape: inputs[1].shape)
  }

  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    product(inputs[0], inputs[1]).broadcast(
      to: [size] + shape(of: .two(isBatched[0] ? inputs[0][0] : inputs[0], isBatched[1] ? inputs[1][0] : inputs[1])))
  }
}

/// The row of a table that a number names.
private struct UserLookUp: Primitive {
  var name: String { "userLookUp" }
  func shape(of inputs: Inputs) -> [Int] { [inputs[0].shape[1]] }
  func evaluate(_ inputs: Inputs) -> Tensor { inputs[0].gathered(at: inputs[1]) }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { bind(self, $0, inputs[1]) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    guard argument == 0 else { return nil }
    return cotangent.expanded(at: 0)
      .scatterAdded(at: inputs[1].expanded(at: 0), extent: inputs[0].shape[0])
  }
  func outerProducts(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> OuterProducts? {
    guard argument == 0 else { return nil }
    return OuterProducts(
      rows: inputs[1].expanded(at: 0), axis: 0, right: cotangent.expanded(at: 0), shape: inputs[0].shape)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    if !isBatched[0] { return inputs[0].gathered(at: inputs[1]) }
    let indices = isBatched[1] ? inputs[1] : inputs[1].broadcast(to: [size])
    return vmap { (table: Tensor, index: Tensor) in table.gathered(at: index) }(inputs[0], indices)
  }
}

/// A user's primitive takes the factored route, with nothing but the public interface.
@Suite struct UserStructureTests {
  private static func examples(_ shape: [Int]) -> Tensor {
    var random = RandomGenerator(seed: 71)
    return .normal(shape, using: &random)
  }

  private func storage(
    _ f: (Tensor, [Tensor]) -> Tensor, _ parameters: [[Int]], _ x: Tensor
  ) -> [FactoredJacobianStorage] {
    let p = parameters.map(Self.examples)
    let factored = FactoredJacobian(of: f, at: p, on: x)
    // What is not formed is nevertheless right.
    expectClose(factored.gram(), naiveKernel(of: f, at: p, on: x), tolerance: 1e-11)
    let gradients = naiveGradients(of: f, at: p, on: x)
    for leaf in p.indices {
      expectClose(
        factored.dense[leaf].flattened, stack(gradients.map { stack($0.map { $0[leaf] }) }).flattened)
    }
    expectClose(
      factored.squaredNorms.flattened,
      Tensor(gradients.map { $0.map { $0.map { dot($0, $0).scalar }.reduce(0, +) } }).flattened)
    return factored.storage
  }

  private func expectProducts(
    _ storage: FactoredJacobianStorage, positions: [Int], entryCount: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      storage.positions == positions && !storage.isDense && storage.entryCount == entryCount, "\(storage)",
      sourceLocation: sourceLocation)
  }

  @Test func aProduct() {
    let x = Self.examples([3, 20])
    let once = storage({ x, p in dot(tanh(bind(UserProduct(), x, p[0])), p[1]) }, [[20, 30], [30]], x)
    // 3 · (20 + 30) numbers, not 3 · 20 · 30.
    expectProducts(once[0], positions: [1], entryCount: 3 * 50)
    let scaled = storage(
      { x, p in dot(tanh(bind(UserProduct(), x, bind(Negated(), p[0]) * 2)), p[1]) }, [[20, 30], [30]], x)
    expectProducts(scaled[0], positions: [1], entryCount: 3 * 50)
    let twice = storage(
      { x, p in bind(UserProduct(), tanh(bind(UserProduct(), x, p[0])), p[0])[0..<2] }, [[20, 20]], x)
    // Two positions for two outputs.
    expectProducts(twice[0], positions: [2], entryCount: 3 * (2 * 20 + 2 * 2 * 20))
    // Without the rule that keeps outer products everything is formed.
    let formed = storage({ x, p in bind(UserProduct(), x, bind(Doubled(), p[0]))[0] }, [[20, 30]], x)
    #expect(formed[0].isDense && formed[0].positions.isEmpty && formed[0].entryCount == 3 * 600)
  }

  @Test func theProductMeetsTheBuiltInOne() {
    let x = Self.examples([3, 20])
    let mixed = storage({ x, p in matmul(tanh(bind(UserProduct(), x, p[0])), p[0])[0] }, [[20, 20]], x)
    expectProducts(mixed[0], positions: [2], entryCount: 3 * (2 * 20 + 2 * 20))
  }

  @Test func aProductForEveryHead() {
    let x = Self.examples([3, 2, 7])
    let heads = storage({ x, p in square(bind(UserHeads(), x, p[0])).sum() }, [[2, 7, 9]], x)
    expectProducts(heads[0], positions: [1], entryCount: 3 * 2 * (7 + 9))
  }

  @Test func aLookUp() {
    let x = Tensor([3, 0, 3, 9])
    let lookUp = storage({ x, p in square(bind(UserLookUp(), p[0], x)).sum() }, [[50, 6]], x)
    // An index and a row, not the table.
    expectProducts(lookUp[0], positions: [1], entryCount: 4 * (1 + 6))
  }

  /// What the package's own operations keep as outer products through detours.
  @Test func detoursKeepTheStructure() {
    let x = Self.examples([3, 20])
    func expect(_ change: @escaping (Tensor) -> Tensor, _ shape: [Int], positions: [Int] = [1], entries: Int = 150) {
      let stored = storage({ x, p in dot(tanh(matmul(x, change(p[0]))), p[1]) }, [shape, [30]], x)
      expectProducts(stored[0], positions: positions, entryCount: entries)
    }
    expect({ $0.transposed }, [30, 20])
    expect({ $0.reshaped(to: [20, 30]) }, [600])
    expect({ $0[1..<21, 2..<32] }, [25, 40])
    expect({ checkpoint { $0.transposed * 0.5 }($0) }, [30, 20])
    expect({ [Tensor.zeros([5]), .zeros([20, 30])].replacingEntries(with: $0)[1] }, [605])
  }
}
