/// The solution X of A X = B with one half of A, for every matrix of a stack: [..., n, n] and [..., n, k] → [..., n, k].
///
/// A may be any view: the transposed matrix with the other half costs no copy. A zero on its diagonal gives infinities.
struct TriangularSystem: CheckedPrimitive {
  /// The half of A that counts.
  let half: Triangle
  /// Whether a program looks for zeros on the diagonal.
  var isChecked = false
  var name: String { "triangularSolve" }

  func shape(of inputs: Inputs) -> [Int] {
    let (a, b) = (inputs[0].shape, inputs[1].shape)
    guard a.count >= 2, b.count == a.count, a.dropLast() == b.dropLast(), a[a.count - 1] == a[a.count - 2] else {
      stop("needs a matrix [..., n, n] and columns [..., n, k]", got: "\(a) and \(b)")
    }
    return b
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let (n, count, matrices) = (shape[shape.count - 2], shape[shape.count - 1], Array(shape.dropLast(2)).product)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { x in
        inputs[1].withView(T.self) { StridedCopy.copy($0, to: x) }
        inputs[0].withView(T.self) { a in
          let (rowStride, columnStride) = (a.strides[a.strides.count - 2], a.strides[a.strides.count - 1])
          func solve(_ k: Int) {
            let matrix = MatrixView(
              base: a.base + a.offset(ofMatrix: k), rows: n, columns: n, rowStride: rowStride,
              columnStride: columnStride)
            TriangularSolve.solveChecked(
              half == .lower ? .lower : .upper, matrix, .left, into: x + k * n * count, count: count, rowStride: count)
          }
          if matrices >= 8 {
            ThreadTeam.run(matrices, solve)
          } else {
            for k in 0..<matrices { solve(k) }
          }
        }
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }

  func check(_ output: Tensor, of inputs: Inputs) throws(LinearAlgebraError) {
    if isChecked { try checkDiagonals(inputs[0]) }
  }

  /// A⁻¹ (Ḃ − Ȧ X).
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    var right = tangents[1]
    if let tangent = tangents[0] { accumulate(&right, -matmul(tangent * mask(output), output)) }
    return right.map { dispatch(self, .two(inputs[0], $0)) }
  }

  /// B̄ = A⁻ᵀ X̄ and Ā = −B̄ Xᵀ in the half.
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let adjoint = dispatch(TriangularSystem(half: half.flipped), .two(inputs[0].transposed, cotangent))
    return argument == 1 ? adjoint : -matmul(adjoint, output.transposed) * mask(output)
  }

  /// Examples are matrices of the stack or, where they share the matrix, more right-hand sides.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    let (a, b) = (inputs[0], inputs[1])
    if isBatched[0] { return dispatch(self, inputs.aligned(isBatched, size: size)) }
    let shape = Array(b.shape.dropFirst())
    let wide = b.movingAxis(0, to: -2).reshaped(to: shape.dropLast() + [size * shape[shape.count - 1]])
    let split = shape.dropLast() + [size, shape[shape.count - 1]]
    return dispatch(self, .two(a, wide)).reshaped(to: Array(split)).movingAxis(-2, to: 0)
  }

  private func mask(_ x: Tensor) -> Tensor { half.mask(x.shape[x.rank - 2], as: x.scalarType) }
}

/// The solution X of A X = B for a triangular matrix.
///
/// Only one half of A counts; the other one is neither read nor has a derivative. For a system with Aᵀ pass the transposed
/// matrix and the other half, `triangularSolve(l.transposed, b, .upper)`: nothing is copied.
///
/// - Shapes: A [..., n, n]; B [..., n, k] with leading axes that broadcast with those of A, or one vector [n].
/// - Parameters:
///   - a: the matrix, or a stack of them.
///   - b: the right-hand sides.
///   - half: the half of A that counts; by default the lower one.
/// - Returns: X, of the shape of B (broadcast).
/// - Throws: `LinearAlgebraError.singular` with the first entry of a diagonal that is zero or not a number. Also under
///   transforms; inside ``vmap(_:axis:outputAxis:)`` if it happens for any example.
/// - Complexity: n² k flops, and as much again for each derivative.
public func triangularSolve(
  _ a: Tensor, _ b: Tensor, _ half: Triangle = .lower
) throws(LinearAlgebraError) -> Tensor {
  let system = LinearSystem("triangularSolve", a, b)
  let isLater = a.isCheckedLater
  if !a.isBounded, !isLater { try checkDiagonals(a.beneathTraces(for: "triangularSolve")) }
  let solve = TriangularSystem(half: half, isChecked: isLater)
  return system.restored(bind(solve, .two(system.matrix, system.columns)))
}

/// Throws at the first zero on the diagonal of a matrix of a stack.
private func checkDiagonals(_ a: Tensor) throws(LinearAlgebraError) {
  let n = a.shape[a.rank - 1]
  func firstZero<T: LoopScalar>(_: T.Type) -> (pivot: Int, value: Double)? {
    a.withView(T.self) { a in
      for k in 0..<Array(a.shape.dropLast(2)).product {
        let first = a.base + a.offset(ofMatrix: k)
        for i in 0..<n {
          let pivot = first[i * (a.strides[a.strides.count - 2] + a.strides[a.strides.count - 1])]
          if pivot == 0 || pivot.isNaN { return (i, Double(pivot)) }
        }
      }
      return nil
    }
  }
  if let zero = perType(a.scalarType, double: firstZero(Double.self), float: firstZero(Float.self)) {
    throw .singular(pivot: zero.pivot, value: zero.value)
  }
}

/// A matrix and right-hand sides as a caller gave them, with leading axes broadcast and a vector made a column.
struct LinearSystem {
  let matrix: Tensor
  let columns: Tensor
  private let isVector: Bool

  init(_ operation: String, _ a: Tensor, _ b: Tensor) {
    let n = a.shape.last ?? 0
    let rows = b.rank == 1 ? b.shape[0] : b.shape.dropLast().last ?? -1
    guard a.rank >= 2, a.shape[a.rank - 2] == n, rows == n else {
      stop(
        operation, "needs a matrix [..., n, n] and right-hand sides [n] or [..., n, k]",
        got: "\(a.shape) and \(b.shape)")
    }
    isVector = b.rank == 1
    let sides = isVector ? b.expanded(at: 1) : b
    let stack = broadcastShape(Array(a.shape.dropLast(2)), Array(sides.shape.dropLast(2)), operation)
    matrix = a.broadcast(to: stack + [n, n])
    columns = sides.broadcast(to: stack + sides.shape.suffix(2))
  }

  /// The solution without the axis that made a vector a column.
  func restored(_ solution: Tensor) -> Tensor { isVector ? solution.squeezed([-1]) : solution }
}

extension StridedView {
  /// The place of a matrix of a stack that its last two axes hold.
  func offset(ofMatrix index: Int) -> Int {
    var (rest, offset) = (index, 0)
    for axis in shape.indices.dropLast(2).reversed() {
      offset += rest % shape[axis] * strides[axis]
      rest /= shape[axis]
    }
    return offset
  }
}
