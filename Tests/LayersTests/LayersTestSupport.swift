import AutoDiff
// For all files of this target.
@_exported import TestSupport

extension Tensor {
  /// The rows of a matrix as arrays.
  var rows: [[Double]] { (0..<shape[0]).map { self[$0].scalars } }
}
