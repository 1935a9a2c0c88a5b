/// x to a constant power.
struct Power: UnaryElementwise, TranscendentalFunction {
  let exponent: Double
  var name: String { "power" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V {
    if exponent == 0.5 {
      // Unlike the root, the power of −0 is 0 and that of −∞ is ∞.
      let infinity = V(repeating: .infinity)
      return V.select(V.isEqual(x, -infinity), infinity, (x + V(constant: 0)).squareRoot())
    }
    return VectorFunctions.pow(x, V(constant: exponent))
  }
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor? {
    guard exponent != 0 else { return nil }
    let isWhole = exponent == exponent.rounded()
    return dispatch(
      PowerSlope(coefficient: exponent, exponent: exponent - 1, isOneSided: !isWhole), .two(v, x))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    try inputs[0].applying(.power(1, exponent), for: name)
  }
}

/// v · c xᵖ: a tangent or cotangent times the derivative of a power, a root, a reciprocal or a logarithm, in one pass over
/// memory. The family is closed: the derivative in x has the coefficient c p and the exponent p − 1, and ends at p = 0.
struct PowerSlope: BinaryElementwise, TranscendentalFunction {
  let coefficient: Double
  let exponent: Double
  /// Whether the function lives on x ≥ 0 only, so that its slope is not a number below and −0 counts as 0.
  var isOneSided = false
  var name: String { "powerSlope" }
  var residuals: Residuals { .inputs }

  @inline(__always) func value<V: LaneVector>(_ v: V, _ x: V) -> V {
    let (one, zero) = (V(constant: 1), V(constant: 0))
    let x = isOneSided ? V.select(V.isLess(x, zero), V(repeating: .nan), x + zero) : x
    let scaled = v * V(constant: coefficient)
    // Factor by factor, because powers leave the range of the type where the product does not.
    let product: V
    switch exponent {
    case 0: return scaled
    case 1: product = scaled * x
    case 2: product = scaled * x * x
    case 0.5: product = scaled * x.squareRoot()
    case -0.5: product = scaled / x.squareRoot()
    case -1: product = scaled / x
    case -1.5: product = scaled * (one / x) / x.squareRoot()
    case -2:
      let r = one / x
      product = scaled * r * r
    case -2.5:
      let r = one / x
      product = scaled * r * r / x.squareRoot()
    case -3:
      let r = one / x
      product = scaled * r * r * r
    default: product = scaled * VectorFunctions.pow(x, V(constant: exponent))
    }
    return product.vanishing(with: v)
  }

  func timesDerivative(_ u: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if argument == 0 { return dispatch(self, .two(u, inputs[1])) }
    if exponent == 0 { return nil }
    let slope = PowerSlope(coefficient: coefficient * exponent, exponent: exponent - 1, isOneSided: isOneSided)
    return dispatch(slope, .two(bilinearProduct(u, inputs[0]), inputs[1]))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    .product(inputs[0], try inputs[1].applying(.power(coefficient, exponent), for: name))
  }
}

/// a to the power b, entry by entry.
struct PowerOfTensors: BinaryElementwise, TranscendentalFunction {
  var name: String { "pow" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V { VectorFunctions.pow(a, b) }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    // b aᵇ⁻¹ and aᵇ log a.
    let derivative =
      argument == 0 ? PowerDerivative(shift: 1, factors: [[0, 1]]) : PowerDerivative(shift: 0, factors: [[], [1]])
    return chainProduct(v, dispatch(derivative, inputs))
  }
}

/// aᵇ⁻ⁱ Q(b, log a) with a polynomial Q: what all derivatives of aᵇ look like.
///
/// The derivative in a has i + 1 and (b − i) Q + ∂Q/∂log a, that in b has ∂Q/∂b + Q log a. Keeping the sum in one place
/// gives its limit where single terms are infinite, and where Q is 0 at some b, the derivative of aᵇ vanishes for all a,
/// also at a = 0 where the power is infinite.
struct PowerDerivative: BinaryElementwise, TranscendentalFunction, Hashable {
  /// i, the number of derivatives in a.
  let shift: Int
  /// The coefficient of bˡ (log a)ᵏ at [k][l]; the last of every list is not 0.
  let factors: [[Double]]
  var name: String { "powerDerivative" }
  var residuals: Residuals { .inputs }

  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V {
    let zero = V(constant: 0)
    var logarithm = zero
    if factors.count > 1 {
      logarithm = VectorFunctions.log(a)
      // The derivatives in b of 0ᵇ are 0 for b > 0; so they are taken to be for b = 0, where there is no limit.
      if shift == 0 { logarithm = V.select(V.isEqual(a, zero) & V.isEqual(b, zero), zero, logarithm) }
    }
    var factor = zero
    for coefficients in factors.reversed() {
      factor = (factor * logarithm).vanishing(with: factor)
      guard var sum = coefficients.last.map({ V(constant: $0) }) else { continue }
      for c in coefficients.dropLast().reversed() { sum = sum.times(b, plus: c) }
      factor = factor + sum
    }
    // A power of a is stronger than one of its logarithm, and 0 stays 0.
    let exponent = b - V(constant: Double(shift))
    let power = VectorFunctions.pow(a, exponent)
    let y = V.product(factor, power)
    let (least, infinity) = (V(repeating: .leastNormalMagnitude), V(repeating: .infinity))
    let isExtreme = V.isLess(power.magnitude, least) | V.isEqual(power.magnitude, infinity)
    if !isExtreme.isAnyTrue { return y }
    // The power may be out of range where the product is not: it comes in two equal parts.
    let half = VectorFunctions.pow(a.magnitude, exponent * V(constant: 0.5))
    let parts = V.product(V.product(factor, half), half)
    return V.select(isExtreme, V(bits: parts.bits ^ power.signBit), y)
  }

  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    var result = [[Double]](repeating: [], count: factors.count + argument)
    func add(_ c: Double, _ k: Int, _ l: Int) {
      while result[k].count <= l { result[k].append(0) }
      result[k][l] += c
    }
    for (k, coefficients) in factors.enumerated() {
      for (l, c) in coefficients.enumerated() {
        if argument == 0 {
          add(c, k, l + 1)
          add(-Double(shift) * c, k, l)
          if k > 0 { add(Double(k) * c, k - 1, l) }
        } else {
          if l > 0 { add(Double(l) * c, k, l - 1) }
          add(c, k + 1, l)
        }
      }
    }
    for k in result.indices { while result[k].last == 0 { result[k].removeLast() } }
    let derivative = PowerDerivative(shift: shift + 1 - argument, factors: result)
    return chainProduct(v, dispatch(derivative, inputs))
  }
}

/// Every entry to a constant power.
///
/// The derivatives of all orders are p (p − 1) … xᵖ⁻ⁿ; for a whole p ≥ 0 they end, also at x = 0.
public func pow(_ x: Tensor, _ exponent: Double) -> Tensor {
  switch exponent {
  case 1: x
  case 2: square(x)
  case -1: reciprocal(x)
  default: bind(Power(exponent: exponent), .one(x))
  }
}

/// a to the power b, entry by entry, broadcast to a common shape.
///
/// The derivatives of all orders are the limits for a → 0 where a is 0, but for this: those in b alone are taken to be 0 at
/// a = b = 0, as they are at a = 0 for all b > 0. For negative a and whole b, those in a alone are numbers.
public func pow(_ a: Tensor, _ b: Tensor) -> Tensor { bindBroadcast(PowerOfTensors(), a, b) }

/// A number to the power of every entry; the number takes the tensor's scalar type. The derivative is cˣ log c.
public func pow(_ c: Double, _ x: Tensor) -> Tensor { pow(Tensor(c, as: x.scalarType), x) }
