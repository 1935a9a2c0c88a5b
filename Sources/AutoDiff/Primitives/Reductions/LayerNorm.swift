/// n = (x − mean) / √(variance + ε) along the last axis.
struct LayerNorm: Primitive {
  let epsilon: Double
  var name: String { "layerNorm" }
  var residuals: Residuals { .inputs }

  func shape(of inputs: Inputs) -> [Int] { rowShape(self, inputs[0].shape) }
  func evaluate(_ inputs: Inputs) -> Tensor {
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      evaluateRows(inputs[0], shape(of: inputs), T.self) {
        RowFunctions.normalize($0, rows: $1, columns: $2, epsilon: T(epsilon), into: $3)
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }
  /// The Jacobian r · (1 − 1 1ᵀ/N − n nᵀ/N) is symmetric: one rule for both modes.
  private func product(_ v: Tensor, _ x: Tensor) -> Tensor {
    dispatch(LayerNormProduct(epsilon: epsilon), .two(x, v))
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { product($0, inputs[0]) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    product(cotangent, inputs[0])
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let row = try inputs[0].standardized(epsilon: epsilon, for: name)
    let norm = row.inverseDeviation
    return ValueBounds(
      initial: row.initial, range: row.range,
      slopes: inputs[0].slopes.mapValues { $0.timesRowMatrices(ofNorm: norm) })
  }
}

/// J(x) · v, the derivative J of ``LayerNorm`` times a vector: r · (v − mean(v) − n · mean(n · v)), where n is the
/// normalized x and r = 1 / √(variance + ε).
struct LayerNormProduct: Primitive {
  let epsilon: Double
  var name: String { "layerNormProduct" }
  var residuals: Residuals { .inputs }

  func shape(of inputs: Inputs) -> [Int] {
    guard inputs[0].shape == inputs[1].shape else {
      stop("shapes must agree", got: "\(inputs[0].shape) and \(inputs[1].shape)")
    }
    return rowShape(self, inputs[0].shape)
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      inputs[1].withEntries(T.self) { v in
        evaluateRows(inputs[0], shape(of: inputs), T.self) {
          RowFunctions.normalizationProduct($0, v, rows: $1, columns: $2, epsilon: T(epsilon), into: $3)
        }
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }

  /// With t = J(x) · v, the derivative in x along u is −r · (mean(n · u) t + mean(n · v) J(x) · u + n · mean(u · t)).
  /// It is symmetric too: exchanging the direction and the cotangent exchanges the first and the last term.
  private func derivative(_ x: Tensor, _ v: Tensor, _ t: Tensor, _ u: Tensor) -> Tensor {
    func mean(_ y: Tensor) -> Tensor { y.mean(axes: [-1], keepingAxes: true) }
    let n = dispatch(LayerNorm(epsilon: epsilon), .one(x))
    let r = dispatch(InverseDeviation(epsilon: epsilon), .one(x)).expanded(at: -1)
    let first = bilinearProduct(mean(chainProduct(u, n)), t)
    let second = bilinearProduct(mean(chainProduct(v, n)), dispatch(self, .two(x, u)))
    return -chainProduct(first + second + chainProduct(mean(bilinearProduct(u, t)), n), r)
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    var sum = tangents[1].map { dispatch(self, .two(inputs[0], $0)) }
    if let tangent = tangents[0], tangent.count > 0 {
      accumulate(&sum, derivative(inputs[0], inputs[1], dispatch(self, inputs), tangent))
    }
    return sum
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    if argument == 1 { return dispatch(self, .two(inputs[0], cotangent)) }
    if cotangent.count == 0 { return nil }
    return derivative(inputs[0], inputs[1], dispatch(self, inputs), cotangent)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(self, inputs.aligned(isBatched, size: size))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (x, v) = (inputs[0], inputs[1])
    let row = try x.standardized(epsilon: epsilon, for: name)
    let r = row.inverseDeviation
    let last = [v.shape.count - 1]
    let count = Double(v.shape.last!)
    let length = v.range.magnitude.norm(axes: last, keepingAxes: true) * r * Rounding.up(terms: v.shape.product)
    func mean(_ z: Enclosure) -> Enclosure {
      (z.image(terms: v.shape.last!) { $0.sum(axes: last, keepingAxes: true) } * (1 / count))
        .rearranged { $0.broadcast(to: v.shape) }
    }
    let initial =
      row.initialInverseDeviation * (v.initial + -mean(v.initial) + -(row.initial * mean(row.initial * v.initial)))
    let reach = length.broadcast(to: v.shape)
    // In x: with t = J v, at most r (‖t‖ + ‖t‖ + ‖J‖ ‖v‖) ‖u‖/√N, because mean(n u) ≤ ‖u‖/√N and ‖J‖ ≤ r.
    let steepness = length * r * (3 / count.squareRoot() * Rounding.up)
    return ValueBounds(
      initial: initial, range: Enclosure(lower: -reach, upper: reach),
      slopes: ValueBounds.joined([
        v.slopes.mapValues { $0.timesRowMatrices(ofNorm: r) },
        x.slopes.mapValues { $0.timesRowMatrices(ofNorm: steepness) },
      ]))
  }
}

/// r = 1 / √(variance + ε) along the last axis, which disappears.
struct InverseDeviation: Primitive {
  let epsilon: Double
  var name: String { "inverseDeviation" }

  func shape(of inputs: Inputs) -> [Int] { rowShape(self, inputs[0].shape).dropLast() }
  func evaluate(_ inputs: Inputs) -> Tensor {
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      evaluateRows(inputs[0], shape(of: inputs), T.self) {
        RowFunctions.inverseDeviation($0, rows: $1, columns: $2, epsilon: T(epsilon), into: $3)
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }
  /// −r² · n / N.
  private func gradient(_ x: Tensor, _ r: Tensor) -> Tensor {
    let n = dispatch(LayerNorm(epsilon: epsilon), .one(x))
    return n * (square(r) / -Double(x.shape[x.rank - 1])).expanded(at: -1)
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { chainProduct($0, gradient(inputs[0], output)).sum(axes: [-1]) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    chainProduct(cotangent.expanded(at: -1), gradient(inputs[0], output))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
}

private func rowShape(_ primitive: some Primitive, _ shape: [Int]) -> [Int] {
  guard let columns = shape.last, columns > 0 else {
    primitive.stop("needs a last axis that is not empty", got: "\(shape)")
  }
  return shape
}

extension Primitive {
  fileprivate func evaluateRows<T: LoopScalar>(
    _ x: Tensor, _ shape: [Int], _: T.Type,
    _ body: (UnsafePointer<T>, _ rows: Int, _ columns: Int, UnsafeMutablePointer<T>) -> Void
  ) -> Tensor {
    let columns = x.shape[x.rank - 1]
    return make(shape, T.self) { y in x.withEntries(T.self) { body($0, x.count / columns, columns, y) } }
  }
}

/// The tensor with mean 0 and variance 1 along an axis: layer normalization, before its scale and shift.
///
///     y = (x − mean(x)) / √(variance(x) + ε)
///
/// The variance is the mean square of the deviations from the mean. Value and gradient take one pass over memory each.
///
/// - Parameters:
///   - x: what is normalized; the axis must not be empty.
///   - axis: the axis along which mean and variance are taken.
///   - epsilon: what is added to the variance, so that a constant row has the value 0 and a derivative.
/// - Returns: a tensor of the same shape.
/// - Source: Ba, Kiros, Hinton, Layer Normalization, 2016, equations 3 and 4.
public func layerNorm(_ x: Tensor, axis: Int = -1, epsilon: Double = 1e-5) -> Tensor {
  let axis = normalizedAxis(axis, rank: x.rank, "layerNorm")
  guard epsilon >= 0 else { stop("layerNorm", "epsilon must not be negative", got: "\(epsilon)") }
  let primitive = LayerNorm(epsilon: epsilon)
  if axis == x.rank - 1 { return bind(primitive, .one(x)) }
  return bind(primitive, .one(x.movingAxis(axis, to: -1))).movingAxis(-1, to: axis)
}
