import Testing

@testable import AutoDiff

/// Assignment to a part, `y[i] = …`: what it gives, and that it moves no more than the part.
@Suite struct PartAssignmentTests {
  /// A tensor whose memory is counted as an array of its own.
  private static let (rows, columns) = (40, 64)

  /// How often the memory that holds a tensor's numbers changed its address over a loop.
  private struct Moves {
    private var last: UnsafeRawPointer?
    private(set) var count = 0
    mutating func look(at tensor: Tensor) {
      let address: UnsafeRawPointer? = Self.numbers(of: tensor).array.storage.map { UnsafeRawPointer($0.base) }
      if address != last { count += 1 }
      last = address
    }
    static func numbers(of tensor: Tensor) -> Tensor {
      var tensor = tensor
      while tensor.node.level > 0 { tensor = unsafeDowncast(tensor.node, to: TracedNode.self).primal }
      return tensor
    }
  }

  private static func filled(from x: Tensor, _ moves: inout Moves) -> Tensor {
    var y = Tensor.zeros([rows, columns])
    y[0] = x
    moves.look(at: y)
    for row in 1..<rows {
      y[row] = tanh(y[row - 1]) * 2 + x
      moves.look(at: y)
    }
    return y
  }

  /// The same without assignment.
  private static func stacked(from x: Tensor) -> Tensor {
    var rows = [x]
    while rows.count < Self.rows { rows.append(tanh(rows.last!) * 2 + x) }
    return stack(rows)
  }

  private static let x = Tensor.linspace(-1, 1, count: columns)

  @Test func withoutATransform() {
    var moves = Moves()
    let y = Self.filled(from: Self.x, &moves)
    #expect(y == Self.stacked(from: Self.x))
    #expect(moves.count == 1)
  }

  @Test func underAGradient() {
    var moves = Moves()
    let weights = Tensor.linspace(0.5, 2, count: Self.rows).expanded(at: 1)
    let g = gradient(of: { (Self.filled(from: $0, &moves) * weights).sum() }, at: Self.x)
    let expected = gradient(of: { (Self.stacked(from: $0) * weights).sum() }, at: Self.x)
    #expect(moves.count == 1)
    #expect(g.subtracting(expected).euclideanNorm.scalar < 1e-12 * expected.euclideanNorm.scalar)
  }

  @Test func underAForwardDerivativeAndInBatches() {
    let v = Self.x * 2 - 1
    var moves = Moves()
    let tangent = jvp(of: { Self.filled(from: $0, &moves) }, at: Self.x, along: v).tangent
    #expect(moves.count == 1)
    #expect(tangent == jvp(of: { Self.stacked(from: $0) }, at: Self.x, along: v).tangent)
    let xs = stack([Self.x, v, -v])
    moves = Moves()
    let batched = vmap { (x: Tensor) in Self.filled(from: x, &moves) }(xs)
    #expect(moves.count == 1)
    #expect(batched == vmap { Self.stacked(from: $0) }(xs))
  }

  /// Under two and three traces values are still right.
  @Test func nested() {
    let f = { (x: Tensor) -> Tensor in
      var moves = Moves()
      return square(Self.filled(from: x, &moves)).sum()
    }
    let g = { (x: Tensor) -> Tensor in square(Self.stacked(from: x)).sum() }
    let v = Self.x - 0.5
    func expectEqual(_ a: Tensor, _ b: Tensor) { #expect((a - b).norm().scalar <= 1e-10 * b.norm().scalar) }
    expectEqual(hvp(of: f, at: Self.x, along: v), hvp(of: g, at: Self.x, along: v))
    expectEqual(
      gradient(of: { (gradient(of: f, at: $0) * v).sum() }, at: Self.x),
      gradient(of: { (gradient(of: g, at: $0) * v).sum() }, at: Self.x))
    let xs = stack([Self.x, v])
    expectEqual(vmap { gradient(of: f, at: $0) }(xs), vmap { gradient(of: g, at: $0) }(xs))
    expectEqual(vmap { hvp(of: f, at: $0, along: v) }(xs), vmap { hvp(of: g, at: $0, along: v) }(xs))
    expectEqual(
      gradient(of: { vmap { f($0) }($0).sum() }, at: xs), gradient(of: { vmap { g($0) }($0).sum() }, at: xs))
  }

  /// Counts how often the backward pass writes into memory that it did not write into before.
  @Test func theBackwardPassCopiesNothing() {
    final class Addresses: @unchecked Sendable { var moves = Moves() }
    /// The identity, which looks at the cotangent on its way.
    struct Probe: LinearPrimitive {
      let addresses: Addresses
      var name: String { "probe" }
      func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
      func evaluate(_ inputs: Inputs) -> Tensor { inputs[0] }
      func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
        addresses.moves.look(at: cotangent)
        return cotangent
      }
      func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { inputs[0] }
      func accumulateVJP(
        _ inputs: Inputs, output: Tensor, cotangent: consuming Tensor, argument: Int, into sum: inout Tensor?
      ) {
        addresses.moves.look(at: cotangent)
        accumulate(&sum, cotangent)
      }
    }
    let probe = Probe(addresses: Addresses())
    _ = gradient(
      of: { x in
        var y = Tensor.zeros([Self.rows, Self.columns])
        for row in 0..<Self.rows {
          y[row] = x * Double(row)
          y = bind(probe, y)
        }
        return (y * y).sum()
      }, at: Self.x)
    #expect(probe.addresses.moves.count == 1)
    // Reading rows: the gradients of all of them arrive in one tensor.
    probe.addresses.moves = Moves()
    let weights = Tensor.linspace(1, 2, count: Self.rows)
    let g = gradient(
      of: { x in
        var sum = Tensor(0)
        for row in 0..<Self.rows { sum += square(x[row]).sum() * weights[row] }
        return sum
      }, at: Tensor.ones([Self.rows, Self.columns]))
    #expect(g == 2 * weights.expanded(at: 1).broadcast(to: [Self.rows, Self.columns]))
  }

  /// A part that is looked at does not change when the whole does, and a copy neither.
  @Test func valuesStayValues() {
    var y = Tensor.range(to: 4096).reshaped(to: [64, 64])
    let original = y
    let (row, half, column) = (y[3], y[0..<32], y[.all, 5])
    y[3] = Tensor(-1)
    y[.all, 5] = Tensor(-2)
    #expect(original == Tensor.range(to: 4096).reshaped(to: [64, 64]))
    #expect(row == original[3] && half == original[0..<32] && column == original[.all, 5])
    #expect(y[3, 4].scalar == -1 && y[3, 5].scalar == -2 && y[4, 4] == original[4, 4])
    // Overlapping source and target.
    y = original + 0
    y[1..<64] = y[0..<63]
    #expect(y[1..<64] == original[0..<63] && y[0] == original[0])
    y[...] = y.transposed
    #expect(y[0, 1..<64] == original[0..<63, 0])
  }

  /// A tape's residuals are not overwritten.
  @Test func recordedValuesStay() {
    let g = gradient(
      of: { (x: Tensor) -> Tensor in
        var y = x * 2
        let before = square(y).sum()
        y[0] = Tensor(100)
        return before + (y * y * y).sum() * 0.001
      }, at: Tensor.ones([32, 64]))
    #expect(g[0] == Tensor.filled(8, [64]))
    #expect((g[1...] - (8 + 0.001 * 3 * 4 * 2)).norm().scalar < 1e-12)
  }

  /// Against assignment entry by entry, for every kind of position.
  @Test func againstALoop() {
    var generator = RandomGenerator(seed: 5)
    for trial in 0..<300 {
      let shape = (0..<Int.random(in: 1...3, using: &generator)).map { _ in Int.random(in: 1...5, using: &generator) }
      var places: [[Int]] = []
      let positions = shape.map { extent -> TensorIndex in
        let (a, b) = (Int.random(in: 0...extent, using: &generator), Int.random(in: 0...extent, using: &generator))
        let step = [1, 2, -1, -2][Int.random(in: 0..<4, using: &generator)]
        let (from, to) = (min(a, b), max(a, b))
        places.append(
          step > 0 ? Array(stride(from: from, to: to, by: step)) : Array(stride(from: to - 1, through: from, by: step)))
        return .range(from, to, step: step)
      }
      let base = Tensor.normal(shape, using: &generator)
      let piece = Tensor.normal(places.map(\.count), using: &generator)
      var y = base + 0
      switch positions.count {
      case 1: y[positions[0]] = piece
      case 2: y[positions[0], positions[1]] = piece
      default: y[positions[0], positions[1], positions[2]] = piece
      }
      var expected = base.scalars
      let strides = shape.rowMajorStrides
      var indices: [[Int]] = [[]]
      for axis in places { indices = indices.flatMap { index in axis.map { index + [$0] } } }
      for (value, index) in zip(piece.scalars, indices) {
        expected[zip(index, strides).map { $0 * $1 }.reduce(0, +)] = value
      }
      #expect(y.scalars == expected, "trial \(trial)")
    }
  }
}
