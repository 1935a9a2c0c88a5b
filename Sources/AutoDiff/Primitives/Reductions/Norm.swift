/// The Euclidean norm over some axes, without overflow or underflow on the way.
struct Norm: LoweredPrimitive, Hashable {
  let axes: [Int]
  var name: String { "norm" }
  var residuals: Residuals { .inputs }

  func shape(of inputs: Inputs) -> [Int] { reducedShape(name, inputs[0].shape, axes) }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let x = inputs[0]
    let shape = shape(of: inputs)
    let plain = plainNorm(x, shape)
    if isRegular(plain) || x.count == 0 { return plain }
    let largest = abs(x).max(axes: axes, keepingAxes: true)
    let scale = select((largest .== 0) + (largest .== .infinity), Tensor.ones(like: largest), largest)
    return sqrt(square(x / scale).sum(axes: axes)) * scale.reshaped(to: shape)
  }
  private func plainNorm(_ x: Tensor, _ shape: [Int]) -> Tensor {
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        x.withView(T.self) { Reduction.sumOfSquares($0, axes: axes, into: y) }
        for k in 0..<shape.product { y[k] = y[k].squareRoot() }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }
  /// Whether all norms lie where no square has left the range of the type, which squares do long before the entries.
  fileprivate func isRegular(_ norms: Tensor) -> Bool {
    norms.allSatisfy { Self.isRegular($0, norms.scalarType) }
  }
  static func isRegular(_ norm: Double, _ type: ScalarType) -> Bool {
    perType(type, double: norm > 1e-140 && norm < 1e150, float: norm > 1e-17 && norm < 1e18)
  }
  func lowering(of inputs: [Layout], output: [Int]) -> Lowering? {
    .step { inputs, result, _ in NormStep(self, of: inputs[0], result: result) }
  }

  private func direction(_ x: Tensor) -> Tensor { dispatch(UnitVector(axes: axes), .one(x)) }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { chainProduct($0, direction(inputs[0])).sum(axes: axes) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    chainProduct(cotangent.restoring(axes), direction(inputs[0]))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Norm(axes: axes.map { $0 + 1 }), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    func value(_ x: Enclosure) -> Enclosure {
      let up = Rounding.up(terms: x.lower.count)
      return Enclosure(
        lower: x.leastMagnitude.norm(axes: axes) * (1 / up), upper: x.magnitude.norm(axes: axes) * up
      ).widened()
    }
    // Its derivative is a unit vector.
    let slopes = x.slopes.mapValues {
      SlopeBounds(
        scale: $0.scale.max(axes: axes), rows: $0.rows.norm(axes: axes) * Rounding.up(terms: x.range.lower.count))
    }
    return ValueBounds(initial: value(x.initial), range: value(x.range), slopes: slopes)
  }
}

/// n = x / ‖x‖, the derivative of ``Norm``: 0 at x = 0. Infinite entries share the direction equally.
struct UnitVector: Primitive, Hashable {
  let axes: [Int]
  var name: String { "unitVector" }

  func shape(of inputs: Inputs) -> [Int] {
    _ = reducedShape(name, inputs[0].shape, axes)
    return inputs[0].shape
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    _ = shape(of: inputs)
    let (x, norm) = (inputs[0], Norm(axes: axes))
    let length = norm.evaluate(inputs)
    if norm.isRegular(length) || x.count == 0 { return x / length.restoring(axes) }
    // Of moderate size, by the largest entry.
    let size = abs(x)
    let largest = size.max(axes: axes, keepingAxes: true)
    let finite = x / select(largest .== 0, Tensor.ones(like: largest), largest)
    let infinite = select(size .== .infinity, sign(x), Tensor.zeros(like: x))
    let scaled = select(largest .== .infinity, infinite, finite)
    let scaledLength = norm.evaluate(.one(scaled)).restoring(axes)
    return scaled / select(scaledLength .== 0, Tensor.ones(like: scaledLength), scaledLength)
  }

  /// The Jacobian (1 − n nᵀ) / ‖x‖ is symmetric: one rule for both modes.
  private func product(_ v: Tensor, _ x: Tensor, _ n: Tensor) -> Tensor {
    let length = dispatch(Norm(axes: axes), .one(x)).restoring(axes)
    // At 0 this and all further derivatives are taken to be 0, as the first: there the length counts as infinite.
    let divisor = select(length .== 0, Tensor(.infinity, as: x.scalarType), length)
    let along = chainProduct(v, n).sum(axes: axes, keepingAxes: true)
    return chainQuotient(v - chainProduct(along, n), divisor)
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { product($0, inputs[0], output) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    product(cotangent, inputs[0], output)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(UnitVector(axes: axes.map { $0 + 1 }), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let length = try Norm(axes: axes).bounds(inputs)
    let shortest = maximum(length.range.lower, length.initial.lower - x.deviation * Rounding.up)
    let shape = shape(of: .one(x.range.lower))
    func spread(_ y: Tensor) -> Tensor { y.restoring(axes).broadcast(to: shape) }
    try ValueBounds(constant: shortest).require(name, "needs a vector that is not 0") { least, _ in least > 0 }
    let inverse = try ValueBounds(initial: length.initial, range: length.initial, slopes: [:])
      .applying(.power(1, -1), for: name)
    let one = Tensor.ones(shape)
    // The derivative is a projection divided by the length.
    let slopes = x.slopes.mapValues {
      let norm = spread($0.scale.max(axes: axes) / shortest * Rounding.up)
      return SlopeBounds(scale: norm, rows: norm)
    }
    return ValueBounds(
      initial: x.initial * inverse.initial.rearranged(spread),
      range: Enclosure(lower: -one, upper: one), slopes: slopes)
  }
}
