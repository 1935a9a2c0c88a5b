/// v · d, a tangent or cotangent times a derivative, where nothing comes of v = 0; see ``chainProduct(_:_:)``.
struct ChainProduct: BinaryElementwise {
  /// Whether d is a tangent or cotangent too, so that nothing comes of d = 0 either.
  var isBilinear = false
  var name: String { "chainProduct" }
  var residuals: Residuals { .inputs }
  @inline(__always) func value<V: LaneVector>(_ v: V, _ d: V) -> V {
    isBilinear ? V.product(v, d) : (v * d).vanishing(with: v)
  }
  func timesDerivative(_ u: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if isBilinear || argument == 1 { return bilinearProduct(u, inputs[1 - argument]) }
    return chainProduct(u, inputs[1])
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { .product(inputs[0], inputs[1]) }
}

/// The product of a tangent or cotangent with a derivative, entry by entry: v · d, but 0 where v is 0, even if the
/// derivative is infinite or not a number.
///
/// A tangent or cotangent of 0 says that an entry does not move, or that nothing depends on it; then its slope does not
/// matter. The rules of elementwise primitives multiply with this function, which is why a branch that
/// `select` does not choose does no harm, and why the Jacobian of √ at (0, 1) has zeros off its diagonal.
/// A derivative of 0 stands for itself: ∞ · 0 remains not-a-number, since the slope may have underflowed. Where v · d is a
/// number, it is the result, to the last bit. The derivatives of this product keep to the same rule.
///
/// - Parameters:
///   - v: a tangent or cotangent.
///   - derivative: what it is multiplied with; the two broadcast to a common shape.
/// - Returns: a tensor of the common shape.
/// - Complexity: that of a product.
public func chainProduct(_ v: Tensor, _ derivative: Tensor) -> Tensor { bindBroadcast(ChainProduct(), v, derivative) }

/// u · v for two tangents or cotangents: 0 where either is.
///
/// Weights that choose among entries (of a maximum, or inside an interval) count as such: what is not chosen has no share,
/// however steep the rest is.
func bilinearProduct(_ u: Tensor, _ v: Tensor) -> Tensor { bindBroadcast(ChainProduct(isBilinear: true), u, v) }

/// v / d for a tangent or cotangent v: 0 where v is 0.
func chainQuotient(_ v: Tensor, _ d: Tensor) -> Tensor {
  bindBroadcast(PowerSlope(coefficient: 1, exponent: -1), v, d)
}

/// v · f′(…), a tangent or cotangent times a derivative, which is the chain product of v and what the primitive is at
/// v = 1, to the last bit: where the derivative is known before v, that product is what is left to do.
protocol SlopePrimitive: ElementwisePrimitive {}

extension SlopePrimitive {
  /// The derivative that this primitive multiplies with.
  func derivative(at inputs: Inputs) -> Tensor {
    dispatch(self, Inputs([Tensor.ones(like: inputs[1])] + inputs.dropFirst()))
  }
}

extension LaneVector {
  /// A product or quotient that has `v` as a factor: 0 where v is 0, whatever the other factor is.
  @inline(__always) func vanishing(with v: Self) -> Self {
    // Nearly always there is nothing to do, and finding that out is cheaper than doing it.
    if !isNaN.isAnyTrue { return self }
    let zero = Self(constant: 0)
    return Self.select(Self.isEqual(v, zero) & isNaN, zero, self)
  }

  /// a · b, and 0 where either factor is 0, whatever the other is.
  @inline(__always) static func product(_ a: Self, _ b: Self) -> Self {
    let (zero, product) = (Self(constant: 0), a * b)
    return select((isEqual(a, zero) | isEqual(b, zero)) & product.isNaN, zero, product)
  }
}
