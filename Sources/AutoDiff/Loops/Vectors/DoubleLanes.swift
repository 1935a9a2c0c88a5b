#if arch(x86_64)
  internal import _Builtin_intrinsics.intel
#endif

#if AUTODIFF_LANES_512
  typealias DoubleVector = SIMD8<Double>
  private typealias DoubleBitVector = SIMD8<UInt64>
  private typealias DoubleHalfVector = SIMD16<UInt32>
#elseif AUTODIFF_LANES_256
  typealias DoubleVector = SIMD4<Double>
  private typealias DoubleBitVector = SIMD4<UInt64>
  private typealias DoubleHalfVector = SIMD8<UInt32>
#else
  typealias DoubleVector = SIMD2<Double>
  private typealias DoubleBitVector = SIMD2<UInt64>
  private typealias DoubleHalfVector = SIMD4<UInt32>
#endif

/// The host's vector of `Double`.
struct DoubleLanes: LaneVector {
  typealias Element = Double

  let v: DoubleVector

  @inline(__always) init(v: DoubleVector) { self.v = v }
  static var count: Int { @inline(__always) get { DoubleVector.scalarCount } }
  static var isDouble: Bool { @inline(__always) get { true } }
  @inline(__always) init(repeating value: Double) { v = .init(repeating: value) }
  @inline(__always) init(_ address: UnsafePointer<Double>) {
    v = UnsafeRawPointer(address).loadUnaligned(as: DoubleVector.self)
  }
  @inline(__always) func store(_ address: UnsafeMutablePointer<Double>) {
    UnsafeMutableRawPointer(address).storeBytes(of: v, as: DoubleVector.self)
  }
  @inline(__always) func stream(_ address: UnsafeMutablePointer<Double>) {
    #if arch(x86_64) && AUTODIFF_LANES_512
      _mm512_stream_pd(address, v)
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      _mm256_stream_pd(address, v)
    #else
      store(address)
    #endif
  }
  @inline(__always) init(bits: Bits) { v = unsafeBitCast(bits.v, to: DoubleVector.self) }
  var bits: Bits { @inline(__always) get { .init(v: unsafeBitCast(v, to: DoubleVector.MaskStorage.self)) } }
  var first: Double { @inline(__always) get { v[0] } }

  @inline(__always) static func + (a: Self, b: Self) -> Self { .init(v: a.v + b.v) }
  @inline(__always) static func - (a: Self, b: Self) -> Self { .init(v: a.v - b.v) }
  @inline(__always) static func * (a: Self, b: Self) -> Self { .init(v: a.v * b.v) }
  @inline(__always) static func / (a: Self, b: Self) -> Self { .init(v: a.v / b.v) }
  // The operator of `SIMD` computes 0 - a, which is wrong for 0.
  @inline(__always) static prefix func - (a: Self) -> Self { .init(bits: a.bits ^ Self(repeating: -0.0).bits) }
  @inline(__always) func adding(_ a: Self, times b: Self) -> Self {
    // `addingProduct` of `SIMD` computes entry by entry, and the optimizer does not always find the vector again.
    #if arch(x86_64) && AUTODIFF_LANES_512
      .init(v: _mm512_fmadd_pd(a.v, b.v, v))
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      .init(v: _mm256_fmadd_pd(a.v, b.v, v))
    #elseif AUTODIFF_FMA
      .init(v: v.addingProduct(a.v, b.v))
    #else
      .init(v: v + a.v * b.v)
    #endif
  }
  @inline(__always) func squareRoot() -> Self {
    #if arch(x86_64) && AUTODIFF_LANES_512
      .init(v: _mm512_sqrt_pd(v))
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      .init(v: _mm256_sqrt_pd(v))
    #else
      .init(v: v.squareRoot())
    #endif
  }
  @inline(__always) func rounded(_ rule: FloatingPointRoundingRule) -> Self { .init(v: v.rounded(rule)) }
  @inline(__always) func sum() -> Double {
    // Sums of halves, written with the operations of `SIMD`, would be taken apart into sums of single entries.
    #if arch(x86_64) && AUTODIFF_LANES_512
      return _mm512_reduce_add_pd(v)
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      let pairs = _mm256_hadd_pd(v, v)
      return pairs[0] + pairs[2]
    #else
      return v.x + v.y
    #endif
  }

  @inline(__always) func largest() -> Double {
    if isNaN.isAnyTrue { return .nan }
    #if arch(x86_64) && AUTODIFF_LANES_512
      return _mm512_reduce_max_pd(v)
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      return Swift.max(Swift.max(v.x, v.y), Swift.max(v.z, v.w))
    #else
      return Swift.max(v.x, v.y)
    #endif
  }

  @inline(__always) static func isLess(_ a: Self, _ b: Self) -> Mask { .init(v: a.v .< b.v) }
  @inline(__always) static func isLessOrEqual(_ a: Self, _ b: Self) -> Mask { .init(v: a.v .<= b.v) }
  @inline(__always) static func isEqual(_ a: Self, _ b: Self) -> Mask { .init(v: a.v .== b.v) }
  @inline(__always) static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self {
    .init(v: b.v.replacing(with: a.v, where: mask.v))
  }
  @inline(__always) static func select(whereNegative bits: Bits, _ a: Self, _ b: Self) -> Self {
    .init(v: b.v.replacing(with: a.v, where: bits.v .< .zero))
  }

  #if AUTODIFF_LANES_512
    @inline(__always) static func entries(_ index: Bits, of table: SIMD16<Double>) -> Self {
      .init(v: _mm512_permutex2var_pd(table.lowHalf, index.v, table.highHalf))
    }
    var roughReciprocal: Self { @inline(__always) get { .init(v: _mm512_rcp14_pd(v)) } }
    @inline(__always) func timesPowerOfTwo(_ exponent: Self) -> Self { .init(v: _mm512_scalef_pd(v, exponent.v)) }
  #endif

  struct Mask: LaneMask {
    let v: SIMDMask<DoubleVector.MaskStorage>
    @inline(__always) init(v: SIMDMask<DoubleVector.MaskStorage>) { self.v = v }
    @inline(__always) static func & (a: Self, b: Self) -> Self { .init(v: a.v .& b.v) }
    @inline(__always) static func | (a: Self, b: Self) -> Self { .init(v: a.v .| b.v) }
    @inline(__always) static prefix func ! (a: Self) -> Self { .init(v: .!a.v) }
    var isAnyTrue: Bool {
      // `any` would be a call, which goes through the entries one by one.
      @inline(__always) get {
        #if arch(x86_64) && AUTODIFF_LANES_512
          return _mm512_movepi64_mask(unsafeBitCast(v, to: SIMD8<Int64>.self)) != 0
        #elseif arch(x86_64) && AUTODIFF_LANES_256
          return _mm256_movemask_pd(unsafeBitCast(v, to: DoubleVector.self)) != 0
        #else
          let halves = unsafeBitCast(v, to: SIMD2<UInt64>.self)
          return halves.x | halves.y != 0
        #endif
      }
    }
  }

  struct Bits: LaneBits {
    let v: DoubleVector.MaskStorage
    @inline(__always) init(v: DoubleVector.MaskStorage) { self.v = v }
    @inline(__always) init(repeating value: Int) { v = .init(repeating: Int64(truncatingIfNeeded: value)) }
    @inline(__always) static func &+ (a: Self, b: Self) -> Self { .init(v: a.v &+ b.v) }
    @inline(__always) static func &- (a: Self, b: Self) -> Self { .init(v: a.v &- b.v) }
    @inline(__always) static func & (a: Self, b: Self) -> Self { .init(v: a.v & b.v) }
    @inline(__always) static func | (a: Self, b: Self) -> Self { .init(v: a.v | b.v) }
    @inline(__always) static func ^ (a: Self, b: Self) -> Self { .init(v: a.v ^ b.v) }
    @inline(__always) static func &<< (a: Self, shift: Int) -> Self {
      .init(v: a.v &<< .init(repeating: Int64(truncatingIfNeeded: shift)))
    }
    @inline(__always) static func &>> (a: Self, shift: Int) -> Self {
      .init(v: a.v &>> .init(repeating: Int64(truncatingIfNeeded: shift)))
    }
    @inline(__always) func shiftedRight(_ shift: Int) -> Self {
      let unsigned = unsafeBitCast(v, to: DoubleBitVector.self) &>> .init(repeating: UInt64(truncatingIfNeeded: shift))
      return .init(v: unsafeBitCast(unsigned, to: DoubleVector.MaskStorage.self))
    }
    @inline(__always) func lowHalves(under other: Self) -> Self {
      // The optimizer makes one instruction of this, but not of masks.
      var halves = unsafeBitCast(v, to: DoubleHalfVector.self)
      let others = unsafeBitCast(other.v, to: DoubleHalfVector.self)
      for i in 0..<DoubleVector.scalarCount { halves[2 &* i &+ 1] = others[2 &* i &+ 1] }
      return .init(v: unsafeBitCast(halves, to: DoubleVector.MaskStorage.self))
    }
  }
}

/// What integers in 64-bit lanes can do besides: the product of 32-bit words.
extension DoubleLanes.Bits {
  /// 0, 1, 2, … in the lanes.
  static var laneNumbers: Self {
    @inline(__always) get {
      var numbers = DoubleVector.MaskStorage()
      for i in 0..<DoubleVector.scalarCount { numbers[i] = Int64(i) }
      return .init(v: numbers)
    }
  }

  /// The full products of the low 32 bits, without signs.
  @inline(__always) func productOfLowHalves(_ other: Self) -> Self {
    // The optimizer finds the instruction in a product of masked words, but not in every context.
    #if arch(x86_64) && AUTODIFF_LANES_512
      .init(v: _mm512_mul_epu32(v, other.v))
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      .init(v: _mm256_mul_epu32(v, other.v))
    #elseif arch(x86_64)
      .init(v: _mm_mul_epu32(v, other.v))
    #else
      .init(v: (v & .init(repeating: 0xffff_ffff)) &* (other.v & .init(repeating: 0xffff_ffff)))
    #endif
  }
}
