/// By which mode a Jacobian is computed.
public enum DifferentiationMode: Sendable {
  /// One forward derivative per input entry: for few inputs.
  case forward
  /// One pullback per output entry: for few outputs.
  case reverse
}

/// The Jacobian of a function.
///
/// - Parameters:
///   - f: the function.
///   - x: where.
///   - mode: by default forward if there are fewer input than output entries, else reverse.
///   - chunk: how many rows (reverse) or columns (forward) are computed at once; all by default. Memory grows with it.
/// - Returns: the structure of `x`; every leaf has the shape [output shape..., leaf shape...].
public func jacobian<T: TensorTree>(
  of f: (T) throws -> Tensor, at x: T, mode: DifferentiationMode? = nil, chunk: Int? = nil
) rethrows -> T {
  try jacobian(of: f, at: x, mode: mode, chunk: chunk, "jacobian")
}

/// - Parameter operation: what the user called, for messages.
private func jacobian<T: TensorTree>(
  of f: (T) throws -> Tensor, at x: T, mode: DifferentiationMode?, chunk: Int?, _ operation: String
) rethrows -> T {
  if let chunk, chunk < 1 { stop(operation, "the chunk must be positive", got: "\(chunk)") }
  x.checkAllTensorsAreListed()
  let recording = try Recording(of: f, at: x, forGradients: mode == .reverse)
  let output = recording.output
  let outputShape = output.shape
  let leaves = x.leaves
  let columns = x.entryCount
  guard output.count > 0, columns > 0, recording.tape.index(of: output) != nil else {
    return x.mapTensors { .zeros(outputShape + $0.shape, as: $0.scalarType) }
  }
  let rows = output.count
  switch mode ?? (columns < rows ? .forward : .reverse) {
  case .reverse:
    let pullback = Pullback(recording: recording)
    let parts = chunks(of: rows, chunk).map { range in
      vmap { (seed: Tensor) in pullback(seed) }(basis(range, rows, output).reshaped(to: [range.count] + outputShape))
        .leaves
    }
    return x.replacingLeaves(
      with: leaves.indices.map { k in
        concatenate(parts.map { $0[k] }).reshaped(to: outputShape + leaves[k].shape)
      })
  case .forward:
    let map = LinearMap(recording: recording)
    var start = 0
    return x.replacingLeaves(
      with: leaves.indices.map { k in
        defer { start += leaves[k].count }
        let count = leaves[k].count
        if count == 0 { return .zeros(outputShape + leaves[k].shape, as: leaves[k].scalarType) }
        let parts = chunks(of: count, chunk).map { range in
          vmap { (seed: Tensor) in
            var direction = leaves.map { Tensor.zeros(like: $0) }
            direction[k] = seed
            return map(x.replacingLeaves(with: direction))
          }(basis(range, count, leaves[k]).reshaped(to: [range.count] + leaves[k].shape))
        }
        return concatenate(parts).movingAxis(0, to: -1).reshaped(to: outputShape + leaves[k].shape)
      })
  }
}

/// The Hessian of a function whose value is a single number: forward over reverse.
///
/// - Shapes: [x shape..., x shape...].
public func hessian(of f: (Tensor) throws -> Tensor, at x: Tensor, chunk: Int? = nil) rethrows -> Tensor {
  try jacobian(
    of: { try valueWithGradient(of: f, at: $0, "hessian").gradient }, at: x, mode: .forward, chunk: chunk, "hessian")
}

/// The Hessian over all entries of a tree, in the order of ``TensorTree/flattenedEntries``.
///
/// - Shapes: [p, p] with p the number of entries.
public func hessian<T: TensorTree>(of f: (T) throws -> Tensor, at x: T, chunk: Int? = nil) rethrows -> Tensor {
  x.checkAllTensorsAreListed()
  return try jacobian(
    of: { try valueWithGradient(of: { try f(x.replacingEntries(with: $0)) }, at: $0, "hessian").gradient },
    at: x.flattenedEntries, mode: .forward, chunk: chunk, "hessian")
}

private func chunks(of count: Int, _ size: Int?) -> [Range<Int>] {
  let size = size ?? count
  return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
}

/// Rows of the identity matrix of order `count`.
private func basis(_ rows: Range<Int>, _ count: Int, _ model: Tensor) -> Tensor {
  // Positions are compared in float64, which does not round them.
  (Tensor.range(from: Double(rows.lowerBound), to: Double(rows.upperBound)).expanded(at: 1)
    .== Tensor.range(to: Double(count))).as(model.scalarType)
}
