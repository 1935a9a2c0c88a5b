import AutoDiff

/// A kernel between examples, as a matrix that acts on outputs.
///
/// One [m, n] kernel may be shared by all outputs (the columns of what it acts on), or there may be one for every pair of
/// outputs.
struct KernelAction: Sendable {
  /// [m, n], or [m · o, n · o] for pairs of outputs.
  let matrix: Tensor
  /// [m, output shape...] and [n, output shape...].
  let (rowShape, columnShape): ([Int], [Int])

  /// Stops unless the kernel has one of the shapes [m, n], [m · o, n · o], and [m, n, o, o].
  ///
  /// - Parameters:
  ///   - kernel: the kernel.
  ///   - rowShape: the shape of outputs on its left.
  ///   - columnShape: the shape of outputs on its right.
  init(_ kernel: Tensor, _ rowShape: [Int], _ columnShape: [Int], _ operation: String) {
    guard let m = rowShape.first, let n = columnShape.first, n > 0, rowShape.dropFirst() == columnShape.dropFirst()
    else {
      stop(
        operation, "outputs need the shape [n, ...] with n > 0, and the same one for each example",
        got: "\(columnShape) and \(rowShape)")
    }
    let o = rowShape.dropFirst().reduce(1, *)
    (self.rowShape, self.columnShape) = (rowShape, columnShape)
    switch kernel.shape {
    case [m, n], [m * o, n * o]: matrix = kernel
    case [m, n, o, o]: matrix = kernel.permuted([0, 2, 1, 3]).reshaped(to: [m * o, n * o])
    default:
      stop(
        operation, "the kernel must have shape [\(m), \(n)], [\(m), \(n), \(o), \(o)] or [\(m * o), \(n * o)]",
        got: "\(kernel.shape)")
    }
  }

  /// Outputs as a matrix that the kernel can be multiplied with.
  func columns(of outputs: Tensor) -> Tensor {
    outputs.reshaped(to: [matrix.shape[1], outputs.count / matrix.shape[1]])
  }

  /// K g: [n, output shape...] → [m, output shape...].
  func callAsFunction(_ g: Tensor) -> Tensor { matmul(matrix, columns(of: g)).reshaped(to: rowShape) }

  /// Throws the first entry that is not finite.
  ///
  /// - Parameters:
  ///   - input: what the tensor is, for the error.
  ///   - operation: what the user called.
  static func requireFinite(_ tensor: Tensor, _ input: String, for operation: String) throws(TrainingError) {
    if tensor.isFinite(for: operation) { return }
    let entries = tensor.scalars
    guard let position = entries.firstIndex(where: { !$0.isFinite }) else { return }
    var (index, rest) = (tensor.shape, position)
    for axis in index.indices.reversed() { (rest, index[axis]) = rest.quotientAndRemainder(dividingBy: index[axis]) }
    throw .notFinite(input: input, index: index, value: entries[position])
  }

  /// Stops in a transform, throws unless the matrix is finite and, to the root of the type's epsilon, symmetric.
  func requireSymmetric(_ operation: String) throws(TrainingError) {
    guard !matrix.isTraced else {
      stop(
        operation, "the kernel must be known in numbers", got: "a value inside a transform",
        hint: "To differentiate with respect to the kernel, integrate the flow by ODESolver.")
    }
    try Self.requireFinite(matrix, "kernel", for: operation)
    do throws(SymmetricMatrixError) {
      _ = try symmetricPart(of: matrix, tolerance: matrix.scalarType.epsilon.squareRoot(), for: operation)
    } catch {
      if case .notSymmetric(let row, let column, let value, let mirror, _) = error {
        throw .notSymmetric(row: row, column: column, value: value, mirror: mirror)
      }
    }
  }

  /// The absolute tolerance for zero eigenvalues, at least the least normal number of the type. Throws if the smallest
  /// eigenvalue lies below it.
  static func zeroTolerance(
    _ eigenvalues: [Double], _ type: ScalarType, relative: Double?
  ) throws(TrainingError) -> Double {
    let (smallest, largest) = (eigenvalues.first ?? 0, eigenvalues.last ?? 0)
    // Computed eigenvalues are off by about n ε of the largest magnitude at most.
    let scale = max(largest.magnitude, smallest.magnitude)
    // What has no finite reciprocal counts as zero too.
    let tolerance = max((relative ?? 4 * Double(eigenvalues.count) * type.epsilon) * scale, type.leastNormalMagnitude)
    if smallest < -tolerance { throw .indefinite(smallest: smallest, largest: largest, tolerance: tolerance) }
    return tolerance
  }
}
