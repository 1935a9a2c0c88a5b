/// What rounding loses, found by arithmetic.
extension VectorFunctions {
  /// (above + aboveTail) / (below + belowTail), to little more than half a unit in the last place.
  @inline(__always)
  static func quotient<V: LaneVector>(_ above: V, _ aboveTail: V, _ below: V, _ belowTail: V) -> V {
    #if AUTODIFF_LANES_512
      // Half the digits of the reciprocal are enough, because what is missing in the quotient is computed exactly.
      let rough = below.roughReciprocal
      let reciprocal = V.isDouble ? rough.adding(rough, times: V(constant: 1).adding(-rough, times: below)) : rough
    #else
      let reciprocal = V(constant: 1) / below
    #endif
    let y = above * reciprocal
    #if AUTODIFF_FMA
      let rest = above.adding(-y, times: below)
    #else
      let product = y * below
      let rest = (above - product) - remainderOfProduct(y, below, product)
    #endif
    return y.adding(rest + aboveTail.adding(-y, times: belowTail), times: reciprocal)
  }

  /// a · b − product, exactly.
  @inline(__always)
  static func remainderOfProduct<V: LaneVector>(_ a: V, _ b: V, _ product: V) -> V {
    #if AUTODIFF_FMA
      return (-product).adding(a, times: b)
    #else
      let (aHigh, aLow) = halves(a)
      let (bHigh, bLow) = halves(b)
      return ((aHigh * bHigh - product) + aHigh * bLow + aLow * bHigh) + aLow * bLow
    #endif
  }

  /// x in two parts of half as many digits, whose products are exact.
  ///
  /// - Source: Dekker, A floating-point technique for extending the available precision (1971).
  @inline(__always)
  private static func halves<V: LaneVector>(_ x: V) -> (high: V, low: V) {
    let spread = x * V(double: 0x1p27 + 1, float: 0x1p12 + 1)
    let high = spread - (spread - x)
    return (high, x - high)
  }
}
