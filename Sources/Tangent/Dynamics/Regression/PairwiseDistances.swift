import AutoDiff

/// The number of differences that are held in memory at once.
private let differencesAtOnce = 1 << 20

/// ‖xᵢ − zⱼ‖² for all pairs of examples.
///
/// From the differences, so that close points lose no digits: ‖x‖² − 2 x·z + ‖z‖² would leave nothing of distances below √ε ‖x‖.
/// The result is exactly symmetric, with zeros on the diagonal, where both sets are the same.
///
/// - Shapes: x [n, example shape...], z [m, example shape...] → [n, m]
/// - Parameters:
///   - x: examples; entries of an example are taken as one vector of length d.
///   - z: other examples of the same shape and type; another one stops.
/// - Returns: the squared distances, each with a relative error of about d ε at most.
/// - Complexity: 3 n m d flops, in tiles of about a million differences.
public func squaredDistances(_ x: Tensor, _ z: Tensor) -> Tensor {
  pairwise("squaredDistances", x, z) { square($0).sum(axes: [$1]) }
}

/// ‖xᵢ − zⱼ‖ for all pairs of examples; see ``squaredDistances(_:_:)``.
///
/// Neither overflows nor underflows where the squares would. The derivative where two points coincide is taken to be 0.
///
/// - Shapes: x [n, example shape...], z [m, example shape...] → [n, m]
/// - Parameters:
///   - x: examples.
///   - z: other examples of the same shape and type; another one stops.
/// - Returns: the distances.
/// - Complexity: 3 n m d flops, in tiles of about a million differences.
public func distances(_ x: Tensor, _ z: Tensor) -> Tensor {
  pairwise("distances", x, z) { $0.norm(axes: [$1]) }
}

/// A function of the differences, [rows, m, d] or [d, rows, m] → [rows, m], for all pairs in tiles of rows.
///
/// - Parameter measure: is also told the axis along which the entries of a difference lie. Few of them stand in front,
///   so that vectors run along the examples: rows of two numbers take up to five times as long.
private func pairwise(_ operation: String, _ x: Tensor, _ z: Tensor, _ measure: (Tensor, _ axis: Int) -> Tensor)
  -> Tensor
{
  let (rows, columns) = examplePair(operation, x, z)
  let (n, m, d) = (rows.shape[0], columns.shape[0], rows.shape[1])
  let height = max(1, differencesAtOnce / max(1, m * d))
  let areInFront = d <= 64
  let other = areInFront ? columns.transposed.expanded(at: 1) : columns.expanded(at: 0)
  func tile(_ range: Range<Int>) -> Tensor {
    areInFront
      ? measure(rows[range].transposed.expanded(at: 2) - other, 0) : measure(rows[range].expanded(at: 1) - other, 2)
  }
  if n <= height { return tile(0..<n) }
  return concatenate(stride(from: 0, to: n, by: height).map { tile($0..<min(n, $0 + height)) })
}

/// Two sets of examples as rows [n, d] and [m, d].
func examplePair(_ operation: String, _ x: Tensor, _ z: Tensor) -> (Tensor, Tensor) {
  guard x.rank >= 1, z.rank >= 1, x.shape.dropFirst() == z.shape.dropFirst(), x.scalarType == z.scalarType else {
    stop(
      operation, "needs examples [n, shape...] and [m, shape...] of one type",
      got: "\(x.shape) of \(x.scalarType.rawValue) and \(z.shape) of \(z.scalarType.rawValue)")
  }
  let d = x.shape.dropFirst().reduce(1, *)
  return (x.reshaped(to: [x.shape[0], d]), z.reshaped(to: [z.shape[0], d]))
}
