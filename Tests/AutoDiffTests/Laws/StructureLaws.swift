import Testing

@testable import AutoDiff

/// What a primitive states beside its rules says the same as they do.
extension Variant {
  /// Outer products are the gradient, pulled back they stay what the rule makes of them, and cotangents computed together
  /// are those computed one by one.
  func checkStructure() {
    var generator = RandomGenerator(seed: seed)
    let inputs = Inputs(sample(using: &generator))
    let output = primitive.evaluate(inputs)
    let cotangent = dyadicDirection(like: output, using: &generator)
    let moving = inputs.indices.filter { arguments[$0].moves }
    func gradient(_ argument: Int, _ cotangent: Tensor) -> Tensor {
      primitive.vjp(inputs, output: output, cotangent: cotangent, argument: argument) ?? .zeros(like: inputs[argument])
    }
    for argument in moving {
      if let products = primitive.outerProducts(inputs, output: output, cotangent: cotangent, argument: argument) {
        expectClose(
          products.plainSum.reshaped(to: inputs[argument].shape), gradient(argument, cotangent), .analytic, seed: seed,
          "outer products of argument \(argument)")
      }
    }
    if moving.count > 1,
      let parts = primitive.cotangents(
        inputs, output: output, cotangent: cotangent, wanted: ShortList(arguments.map(\.moves)))
    {
      for argument in moving {
        expectClose(
          parts[argument] ?? .zeros(like: inputs[argument]), gradient(argument, cotangent), .exact, seed: seed,
          "cotangent \(argument) together with others")
      }
    }
    for products in OuterProducts.samples(output.shape, output.scalarType, using: &generator) {
      for argument in moving {
        guard let pulled = primitive.pullback(products, inputs, argument: argument) else { continue }
        expectClose(
          pulled.plainSum.reshaped(to: inputs[argument].shape),
          gradient(argument, products.plainSum.reshaped(to: output.shape)), .analytic, seed: seed,
          "outer products \(products.leftAxes) \(products.parallelAxes) pulled back to argument \(argument)")
      }
    }
  }
}

extension OuterProducts {
  /// What the outer products stand for, written out entry by entry: all entries of W.
  var plainSum: Tensor {
    let sides = parallelAxes + leftAxes + rightAxes
    let extents = sides.map { shape[$0] }
    let (p, r) = (right.shape[1], right.shape[2])
    let (rightEntries, positions) = (right.scalars, right.shape[0])
    let l = shape.product / max(1, p * r)
    func leftEntry(_ t: Int, _ q: Int, _ k: Int) -> Double {
      switch left {
      case .values(let values): values.scalars[(t * p + q) * l + k]
      case .rows(let rows): Int(rows.scalars[t]) == k ? 1 : 0
      }
    }
    var entries: [Double] = []
    for q in 0..<p {
      for k in 0..<l {
        for j in 0..<r {
          entries.append(
            scale * (0..<positions).map { leftEntry($0, q, k) * rightEntries[($0 * p + q) * r + j] }.reduce(0, +))
        }
      }
    }
    var whole = Tensor(entries, shape: extents, as: right.scalarType).permuted(sides.inversePermutation)
    for box in boxes {
      whole = whole.reshaped(to: box.counts).placed(in: box, leadingRank: 0)
    }
    return whole.flattened
  }

  /// Outer products with every assignment of the axes of a shape to the sides, whole and in a part of it.
  static func samples(
    _ shape: [Int], _ type: ScalarType, using generator: inout RandomGenerator
  ) -> [OuterProducts] {
    guard (1...3).contains(shape.count), shape.product > 0 else { return [] }
    var result: [OuterProducts] = []
    var assignments: [[Int]] = [[]]
    for _ in shape { assignments = assignments.flatMap { a in (0..<3).map { a + [$0] } } }
    for sides in assignments {
      func axes(_ side: Int) -> [Int] { Array(shape.indices.filter { sides[$0] == side }.reversed()) }
      func make(_ shape: [Int]) -> OuterProducts {
        let parallel = shape.picking(axes(2))
        return OuterProducts(
          left: dyadic([2] + parallel + shape.picking(axes(0)), type, using: &generator),
          right: dyadic([2] + parallel + shape.picking(axes(1)), type, using: &generator),
          leftAxes: axes(0), rightAxes: axes(1), parallelAxes: axes(2), shape: shape
        ).scaled(by: 1.5)
      }
      result.append(make(shape))
      let counts = shape.map { ($0 + 1) / 2 }
      result.append(
        make(counts).undoingSlice(
          .init(
            container: shape, starts: zip(shape, counts).map { $0 - $1 }, counts: counts, steps: shape.map { _ in 1 })))
    }
    for axis in shape.indices {
      let rows = Tensor([Double(shape[axis] - 1), 0, Double(shape[axis] - 1)], as: type)
      result.append(
        OuterProducts(
          rows: rows, axis: axis, right: dyadic([3] + shape.dropping([axis]), type, using: &generator), shape: shape))
    }
    return result
  }

  private static func dyadic(_ shape: [Int], _ type: ScalarType, using generator: inout RandomGenerator) -> Tensor {
    dyadicDirection(like: .zeros(shape, as: type), using: &generator)
  }
}
