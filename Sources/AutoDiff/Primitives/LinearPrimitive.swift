/// A linear map of one input.
public protocol LinearPrimitive: Primitive {
  /// The adjoint map applied to a cotangent; `shape` is the shape of the input.
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor
}

extension LinearPrimitive {
  /// None: the derivative is the map itself, everywhere.
  public var residuals: Residuals { [] }

  /// The map itself, applied to the tangent.
  public func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { dispatch(self, .one($0)) }
  }

  /// The adjoint map.
  public func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    transpose(cotangent, inputShape: inputs[0].shape)
  }
}

/// A map of two inputs that is linear in each.
public protocol BilinearPrimitive: Primitive {
  /// The map's value added to a sum of the same shape, in place where that saves a pass over memory.
  func evaluate(_ inputs: Inputs, addedTo sum: consuming Tensor) -> Tensor
}

extension BilinearPrimitive {
  /// The factors.
  public var residuals: Residuals { .inputs }

  /// The product rule.
  public func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    guard let left = tangents[0] else { return tangents[1].map { dispatch(self, .two(inputs[0], $0)) } }
    let sum = dispatch(self, .two(left, inputs[1]))
    guard let right = tangents[1] else { return sum }
    let other = Inputs.two(inputs[0], right)
    if other.allSatisfy({ $0.node.level == 0 }) { return evaluate(other, addedTo: sum) }
    return sum + dispatch(self, other)
  }

  /// The sum, after the value has been computed on its own.
  public func evaluate(_ inputs: Inputs, addedTo sum: consuming Tensor) -> Tensor {
    var sum = sum
    sum += evaluate(inputs)
    return sum
  }
}

/// A map that is linear in its first input; the others are places in it and do not move.
package protocol IndexedLinearPrimitive: Primitive {}

/// A linear map whose output shows entries of its input where they stand, without an operation on numbers.
protocol ViewPrimitive: LinearPrimitive {
  /// Where in the input's memory the output stands; nil where the input has to be brought into row-major order first.
  func view(of layout: Layout) -> Layout?
}

/// Where the entries of an array stand in memory, relative to its first one.
struct Layout {
  let shape: [Int]
  /// The distance of neighbors along every axis, in entries.
  let strides: [Int]
  /// How far behind the entry at index 0 of what is viewed the first entry stands.
  var offset = 0

  init(shape: [Int], strides: [Int], offset: Int = 0) {
    (self.shape, self.strides, self.offset) = (shape, strides, offset)
  }

  /// A part of a row-major array: the entries `starts[k] + i · steps[k]` along every axis k.
  init(_ shape: [Int], in whole: [Int], starts: [Int], steps: [Int]) {
    let strides = whole.rowMajorStrides
    self.init(
      shape: shape, strides: zip(strides, steps).map(saturatingProduct),
      offset: shape.product == 0 ? 0 : zip(starts, strides).map { $0 * $1 }.reduce(0, +))
  }

  /// Whether the entries follow each other in row-major order without gaps.
  var isRowMajor: Bool { strides.describesRowMajorOrder(of: shape) }
  /// How far behind the first entry the one with a row-major index stands.
  func offset(ofEntry index: Int) -> Int {
    var rest = index
    var offset = 0
    for axis in shape.indices.reversed() {
      offset += rest % shape[axis] * strides[axis]
      rest /= shape[axis]
    }
    return offset
  }

  /// Whether all entries are one in memory.
  var repeatsOneEntry: Bool { zip(shape, strides).allSatisfy { $0 == 1 || $1 == 0 } }
}
