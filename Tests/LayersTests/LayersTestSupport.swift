import AutoDiff
import Testing

/// Expects two trees to agree, relative to the largest entry of each leaf.
func expectClose<T: TensorTree>(
  _ actual: T, _ expected: T, tolerance: Double = 1e-12, sourceLocation: SourceLocation = #_sourceLocation
) {
  do throws(Mismatch) {
    try requireClose(actual, expected, tolerance: tolerance)
  } catch {
    Issue.record("\(error)", sourceLocation: sourceLocation)
  }
}

extension ExitTest.Result? {
  /// What the process wrote to its standard error.
  var message: String { String(decoding: self?.standardErrorContent ?? [], as: UTF8.self) }
}

extension Tensor {
  /// The rows of a matrix as arrays.
  var rows: [[Double]] { (0..<shape[0]).map { self[$0].scalars } }
}
