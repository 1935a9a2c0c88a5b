#if arch(x86_64) && AUTODIFF_FMA
  internal import _Builtin_intrinsics.intel
#endif

#if AUTODIFF_LANES_512
  typealias FloatVector = SIMD16<Float>
  private typealias FloatBitVector = SIMD16<UInt32>
  private typealias FloatHalfVector = SIMD32<UInt16>
#elseif AUTODIFF_LANES_256
  typealias FloatVector = SIMD8<Float>
  private typealias FloatBitVector = SIMD8<UInt32>
  private typealias FloatHalfVector = SIMD16<UInt16>
#else
  typealias FloatVector = SIMD4<Float>
  private typealias FloatBitVector = SIMD4<UInt32>
  private typealias FloatHalfVector = SIMD8<UInt16>
#endif

/// The host's vector of `Float`.
struct FloatLanes: LaneVector {
  typealias Element = Float

  let v: FloatVector

  @inline(__always) init(v: FloatVector) { self.v = v }
  static var count: Int { @inline(__always) get { FloatVector.scalarCount } }
  static var isDouble: Bool { @inline(__always) get { false } }
  @inline(__always) init(repeating value: Float) { v = .init(repeating: value) }
  @inline(__always) init(_ address: UnsafePointer<Float>) {
    v = UnsafeRawPointer(address).loadUnaligned(as: FloatVector.self)
  }
  @inline(__always) func store(_ address: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(address).storeBytes(of: v, as: FloatVector.self)
  }
  @inline(__always) func stream(_ address: UnsafeMutablePointer<Float>) {
    #if arch(x86_64) && AUTODIFF_LANES_512
      _mm512_stream_ps(address, v)
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      _mm256_stream_ps(address, v)
    #else
      store(address)
    #endif
  }
  @inline(__always) init(bits: Bits) { v = unsafeBitCast(bits.v, to: FloatVector.self) }
  var bits: Bits { @inline(__always) get { .init(v: unsafeBitCast(v, to: FloatVector.MaskStorage.self)) } }
  var first: Float { @inline(__always) get { v[0] } }

  @inline(__always) static func + (a: Self, b: Self) -> Self { .init(v: a.v + b.v) }
  @inline(__always) static func - (a: Self, b: Self) -> Self { .init(v: a.v - b.v) }
  @inline(__always) static func * (a: Self, b: Self) -> Self { .init(v: a.v * b.v) }
  @inline(__always) static func / (a: Self, b: Self) -> Self { .init(v: a.v / b.v) }
  // The operator of `SIMD` computes 0 - a, which is wrong for 0.
  @inline(__always) static prefix func - (a: Self) -> Self { .init(bits: a.bits ^ Self(repeating: -0.0).bits) }
  @inline(__always) func adding(_ a: Self, times b: Self) -> Self {
    // `addingProduct` of `SIMD` computes entry by entry, and the optimizer does not always find the vector again.
    #if arch(x86_64) && AUTODIFF_LANES_512
      .init(v: _mm512_fmadd_ps(a.v, b.v, v))
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      .init(v: _mm256_fmadd_ps(a.v, b.v, v))
    #elseif AUTODIFF_FMA
      .init(v: v.addingProduct(a.v, b.v))
    #else
      .init(v: v + a.v * b.v)
    #endif
  }
  @inline(__always) func squareRoot() -> Self {
    #if arch(x86_64) && AUTODIFF_LANES_512
      .init(v: _mm512_sqrt_ps(v))
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      .init(v: _mm256_sqrt_ps(v))
    #else
      .init(v: v.squareRoot())
    #endif
  }
  @inline(__always) func rounded(_ rule: FloatingPointRoundingRule) -> Self { .init(v: v.rounded(rule)) }
  @inline(__always) func sum() -> Float {
    // Sums of halves, written with the operations of `SIMD`, would be taken apart into sums of single entries.
    #if arch(x86_64) && AUTODIFF_LANES_512
      return _mm512_reduce_add_ps(v)
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      let pairs = _mm256_hadd_ps(v, v)
      let fours = _mm256_hadd_ps(pairs, pairs)
      return fours[0] + fours[4]
    #else
      return (v.x + v.z) + (v.y + v.w)
    #endif
  }

  @inline(__always) func largest() -> Float {
    if isNaN.isAnyTrue { return .nan }
    #if arch(x86_64) && AUTODIFF_LANES_512
      return _mm512_reduce_max_ps(v)
    #elseif arch(x86_64) && AUTODIFF_LANES_256
      let exchanged = unsafeBitCast(SIMD8<Int32>(4, 5, 6, 7, 0, 1, 2, 3), to: SIMD4<Int64>.self)
      let halves = _mm256_max_ps(v, _mm256_permutevar8x32_ps(v, exchanged))
      return Swift.max(Swift.max(halves[0], halves[1]), Swift.max(halves[2], halves[3]))
    #else
      return Swift.max(Swift.max(v.x, v.y), Swift.max(v.z, v.w))
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
      // The initializer that converts a vector would be a call.
      var floats = SIMD16<Float>()
      for i in 0..<16 { floats[i] = Float(table[i]) }
      return .init(v: _mm512_permutexvar_ps(unsafeBitCast(index.v, to: SIMD8<Int64>.self), floats))
    }
    var roughReciprocal: Self { @inline(__always) get { .init(v: _mm512_rcp14_ps(v)) } }
    @inline(__always) func timesPowerOfTwo(_ exponent: Self) -> Self { .init(v: _mm512_scalef_ps(v, exponent.v)) }
  #endif

  struct Mask: LaneMask {
    let v: SIMDMask<FloatVector.MaskStorage>
    @inline(__always) init(v: SIMDMask<FloatVector.MaskStorage>) { self.v = v }
    @inline(__always) static func & (a: Self, b: Self) -> Self { .init(v: a.v .& b.v) }
    @inline(__always) static func | (a: Self, b: Self) -> Self { .init(v: a.v .| b.v) }
    @inline(__always) static prefix func ! (a: Self) -> Self { .init(v: .!a.v) }
    var isAnyTrue: Bool {
      // `any` would be a call, which goes through the entries one by one.
      @inline(__always) get {
        #if arch(x86_64) && AUTODIFF_LANES_512
          return _mm512_movepi32_mask(unsafeBitCast(v, to: SIMD8<Int64>.self)) != 0
        #elseif arch(x86_64) && AUTODIFF_LANES_256
          return _mm256_movemask_ps(unsafeBitCast(v, to: FloatVector.self)) != 0
        #else
          let halves = unsafeBitCast(v, to: SIMD2<UInt64>.self)
          return halves.x | halves.y != 0
        #endif
      }
    }
  }

  struct Bits: LaneBits {
    let v: FloatVector.MaskStorage
    @inline(__always) init(v: FloatVector.MaskStorage) { self.v = v }
    @inline(__always) init(repeating value: Int) { v = .init(repeating: Int32(truncatingIfNeeded: value)) }
    @inline(__always) static func &+ (a: Self, b: Self) -> Self { .init(v: a.v &+ b.v) }
    @inline(__always) static func &- (a: Self, b: Self) -> Self { .init(v: a.v &- b.v) }
    @inline(__always) static func & (a: Self, b: Self) -> Self { .init(v: a.v & b.v) }
    @inline(__always) static func | (a: Self, b: Self) -> Self { .init(v: a.v | b.v) }
    @inline(__always) static func ^ (a: Self, b: Self) -> Self { .init(v: a.v ^ b.v) }
    @inline(__always) static func &<< (a: Self, shift: Int) -> Self {
      .init(v: a.v &<< .init(repeating: Int32(truncatingIfNeeded: shift)))
    }
    @inline(__always) static func &>> (a: Self, shift: Int) -> Self {
      .init(v: a.v &>> .init(repeating: Int32(truncatingIfNeeded: shift)))
    }
    @inline(__always) func shiftedRight(_ shift: Int) -> Self {
      let unsigned = unsafeBitCast(v, to: FloatBitVector.self) &>> .init(repeating: UInt32(truncatingIfNeeded: shift))
      return .init(v: unsafeBitCast(unsigned, to: FloatVector.MaskStorage.self))
    }
    @inline(__always) func lowHalves(under other: Self) -> Self {
      // The optimizer makes one instruction of this, but not of masks.
      var halves = unsafeBitCast(v, to: FloatHalfVector.self)
      let others = unsafeBitCast(other.v, to: FloatHalfVector.self)
      for i in 0..<FloatVector.scalarCount { halves[2 &* i &+ 1] = others[2 &* i &+ 1] }
      return .init(v: unsafeBitCast(halves, to: FloatVector.MaskStorage.self))
    }
  }
}
