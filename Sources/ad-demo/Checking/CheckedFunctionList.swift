import AutoDiff

extension CheckedFunction {
  /// Every differentiable function of the public interface.
  static var all: [CheckedFunction] {
    elementwise + pairs + shapes + selections + reductions + products + images + factorizations
  }

  // MARK: Entry by entry

  private static var elementwise: [CheckedFunction] {
    [
      unary("negate") { -$0 }, unary("square", square), unary("reciprocal", in: 0.5...2, reciprocal),
      unary("scale") { $0 * 0.7 }, unary("divide by a number") { $0 / 0.7 }, unary("offset") { 1.3 - $0 },
      unary("exp", exp), unary("expm1", expm1), unary("log", in: 0.4...3, log), unary("log1p", in: -0.6...2, log1p),
      unary("sqrt", in: 0.4...3, sqrt), unary("sin", sin), unary("cos", cos), unary("tan", in: -1...1, tan),
      unary("arctan", arctan), unary("tanh", tanh), unary("sigmoid", sigmoid), unary("erf", erf), unary("erfc", erfc),
      unary("gelu", gelu), unary("silu", silu), unary("relu", kink: 0, relu), unary("abs", kink: 0, abs),
      unary("sign", kink: 0, sign),
      CheckedFunction("softplus") { choose in
        let sharpness = choose.element(of: [1, 3, 0.5])
        return one(&choose, choose.tensor(choose.shape())) { softplus($0, sharpness: sharpness) }
      },
      CheckedFunction("clamp") { choose in
        // Numbers between the multiples of 1/2, of which the bounds are two.
        one(&choose, choose.between(choose.shape(), offset: 0.25)) { clamp($0, min: -1, max: 0.5) }
      },
      CheckedFunction("pow by a number") { choose in
        let exponent = choose.element(of: [3, 0, 1, 2, -1, 0.5, -2.5, 1.7])
        return one(&choose, choose.tensor(choose.shape(), in: 0.4...2)) { pow($0, exponent) }
      },
    ]
  }

  private static var pairs: [CheckedFunction] {
    [
      binary("add", +), binary("subtract", -), binary("multiply", *), binary("divide", second: 0.5...2, /),
      binary("pow", first: 0.4...2, pow),
      binary("add in place") { a, b in
        var sum = a + b
        sum += b * 0.3
        sum.add(a, scaledBy: -0.7)
        return sum
      },
      CheckedFunction("maximum") { choose in separated(&choose, maximum) },
      CheckedFunction("minimum") { choose in separated(&choose, minimum) },
      CheckedFunction("select") { choose in
        let shapes = choose.broadcastableShapes(3)
        let mask = choose.tensor(shapes[2]) .< 0
        return Call(inputs: shapes[..<2].map { choose.tensor($0) }) { select(mask, $0[0], $0[1]) }
      },
    ]
  }

  // MARK: Shapes and parts

  private static var shapes: [CheckedFunction] {
    [
      CheckedFunction("reshaped") { choose in
        let shape = choose.shape()
        return one(&choose, choose.tensor(shape)) { square($0).reshaped(to: [1] + shape.reversed()) }
      },
      CheckedFunction("permuted") { choose in
        let shape = choose.shape(rank: 1...4)
        let axes = choose.permutation(shape.count)
        return one(&choose, choose.tensor(shape)) { square($0).permuted(axes) }
      },
      CheckedFunction("broadcast") { choose in
        let shape = choose.shape(rank: 1...3)
        let own = shape.map { choose.integer(in: 0...1) == 0 ? $0 : 1 }
        return one(&choose, choose.tensor(own)) { square($0).broadcast(to: [2] + shape) }
      },
      CheckedFunction("expanded, squeezed") { choose in
        let shape = choose.shape()
        let axis = choose.integer(in: 0...shape.count)
        return one(&choose, choose.tensor(shape)) { square(square($0).expanded(at: axis)).squeezed([axis]) }
      },
      CheckedFunction("movingAxis") { choose in
        let shape = choose.shape(rank: 1...4)
        let (from, to) = (choose.integer(in: 0...shape.count - 1), choose.integer(in: 0...shape.count - 1))
        return one(&choose, choose.tensor(shape)) { square($0).movingAxis(from, to: to) }
      },
      CheckedFunction("concatenate") { choose in
        let shape = choose.shape(rank: 1...3)
        let axis = choose.integer(in: 0...shape.count - 1)
        var other = shape
        other[axis] = choose.integer(in: 0...3)
        return Call(inputs: [shape, other].map { choose.tensor($0) }) { concatenate($0.map(square), axis: axis) }
      },
      CheckedFunction("stack") { choose in
        let shape = choose.shape()
        let axis = choose.integer(in: 0...shape.count)
        return Call(inputs: [shape, shape].map { choose.tensor($0) }) { stack($0.map(square), axis: axis) }
      },
      CheckedFunction("padded") { choose in
        let shape = choose.shape()
        let widths = shape.map { _ in (before: choose.integer(in: 0...2), after: choose.integer(in: 0...2)) }
        return one(&choose, choose.tensor(shape)) { square($0).padded(widths) }
      },
      CheckedFunction("float32 and back") { choose in
        // The input is of the coarser type, so that nothing is lost on the way.
        one(&choose, choose.tensor(choose.shape()).as(.float32).as(.float64)) { $0 * 1 }
      },
    ]
  }

  private static var selections: [CheckedFunction] {
    [
      CheckedFunction("subscript") { choose in
        let shape = choose.shape(rank: 2...3, extents: 1...5)
        let row = choose.integer(in: 0...shape[0] - 1)
        let start = choose.integer(in: 0...shape[1] - 1)
        let step = choose.element(of: [1, 2, -1])
        return one(&choose, choose.tensor(shape)) { square($0)[row, TensorIndex.range(start, nil, step: step)] }
      },
      CheckedFunction("assignment to a subscript") { choose in
        let shape = choose.shape(rank: 2...3, extents: 1...4)
        let row = choose.integer(in: 0...shape[0] - 1)
        return Call(inputs: [choose.tensor(shape), choose.tensor(Array(shape.dropFirst()))]) { x in
          var result = square(x[0])
          result[row] = square(x[1])
          return result
        }
      },
      CheckedFunction("gathered") { choose in
        let shape = choose.shape(rank: 1...3, extents: 1...4)
        let axis = choose.integer(in: 0...shape.count - 1)
        let places = choose.integers(choose.integer(in: 0...5), in: 0...shape[axis] - 1)
        return one(&choose, choose.tensor(shape)) { square($0).gathered(at: places, axis: axis) }
      },
      CheckedFunction("gatheredAlong") { choose in
        let shape = choose.shape(rank: 1...3, extents: 1...4)
        let axis = choose.integer(in: 0...shape.count - 1)
        var places = shape
        places[axis] = choose.integer(in: 0...5)
        let count = places.reduce(1, *)
        let indices = Tensor(choose.integers(count, in: 0...shape[axis] - 1).map(Double.init), shape: places)
        return one(&choose, choose.tensor(shape)) { square($0).gatheredAlong(axis: axis, at: indices) }
      },
      CheckedFunction("sorted, argsort") { choose in
        let shape = choose.shape(rank: 1...3, extents: 1...4)
        let axis = choose.integer(in: 0...shape.count - 1)
        return one(&choose, choose.between(shape, offset: 0)) {
          $0.sorted(axis: axis) * $0.sorted(axis: axis, descending: true) + $0.argsort(axis: axis)
        }
      },
      CheckedFunction("scatterAdded") { choose in
        let shape = choose.shape(rank: 1...3)
        let axis = choose.integer(in: 0...shape.count - 1)
        let places = Tensor(choose.integers(shape[axis], in: 0...4).map(Double.init))
        return one(&choose, choose.tensor(shape)) { square($0).scatterAdded(at: places, axis: axis, extent: 5) }
      },
    ]
  }

  // MARK: Reductions

  private static var reductions: [CheckedFunction] {
    [
      reduction("sum", extents: 0...4) { square($0).sum(axes: $1, keepingAxes: $2) },
      reduction("mean") { square($0).mean(axes: $1, keepingAxes: $2) },
      reduction("product", extents: 0...4) { $0.product(axes: $1, keepingAxes: $2) },
      CheckedFunction("cumulativeSum") { choose in
        alongAxis(&choose) { square($0).cumulativeSum(axis: $1) * $0.cumulativeSum(axis: $1, reversed: true) }
      },
      reduction("norm", in: 0.3...2) { $0.norm(axes: $1, keepingAxes: $2) },
      reduction("logsumexp") { logsumexp($0, axes: $1, keepingAxes: $2) },
      CheckedFunction("max") { choose in extremum(&choose) { $0.max(axes: $1, keepingAxes: $2) } },
      CheckedFunction("min") { choose in extremum(&choose) { $0.min(axes: $1, keepingAxes: $2) } },
      CheckedFunction("argmax, argmin") { choose in
        extremum(&choose) { x, axes, _ in
          axes?.first.map { x.argmax(axis: $0) + 2 * x.argmin(axis: $0) } ?? x.flattened.argmax()
        }
      },
      CheckedFunction("softmax") { choose in alongAxis(&choose) { softmax($0, axis: $1) } },
      CheckedFunction("logSoftmax") { choose in alongAxis(&choose) { logSoftmax($0, axis: $1) } },
      CheckedFunction("layerNorm") { choose in alongAxis(&choose) { layerNorm($0, axis: $1, epsilon: 0.1) } },
    ]
  }

  // MARK: Products

  private static var products: [CheckedFunction] {
    [
      CheckedFunction("matmul") { choose in
        let (m, k, n) = (choose.integer(in: 0...4), choose.integer(in: 0...4), choose.integer(in: 0...4))
        let lead = choose.element(of: [([Int](), [Int]()), ([2], []), ([], [3]), ([2, 1], [3])])
        return two(&choose, lead.0 + [m, k], lead.1 + [k, n], matmul)
      },
      CheckedFunction("matmul with vectors") { choose in
        let (k, n) = (choose.integer(in: 1...4), choose.integer(in: 0...4))
        let shapes = choose.element(of: [([k], [k]), ([n, k], [k]), ([k], [k, n]), ([2, n, k], [k])])
        return two(&choose, shapes.0, shapes.1, matmul)
      },
      CheckedFunction("dot") { choose in
        let shape = choose.shape()
        return two(&choose, shape, shape, dot)
      },
      CheckedFunction("outer") { choose in
        let (m, n) = (choose.integer(in: 0...4), choose.integer(in: 0...4))
        return two(&choose, [m], [n], outer)
      },
      CheckedFunction("tensordot") { choose in
        let (a, b, c, d) = (choose.integer(in: 1...3), choose.integer(in: 1...3), 2, choose.integer(in: 1...3))
        return two(&choose, [a, b, c], [c, d, b]) { tensordot($0, $1, axes: ([1, 2], [2, 0])) }
      },
      CheckedFunction("einsum") { choose in
        let (a, b, c) = (choose.integer(in: 1...3), choose.integer(in: 0...3), choose.integer(in: 1...3))
        return two(&choose, [a, b, c, a], [b, c]) { einsum("abca,bc->ca", $0, $1) }
      },
    ]
  }

  // MARK: Images and matrices

  private static var images: [CheckedFunction] {
    [
      CheckedFunction("convolution") { choose in
        let groups = choose.element(of: [1, 2])
        let padding = choose.element(of: [Padding.valid, .same, .explicit(1)])
        let stride = choose.integer(in: 1...2)
        let (height, width) = (choose.integer(in: 3...5), choose.integer(in: 3...5))
        return two(&choose, [height, width, 2], [choose.integer(in: 1...3), 2, 2 / groups, 2]) {
          convolution($0, $1, strides: (stride, 1), padding: padding, groups: groups)
        }
      },
      CheckedFunction("maxPool") { choose in
        // A permutation: entries far enough apart for differences to stay on one side of the kink.
        let order = Tensor(choose.permutation(32).map(Double.init), shape: [4, 4, 2]) * 0.1
        return one(&choose, order) { maxPool($0, window: (2, 2)) }
      },
      CheckedFunction("averagePool") { choose in
        one(&choose, choose.tensor([4, 5, 2])) { averagePool($0, window: (2, 3)) }
      },
    ]
  }

  /// Matrices that are far from singular by construction, so that nothing is thrown.
  private static var factorizations: [CheckedFunction] {
    func positiveDefinite(_ a: Tensor) -> Tensor { matmul(a, a.transposed) + Tensor.eye(a.shape[0]) }
    func invertible(_ a: Tensor) -> Tensor { a * 0.3 + Tensor.eye(a.shape[0]) * 2 }
    /// With eigenvalues that are far enough apart.
    func symmetric(_ a: Tensor) -> Tensor {
      let n = a.shape[0]
      return (a + a.transposed) * 0.1 + Tensor.eye(n) * Tensor.range(to: Double(n)) * 4
    }
    return [
      CheckedFunction("cholesky") { choose in
        let n = choose.integer(in: 1...4)
        return one(&choose, choose.tensor([n, n])) { try! cholesky(positiveDefinite($0)) }
      },
      CheckedFunction("choleskySolve") { choose in
        let n = choose.integer(in: 1...4)
        return two(&choose, [n, n], [n, 2]) { try! choleskySolve(positiveDefinite($0), $1) }
      },
      CheckedFunction("solve") { choose in
        let n = choose.integer(in: 1...4)
        return two(&choose, [n, n], [n, 2]) { try! solve(invertible($0), $1) }
      },
      CheckedFunction("logDeterminant") { choose in
        let n = choose.integer(in: 1...4)
        return one(&choose, choose.tensor([n, n])) { try! logDeterminant(positiveDefinite($0)) }
      },
      CheckedFunction("triangularSolve") { choose in
        let n = choose.integer(in: 1...4)
        return two(&choose, [n, n], [n, 2]) { try! triangularSolve(invertible($0), $1) }
      },
      CheckedFunction("qr") { choose in
        let n = choose.integer(in: 1...4)
        return one(&choose, choose.tensor([n, n])) { a in
          let (q, r) = try! qr(invertible(a))
          return q + r
        }
      },
      CheckedFunction("symmetricEigen") { choose in
        let n = choose.integer(in: 1...4)
        return one(&choose, choose.tensor([n, n])) { a in
          let (values, vectors) = try! symmetricEigen(symmetric(a))
          // Signs may jump where two entries of a vector are equal.
          return values + square(vectors)
        }
      },
      CheckedFunction("symmetricEigenvalues") { choose in
        let n = choose.integer(in: 1...4)
        return one(&choose, choose.tensor([n, n])) { try! symmetricEigenvalues(symmetric($0)) }
      },
    ]
  }
}

// MARK: - How inputs are drawn

private typealias Call = CheckedFunction.Call

private func one(_ choose: inout Choices, _ x: Tensor, _ f: @escaping (Tensor) -> Tensor) -> Call {
  Call(inputs: [x]) { f($0[0]) }
}

private func two(
  _ choose: inout Choices, _ a: [Int], _ b: [Int], _ f: @escaping (Tensor, Tensor) -> Tensor
) -> Call {
  Call(inputs: [choose.tensor(a), choose.tensor(b)]) { f($0[0], $0[1]) }
}

private func unary(
  _ name: String, in range: ClosedRange<Double> = -2...2, kink: Double? = nil, _ f: @escaping (Tensor) -> Tensor
) -> CheckedFunction {
  CheckedFunction(name) { choose in one(&choose, choose.tensor(choose.shape(), in: range, awayFrom: kink), f) }
}

private func binary(
  _ name: String, first: ClosedRange<Double> = -2...2, second: ClosedRange<Double> = -2...2,
  _ f: @escaping (Tensor, Tensor) -> Tensor
) -> CheckedFunction {
  CheckedFunction(name) { choose in
    let shapes = choose.broadcastableShapes(2)
    return Call(inputs: [choose.tensor(shapes[0], in: first), choose.tensor(shapes[1], in: second)]) { f($0[0], $0[1]) }
  }
}

/// Two tensors whose entries are never equal.
private func separated(_ choose: inout Choices, _ f: @escaping (Tensor, Tensor) -> Tensor) -> Call {
  let shapes = choose.broadcastableShapes(2)
  return Call(inputs: [choose.between(shapes[0], offset: 0.1), choose.between(shapes[1], offset: 0.35)]) {
    f($0[0], $0[1])
  }
}

private func reduction(
  _ name: String, extents: ClosedRange<Int> = 1...4, in range: ClosedRange<Double> = -2...2,
  _ f: @escaping (Tensor, [Int]?, Bool) -> Tensor
) -> CheckedFunction {
  CheckedFunction(name) { choose in
    let shape = choose.shape(extents: extents)
    let (axes, keepingAxes) = choose.axes(of: shape)
    return one(&choose, choose.tensor(shape, in: range)) { f($0, axes, keepingAxes) }
  }
}

/// A tensor all of whose entries differ.
private func extremum(_ choose: inout Choices, _ f: @escaping (Tensor, [Int]?, Bool) -> Tensor) -> Call {
  let shape = choose.shape(extents: 1...4)
  let (axes, keepingAxes) = choose.axes(of: shape)
  let ranks = choose.permutation(shape.reduce(1, *))
  let entries = ranks.map { Double($0 - ranks.count / 2) * 0.5 + 0.2 }
  return one(&choose, Tensor(entries, shape: shape)) { f($0, axes, keepingAxes) }
}

private func alongAxis(_ choose: inout Choices, _ f: @escaping (Tensor, Int) -> Tensor) -> Call {
  let shape = choose.shape(rank: 1...3, extents: 1...4)
  let axis = choose.integer(in: 0...shape.count - 1)
  return one(&choose, choose.tensor(shape)) { f($0, axis) }
}

extension Choices {
  /// Numbers within 0.05 of an odd place between multiples of 1/2: never equal to those of another offset.
  fileprivate mutating func between(_ shape: [Int], offset: Double) -> Tensor {
    Tensor(
      numbers(shape.reduce(1, *), in: -2...2).map { ($0 * 2).rounded() / 2 + offset + 0.02 * $0 }, shape: shape)
  }

  fileprivate mutating func integers(_ count: Int, in range: ClosedRange<Int>) -> [Int] {
    (0..<count).map { _ in integer(in: range) }
  }

  fileprivate mutating func permutation(_ count: Int) -> [Int] {
    var random = randomGenerator()
    return (0..<count).shuffled(using: &random)
  }

  /// Some axes, or all of them, and whether they are kept.
  fileprivate mutating func axes(of shape: [Int]) -> ([Int]?, Bool) {
    let isKept = integer(in: 0...1) == 1
    if integer(in: 0...1) == 0 { return (nil, isKept) }
    return (shape.indices.filter { _ in integer(in: 0...1) == 1 }, isKept)
  }

  fileprivate mutating func broadcastableShapes(_ count: Int) -> [[Int]] {
    let whole = shape()
    return (0..<count).map { _ in
      whole.dropFirst(integer(in: 0...whole.count)).map { integer(in: 0...1) == 0 ? $0 : 1 }
    }
  }
}
