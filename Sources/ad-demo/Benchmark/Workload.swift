import AutoDiff

/// One line of the benchmark: what is timed, and the number that shows that the right thing was computed.
struct Workload: Sendable {
  let id: String
  /// Which of several ways to do the same work.
  var variant: String?
  /// Floating-point operations of one run, where the specification counts them.
  var flops: Double?
  /// Elements written by one run, for figures per element.
  var elements: Int?
  /// Primitive operations of one run, for figures per operation.
  var operations: Int?
  /// Makes the inputs and returns the work, which is timed, and its check value, which is not.
  let prepare: @Sendable (ScalarType) throws -> (work: () throws -> [Tensor], check: ([Tensor]) -> Double)
}

/// The Euclidean norm of all entries, summed in double precision.
@Sendable
func norm(_ tensors: [Tensor]) -> Double {
  var sum = 0.0
  for tensor in tensors { for value in tensor.scalars { sum += value * value } }
  return sum.squareRoot()
}
