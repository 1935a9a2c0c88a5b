/// tanh x.
struct Tanh: UnaryElementwise, TranscendentalFunction {
  var name: String { "tanh" }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.tanh(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    dispatch(TanhSlope(), .many([v, x, y]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.tanh, for: name)
  }
}

/// v · (1 − y²): a cotangent times the derivative of tanh at x where its output is y, in one pass over memory.
///
/// Where |y| is close to 1, the difference cancels, and the slope is computed from x, which costs an exponential; elsewhere
/// x is not looked at. As a function it depends on y alone.
struct TanhSlope: SlopePrimitive, TernaryLaneFunction {
  var name: String { "tanhSlope" }
  var weight: Int { 4 }
  var residuals: Residuals { .inputs }
  /// Down to here 1 − y² has lost less than six bits.
  static let leastPlain = 0.031

  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V, _ y: V) -> V {
    let one = V(constant: 1)
    let plain = one.adding(-y, times: y)
    let isPlain = V.isLessOrEqual(V(constant: Self.leastPlain), plain)
    // Then no factor is infinite or, but for v, not a number.
    if !(!isPlain).isAnyTrue { return v * plain }
    // 4 e^{−2|x|} / (1 + e^{−2|x|})².
    let e = VectorFunctions.exp(x.magnitude * V(constant: -2))
    let sum = one + e
    let slope = V.select(isPlain, plain, V(constant: 4) * (e / (sum * sum)))
    return (v * slope).vanishing(with: v)
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      let arrays = inputs.map(\.array)
      if arrays.allSatisfy({ $0.storage == nil }) {
        func lanes(_ k: Int) -> T.Lanes { T.Lanes(repeating: T(arrays[k].single)) }
        return Tensor(
          node: ArrayNode(
            shape: shape, scalarType: T.scalarType, single: Double(value(lanes(0), lanes(1), lanes(2)).first)))
      }
      return make(shape, T.self) { result in
        inputs[0].withView(T.self) { v in
          inputs[1].withView(T.self) { x in
            inputs[2].withView(T.self) { y in StridedMap.ternary(v, x, y, into: result, self) }
          }
        }
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }

  func timesDerivative(_ u: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    switch argument {
    case 0: dispatch(self, .many([u, inputs[1], inputs[2]]))
    case 2: chainProduct(bilinearProduct(u, inputs[0]), inputs[2] * -2)
    default: nil
    }
  }
  /// As a function of x, of which y is the tanh.
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.tanh, order: 1, for: name))
  }
}

/// The logistic function 1 / (1 + e⁻ˣ).
struct Sigmoid: UnaryElementwise, TranscendentalFunction {
  var name: String { "sigmoid" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.sigmoid(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { dispatch(SigmoidSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.sigmoid, for: name)
  }
}

/// v · σ(x) σ(−x): a cotangent times the derivative of the logistic function at x, in one pass over memory and without
/// the cancellation of 1 − σ(x).
struct SigmoidSlope: BinaryElementwise, SlopePrimitive, TranscendentalFunction {
  var name: String { "sigmoidSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    // e^{−|x|} / (1 + e^{−|x|})²: the slope is even.
    let e = VectorFunctions.exp(V.minimum(x, -x))
    let sum = e + V(constant: 1)
    return (v * (e / (sum * sum))).vanishing(with: v)
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if argument == 0 { return dispatch(SigmoidSlope(), .two(v, inputs[1])) }
    let product = bilinearProduct(v, inputs[0])
    return dispatch(SigmoidSlope(), .two(chainProduct(product, -tanh(inputs[1] * 0.5)), inputs[1]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.sigmoid, order: 1, for: name))
  }
}

/// log(1 + e^{ax}) / a.
struct Softplus: UnaryElementwise, TranscendentalFunction {
  let sharpness: Double
  var name: String { "softplus" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V {
    VectorFunctions.softplus(x, sharpness: V(constant: sharpness))
  }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    chainProduct(v, sigmoid(sharpness == 1 ? x : x * sharpness))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.softplus(sharpness), for: name)
  }
}

/// The error function.
struct Erf: UnaryElementwise, TranscendentalFunction {
  var name: String { "erf" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.erf(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { dispatch(ErfSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.erf, for: name)
  }
}

/// v · 2/√π · e^{−x²}: a cotangent times the derivative of erf at x, in one pass over memory.
struct ErfSlope: BinaryElementwise, SlopePrimitive, TranscendentalFunction {
  static let twoOverRootPi = 1.1283791670955126
  var name: String { "erfSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    (v * (VectorFunctions.exp(-(x * x)) * V(constant: Self.twoOverRootPi))).vanishing(with: v)
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if argument == 0 { return dispatch(ErfSlope(), .two(v, inputs[1])) }
    let product = bilinearProduct(v, inputs[0])
    return dispatch(ErfSlope(), .two(chainProduct(product, clamp(inputs[1], min: -30, max: 30) * -2), inputs[1]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.erf, order: 1, for: name))
  }
}

/// The complementary error function 1 − erf x, exact in its tail.
struct Erfc: UnaryElementwise, TranscendentalFunction {
  var name: String { "erfc" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { VectorFunctions.erfc(x) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { -dispatch(ErfSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.erfc, for: name)
  }
}

/// max(x, 0).
struct Relu: UnaryElementwise {
  var name: String { "relu" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V { V.maximum(x, V(constant: 0)) }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? { dispatch(ReluSlope(), .two(v, x)) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let steepness = x.range.upper .> 0
    func value(_ x: Enclosure) -> Enclosure { x.rearranged { maximum($0, 0) } }
    return ValueBounds(
      initial: value(x.initial), range: value(x.range), slopes: x.slopes.mapValues { $0.times(steepness) })
  }
}

/// v where x > 0, else 0: a cotangent times the derivative of relu at x, in one pass over memory.
struct ReluSlope: BinaryElementwise {
  var name: String { "reluSlope" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    V.select(V.isLess(V(constant: 0), x), v, V(constant: 0))
  }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    argument == 0 ? dispatch(ReluSlope(), .two(v, inputs[1])) : nil
  }
  /// Where no input may change its sign, the slope is constant.
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[1].require("relu", "has no second derivative at 0") { $0 > 0 || $1 <= 0 }
    return .product(inputs[0], ValueBounds(constant: inputs[1].range.lower .> 0))
  }
}

/// The hyperbolic tangent of every entry.
public func tanh(_ x: Tensor) -> Tensor { bind(Tanh(), .one(x)) }
/// The logistic function 1 / (1 + e⁻ˣ) of every entry, exact in both tails.
public func sigmoid(_ x: Tensor) -> Tensor { bind(Sigmoid(), .one(x)) }
/// The error function 2/√π ∫₀ˣ e^{−t²} dt of every entry.
public func erf(_ x: Tensor) -> Tensor { bind(Erf(), .one(x)) }
/// The complementary error function 1 − erf x of every entry, exact in its tail.
public func erfc(_ x: Tensor) -> Tensor { bind(Erfc(), .one(x)) }
/// max(x, 0), entry by entry. The derivative at 0 is taken to be 0.
public func relu(_ x: Tensor) -> Tensor { bind(Relu(), .one(x)) }
/// log(1 + e^{ax}) / a, entry by entry: a smooth relu, the closer the larger the sharpness a > 0.
public func softplus(_ x: Tensor, sharpness: Double = 1) -> Tensor {
  guard sharpness > 0 else { stop("softplus", "the sharpness must be positive", got: "\(sharpness)") }
  return bind(Softplus(sharpness: sharpness), .one(x))
}
