import AutoDiff

/// A linear map between trees of one structure, applied to the columns of a matrix.
///
/// What the operators of curvature share: columns become trees, some are multiplied at once as a hidden axis, and the
/// products become columns again. The map is recorded as a program, because products are taken one after the other.
struct FlattenedMap<P: TensorTree> {
  let dimension: Int
  let scalarType: ScalarType
  /// The product with one vector, and that with several as the rows of a matrix.
  private let multiplied, rowsMultiplied: RecordedWherePossible<Tensor, Tensor>
  private let operation: String
  /// The columns that are multiplied at once.
  private let chunk: Int

  /// - Parameters:
  ///   - p: the structure; leaves of different scalar types stop.
  ///   - bytesPerVector: what the products of one vector may take on the way.
  ///   - budget: the bytes that vectors may take together that are multiplied at once.
  ///   - apply: the map; it depends on nothing that changes.
  init(like p: P, bytesPerVector: Int, budget: Int?, for operation: String, _ apply: @escaping (P) -> P) {
    let types = Set(p.leaves.map(\.scalarType))
    guard types.count <= 1 else {
      stop(
        operation, "all parameters must have one scalar type",
        got: types.map(\.rawValue).sorted().joined(separator: " and "))
    }
    if let budget, budget < 0 { stop(operation, "the budget must not be negative", got: "\(budget)") }
    let multiply = { (v: Tensor) in apply(p.replacingEntries(with: v)).flattenedEntries }
    (multiplied, rowsMultiplied) = (RecordedWherePossible(multiply), RecordedWherePossible(vmap(multiply)))
    self.operation = operation
    (dimension, scalarType) = (p.entryCount, types.first ?? .float64)
    // Beside the values on the way: direction and product, as vectors and as trees.
    let each = bytesPerVector + 4 * dimension * scalarType.byteCount
    chunk = max(1, min(largestColumnBlock, min(budget ?? defaultKernelBudget, cachedBytes) / max(1, each)))
  }

  /// - Shapes: [p, k] → [p, k].
  func product(with vectors: Tensor) -> Tensor {
    guard vectors.rank == 2, vectors.shape[0] == dimension, vectors.scalarType == scalarType else {
      stop(
        "\(operation).product", "needs vectors [\(dimension), k] of \(scalarType.rawValue)",
        got: "\(vectors.shape) of \(vectors.scalarType.rawValue)")
    }
    guard dimension > 0 else { return vectors }
    let rows = vectors.transposed
    let parts = stride(from: 0, to: rows.shape[0], by: chunk).map { start -> Tensor in
      let part = rows[start..<min(start + chunk, rows.shape[0])]
      do {
        return try part.shape[0] == 1 ? multiplied(part[0]).expanded(at: 0) : rowsMultiplied(part)
      } catch {
        stop("\(operation).product", "\(error)")
      }
    }
    return parts.isEmpty ? vectors : concatenate(parts).transposed
  }
}

/// The vectors that are multiplied at once at most, where they are short.
let largestColumnBlock = 64

/// What vectors that are multiplied at once may take together. Beyond the caches more at once cost time: of a network with
/// 9610 parameters on 500 examples, 64 at once took 1.2 to 2.8 times as long as one by one.
private let cachedBytes = 8 << 20
