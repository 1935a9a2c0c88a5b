import AutoDiff

/// One line of the benchmark: what is timed, and the number that shows that the right thing was computed.
struct Workload: Sendable {
  let id: String
  /// Which of several ways to do the same work.
  var variant: String?
  /// Floating-point operations of one run, where the specification counts them.
  var flops: Double?
  /// Elements that one run reads and writes, for figures per element.
  var elements: Int?
  /// Primitive operations of one run, for figures per operation.
  var operations: Int?
  /// Makes the inputs and returns the work, which is timed, and its check value, which is not.
  let prepare: @Sendable (ScalarType) throws -> (work: () throws -> [Tensor], check: ([Tensor]) -> Double?)

  /// What it is called in tables.
  var label: String { [id, variant].compactMap { $0 }.joined(separator: ", ") }
}

/// The Euclidean norm of all entries, summed in double precision.
@Sendable
func norm(_ tensors: [Tensor]) -> Double { sum(tensors) { $0 * $0 }.squareRoot() }

/// The sum of a term for every entry, in double precision. It goes by pieces: a second copy of a result may not fit.
func sum(_ tensors: [Tensor], of term: (Double) -> Double = { $0 }) -> Double {
  var sum = 0.0
  for tensor in tensors {
    let entries = tensor.reshaped(to: [tensor.count])
    for start in stride(from: 0, to: tensor.count, by: 1 << 16) {
      for value in entries[start..<min(start + 1 << 16, tensor.count)].scalars { sum += term(value) }
    }
  }
  return sum
}
