import AutoDiff

/// The user's examples: one vector of inputs each, and perhaps a label.
struct ExampleTable {
  enum LabelColumn: String, OptionChoice { case none, last }

  enum Preparation: String, OptionChoice { case raw, standardized, normalized }

  /// [n, inputs], float64.
  private(set) var inputs: Tensor
  /// Nil where there are none, or too many different ones to tell apart in a picture.
  private(set) var labels: [Int]?
  /// What was read, and what was done to it.
  private(set) var description: String
  private let file: String

  var count: Int { inputs.shape[0] }
  var inputCount: Int { inputs.shape[1] }

  /// The digits that come with the program.
  init(_ digits: Digits) {
    inputs = LabelledImages(digits).images
    labels = digits.labels
    file = "digits.csv"
    description = "the bundled digits, pixels from 0 to 1"
  }

  /// Reads a file. The axes of an example are flattened.
  init(contentsOf path: String, labelColumn: LabelColumn) throws(FileError) {
    func unsupported(_ problem: String) -> FileError { FileError(.unsupported, file: path, problem) }
    let read = try Tensor(contentsOf: path)
    guard read.rank > 0, read.count > 0 else { throw unsupported("holds no examples: its shape is \(read.shape).") }
    file = path
    inputs = read.as(.float64).reshaped(to: [read.shape[0], -1])
    description = path
    if labelColumn == .last {
      guard inputCount > 1 else { throw unsupported("has one column only, so none is left beside the labels.") }
      let column = inputs[..., -1].scalars
      inputs = inputs[0..., 0..<inputCount - 1]
      let whole = column.compactMap { Int(exactly: $0) }
      if whole.count == column.count, Set(whole).count <= 20 { labels = whole }
      description += ", without its last column"
    }
    if let place = inputs.scalars.firstIndex(where: { !$0.isFinite }) {
      let (row, column) = (place / inputCount, place % inputCount)
      throw unsupported("inputs must be finite, but number \(column + 1) of example \(row + 1) is not.")
    }
  }

  /// Keeps the first examples only, all if there are not as many.
  mutating func take(first limit: Int) {
    let total = count
    description += limit < total ? ", the first \(limit) of \(total) examples" : ", all \(total) examples"
    inputs = inputs[0..<min(limit, total)]
    labels = labels.map { Array($0.prefix(limit)) }
  }

  /// Changes the scale of the inputs, and says so.
  mutating func prepare(_ preparation: Preparation) throws(FileError) {
    switch preparation {
    case .raw: break
    case .standardized:
      // Within [−1, 1] no sum overflows, and no square vanishes beside the others.
      let unit = Self.shrunk(inputs, axis: 0)
      let centred = unit - unit.mean(axes: [0], keepingAxes: true)
      let deviation = sqrt(square(centred).mean(axes: [0], keepingAxes: true))
      // Rounding leaves a little of a column that is constant.
      let isConstant = deviation .<= Double.ulpOfOne * Double(count)
      inputs = select(
        isConstant, .zeros(like: centred), centred / select(isConstant, .ones(like: deviation), deviation))
      let constants = Int(isConstant.sum().scalar)
      description += ", each column shifted and scaled to mean 0 and variance 1"
      if constants > 0 { description += " (\(constants) constant columns to 0)" }
    case .normalized:
      let unit = Self.shrunk(inputs, axis: 1)
      let lengths = unit.norm(axes: [1], keepingAxes: true)
      if let row = lengths.scalars.firstIndex(of: 0) {
        throw FileError(.unsupported, file: file, "example \(row + 1) is zero, so it cannot be scaled to length 1.")
      }
      inputs = unit / lengths
      description += ", each example scaled to length 1"
    }
  }

  /// The numbers over the largest magnitude along an axis; zeros stay what they are.
  private static func shrunk(_ inputs: Tensor, axis: Int) -> Tensor {
    let largest = abs(inputs).max(axes: [axis], keepingAxes: true)
    return inputs / select(largest .== 0, .ones(like: largest), largest)
  }
}
