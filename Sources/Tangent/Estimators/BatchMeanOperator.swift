import AutoDiff

/// The weighted mean of one operator for each batch of the data, of which only one is held at a time.
///
///     A = Σ_b w_b A_b / Σ_b w_b
///
/// A loss that is a mean over examples has the Hessian that is the mean over batches, weighted by their extents:
///
///     let ranges = stride(from: 0, to: n, by: 256).map { $0..<min($0 + 256, n) }
///     let whole = try BatchMeanOperator(over: ranges, weights: ranges.map { Double($0.count) }) { range in
///       HessianOperator(of: { p in loss(p, images[range], labels[range]) }, at: p)
///     }
///
/// For every product each batch's operator is made anew and given up, so memory is that of the largest batch.
public struct BatchMeanOperator<Batches: Collection, Part: SymmetricOperator>: SymmetricOperator {
  /// The extent of all parts.
  public let dimension: Int
  /// The type of all parts.
  public let scalarType: ScalarType
  private let batches: Batches
  private let shares: [Double]
  private let part: (Batches.Element) throws -> Part

  /// Takes the batches and how to make the operator of one.
  ///
  /// - Parameters:
  ///   - batches: anything that says what a batch is: ranges of examples, names of files, tensors; none stops.
  ///   - weights: w, one for each batch, at least 0 and not all 0; by default equal. Others stop.
  ///   - part: makes the operator of a batch. It is called for the first one now, and for each in every product; it has
  ///     to make the same one every time.
  /// - Throws: what making the first operator throws.
  public init(over batches: Batches, weights: [Double]? = nil, _ part: @escaping (Batches.Element) throws -> Part)
    throws
  {
    guard let first = batches.first else { stop("BatchMeanOperator", "needs a batch", got: "none") }
    let weights = weights ?? [Double](repeating: 1, count: batches.count)
    let sum = weights.reduce(0, +)
    guard weights.count == batches.count, weights.allSatisfy({ $0 >= 0 }), sum > 0, sum.isFinite else {
      stop(
        "BatchMeanOperator", "needs \(batches.count) weights of at least 0 with a positive, finite sum",
        got: "\(weights.count) with the sum \(sum)")
    }
    let firstPart = try part(first)
    (dimension, scalarType) = (firstPart.dimension, firstPart.scalarType)
    (self.batches, self.part, shares) = (batches, part, weights.map { $0 / sum })
  }

  /// A V.
  ///
  /// - Shapes: [n, k] → [n, k].
  /// - Throws: what the parts and making them throws.
  /// - Complexity: for each batch, making its operator and one product.
  public func product(with vectors: Tensor) throws -> Tensor {
    var sum: Tensor?
    for (batch, share) in zip(batches, shares) where share > 0 {
      let product = try part(batch).checkedProduct(with: vectors, for: "BatchMeanOperator") * share
      sum = sum.map { $0 + product } ?? product
    }
    return sum ?? .zeros(like: vectors)
  }
}
