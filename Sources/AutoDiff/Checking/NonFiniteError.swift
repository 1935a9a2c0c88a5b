/// Where a computation first left the numbers: what ``checkingNumbers(of:at:reject:)`` throws.
public struct NonFiniteError: Error, Sendable, Equatable, CustomStringConvertible {
  /// How the rejected number came about.
  public enum Origin: Sendable, Equatable {
    /// A primitive made it from acceptable inputs; `operation` counts the primitives followed, from 1.
    case primitive(String, operation: Int)
    /// It lay in a constant that the function brought along, and entered through an argument of a primitive.
    case constant(argument: Int, of: String, operation: Int)
    /// It lay in a leaf of the input already.
    case input(leaf: Int)
    /// It lies in a leaf of the result that does not depend on the input.
    case output(leaf: Int)
  }

  /// How the number came about.
  public let origin: Origin
  /// Not-a-number or an infinity.
  public let value: Double
  /// Its index in the tensor where it was found. Inside ``vmap(_:axis:outputAxis:)`` the example axes come first.
  public let index: [Int]
  /// The shape of that tensor.
  public let shape: [Int]
  /// The shapes of the primitive's inputs.
  public let inputShapes: [[Int]]
  /// For elementwise primitives, what the inputs held at that index.
  public let inputValues: [Double]?
  /// The least and greatest entry of every input; nil for an empty one.
  public let inputRanges: [ClosedRange<Double>?]

  /// One sentence: who made what, where and from what.
  public var description: String {
    let place = "\(value.isNaN ? "nan" : "\(value)") at \(index) of shape \(shape)"
    switch origin {
    case .primitive(let name, let operation):
      return "\(name), operation \(operation), made \(place) from \(inputs)."
    case .constant(let argument, let name, let operation):
      return "\(name), operation \(operation), received \(place) in argument \(argument), a constant of the function."
    case .input(let leaf): return "Leaf \(leaf) of the input holds \(place) already."
    case .output(let leaf): return "Leaf \(leaf) of the result, a constant of the function, holds \(place)."
    }
  }

  private var inputs: String {
    if let inputValues {
      let values = inputValues.map { "\($0)" }.joined(separator: " and ")
      return inputValues.count == 1 ? "the input \(values)" : "the inputs \(values)"
    }
    let parts = zip(inputShapes, inputRanges).map { shape, range in
      "shape \(shape)" + (range.map { " within \($0.lowerBound)...\($0.upperBound)" } ?? "")
    }
    return (parts.count == 1 ? "an input of " : "inputs of ") + parts.joined(separator: " and ")
  }
}
