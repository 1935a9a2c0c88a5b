/// Why a kernel of infinite width has no value of the requested accuracy.
public enum LimitError: Error, Equatable, Sendable {
  /// The Hermite series of an activation (or of its derivative) has not reached the tolerance with as many terms as are
  /// allowed: it is not smooth enough, or varies too fast for the variance that it meets. `layer` counts from 1; it is 0
  /// where no network is involved.
  case quadratureNotConverged(activation: String, layer: Int, tolerance: Double, reached: Double, terms: Int)
  /// An input is infinite or not a number.
  case inputNotFinite(input: String, example: Int)
  /// The second moment of an activation (or of its derivative) is infinite or not a number for this example: the second
  /// input's examples are counted after those of the first.
  case momentNotFinite(activation: String, layer: Int, example: Int)
  /// An entry of the kernel named is infinite or not a number in the scalar type of the inputs, because it is too large.
  case kernelNotFinite(kernel: String, row: Int, column: Int)
}

extension LimitError: CustomStringConvertible {
  /// What is wrong, where, and what may help.
  public var description: String {
    switch self {
    case .quadratureNotConverged(let activation, let layer, let tolerance, let reached, let terms):
      "limit kernel: the series of \(activation)\(place(layer)) must reach a relative error of \(tolerance), but "
        + "\(terms) terms reach \(reached). Smaller weights, a smoother activation or a larger tolerance may help."
    case .inputNotFinite(let input, let example):
      "limit kernel: all entries must be finite, but example \(example) of \(input) has one that is not."
    case .momentNotFinite(let activation, let layer, let example):
      "limit kernel: second moments must be finite, but that of \(activation)\(place(layer)) is not for example "
        + "\(example)."
    case .kernelNotFinite(let kernel, let row, let column):
      "limit kernel: entry [\(row), \(column)] of the \(kernel) is too large for the inputs' scalar type. Smaller inputs or "
        + "weights, or double precision, may help."
    }
  }

  private func place(_ layer: Int) -> String { layer > 0 ? " in hidden layer \(layer)" : "" }
}
