/// A property that does not hold, and where.
public struct Mismatch: Error, Sendable, CustomStringConvertible {
  /// The leaf with the worst disagreement; nil if the disagreement is not one of entries.
  public let leaf: Int?
  /// The index of the worst entry.
  public let index: [Int]?
  /// The two values there.
  public let values: (actual: Double, expected: Double)?
  /// What to print.
  public let description: String

  /// A failure in words of your own.
  public init(_ description: String) {
    (leaf, index, values) = (nil, nil, nil)
    self.description = description
  }

  init(leaf: Int, index: [Int], actual: Double, expected: Double, relative: Double, tolerance: Double) {
    (self.leaf, self.index, values) = (leaf, index, (actual, expected))
    description =
      "Leaf \(leaf) at \(index) is \(actual) but should be \(expected); "
      + "the relative difference \(relative) exceeds \(tolerance)."
  }
}

/// Throws unless two trees agree: same structure, same shapes, and in every leaf the largest difference at most
/// `tolerance` times the largest magnitude of either.
///
/// - Parameters:
///   - actual: what was computed.
///   - expected: what it should be.
///   - tolerance: relative; 0 for exactly equal; by default the square root of the coarser type's epsilon.
/// - Throws: ``Mismatch`` with the worst entry and both values.
public func requireClose<T: TensorTree>(_ actual: T, _ expected: T, tolerance: Double? = nil) throws(Mismatch) {
  let (a, b) = (actual.leaves, expected.leaves)
  guard a.count == b.count else { throw Mismatch("There are \(a.count) leaves but should be \(b.count).") }
  for (leaf, (p, q)) in zip(a, b).enumerated() {
    guard p.shape == q.shape else { throw Mismatch("Leaf \(leaf) has shape \(p.shape) but should have \(q.shape).") }
    let limit = tolerance ?? max(p.scalarType.epsilon, q.scalarType.epsilon).squareRoot()
    let difference = p.difference(from: q)
    guard difference.relative > limit, let index = difference.index else { continue }
    let offset = zip(p.shape.rowMajorStrides, index).reduce(0) { $0 + $1.0 * $1.1 }
    throw Mismatch(
      leaf: leaf, index: index, actual: p.scalars[offset], expected: q.scalars[offset], relative: difference.relative,
      tolerance: limit)
  }
}
