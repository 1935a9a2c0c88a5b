/// A vector of the host's register width: the unit in which the loops load, compute and store.
///
/// The operations are requirements of this protocol, not the generic ones of `SIMD`, because only the operators of the
/// concrete vector types compile to one instruction.
protocol LaneVector: Sendable {
  associatedtype Element: LoopScalar where Element.Lanes == Self
  /// One truth value per entry.
  associatedtype Mask: LaneMask
  /// One integer per entry, of the same width.
  associatedtype Bits: LaneBits

  /// The number of entries.
  static var count: Int { get }
  /// Whether the entries are `Double`; else they are `Float`. The optimizer removes the branches that ask.
  static var isDouble: Bool { get }

  init(repeating value: Element)
  /// Loads `count` entries; the address needs no alignment.
  init(_ address: UnsafePointer<Element>)
  /// Stores all entries; the address needs no alignment.
  func store(_ address: UnsafeMutablePointer<Element>)
  /// Stores all entries past the caches, where the host can; the address must be a multiple of the vector's size. Other
  /// threads see it after ``StreamedResult/finish()``.
  func stream(_ address: UnsafeMutablePointer<Element>)
  /// Reinterprets bit patterns as numbers.
  init(bits: Bits)
  /// The numbers' bit patterns.
  var bits: Bits { get }
  /// The entry of the lowest address.
  var first: Element { get }

  static func + (a: Self, b: Self) -> Self
  static func - (a: Self, b: Self) -> Self
  static func * (a: Self, b: Self) -> Self
  static func / (a: Self, b: Self) -> Self
  static prefix func - (a: Self) -> Self

  /// `self + a * b`, in one rounding where the host has the instruction and in two where it has not.
  func adding(_ a: Self, times b: Self) -> Self
  /// The square root, correctly rounded.
  func squareRoot() -> Self
  /// The nearest integer by the given rule.
  func rounded(_ rule: FloatingPointRoundingRule) -> Self
  /// The sum of the entries, on one machine always in the same order.
  func sum() -> Element
  /// The largest entry; not-a-number if there is one.
  func largest() -> Element

  static func isLess(_ a: Self, _ b: Self) -> Mask
  static func isLessOrEqual(_ a: Self, _ b: Self) -> Mask
  static func isEqual(_ a: Self, _ b: Self) -> Mask
  /// `a` where the mask is true, else `b`.
  static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self
  /// `a` where the highest bit of `bits` is 1, else `b`.
  static func select(whereNegative bits: Bits, _ a: Self, _ b: Self) -> Self
  #if AUTODIFF_LANES_512
    /// Entries of a table, chosen by the lowest four bits of an index each. Only long vectors have an instruction for it.
    static func entries(_ index: Bits, of table: SIMD16<Double>) -> Self
    /// 1 / self with a relative error below 2⁻¹⁴.
    var roughReciprocal: Self { get }
    /// self · 2ⁿ in one rounding, where n is an exponent without its fraction.
    func timesPowerOfTwo(_ exponent: Self) -> Self
  #endif
}

/// The truth values of a comparison of vectors.
protocol LaneMask {
  static func & (a: Self, b: Self) -> Self
  static func | (a: Self, b: Self) -> Self
  static prefix func ! (a: Self) -> Self
  /// Whether at least one entry is true.
  var isAnyTrue: Bool { get }
}

/// Bit patterns of floating-point entries, and integers of their width.
protocol LaneBits {
  init(repeating value: Int)
  static func &+ (a: Self, b: Self) -> Self
  static func &- (a: Self, b: Self) -> Self
  static func & (a: Self, b: Self) -> Self
  static func | (a: Self, b: Self) -> Self
  static func ^ (a: Self, b: Self) -> Self
  static func &<< (a: Self, shift: Int) -> Self
  /// Shifts to the right, keeping the sign.
  static func &>> (a: Self, shift: Int) -> Self
  /// Shifts to the right, filling up with zeros.
  func shiftedRight(_ shift: Int) -> Self
  /// The low half of each integer, below the high half of another.
  func lowHalves(under other: Self) -> Self
}

/// What follows from the requirements.
extension LaneVector {
  /// The nearest number of this type in every entry.
  @inline(__always) init(constant: Double) { self.init(repeating: Element(constant)) }

  /// The one or the other number in every entry, by the type of the entries.
  @inline(__always) init(double: Double, float: Float) {
    self.init(repeating: Self.isDouble ? Element(double) : Element(float))
  }

  /// `self * x + c`: one step of Horner's rule.
  @inline(__always) func times(_ x: Self, plus c: Double) -> Self { Self(constant: c).adding(self, times: x) }

  /// `c0 + c1 * self`.
  @inline(__always) func line(_ c0: Double, _ c1: Double) -> Self { Self(constant: c1).times(self, plus: c0) }

  /// `c0 + c1 * self + c2 * self² + c3 * self³`, with the square given.
  @inline(__always) func cubic(_ square: Self, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double) -> Self {
    line(c0, c1).adding(square, times: line(c2, c3))
  }

  /// The absolute value.
  @inline(__always) var magnitude: Self { Self(bits: bits & (Self(repeating: -0.0).bits ^ .init(repeating: -1))) }

  /// The sign bit, and nothing else.
  @inline(__always) var signBit: Self.Bits { bits & Self(repeating: -0.0).bits }

  /// True where an entry is not a number.
  @inline(__always) var isNaN: Mask { !Self.isEqual(self, self) }

  /// The smaller of a and b; not-a-number where either is. Zeros count as equal, and `a` is taken.
  @inline(__always) static func minimum(_ a: Self, _ b: Self) -> Self {
    select(a.isNaN, a, select(isLess(a, b) | isEqual(a, b), a, b))
  }

  /// The larger of a and b; not-a-number where either is. Zeros count as equal, and `a` is taken.
  @inline(__always) static func maximum(_ a: Self, _ b: Self) -> Self {
    select(a.isNaN, a, select(isLess(b, a) | isEqual(a, b), a, b))
  }

  /// `x` limited from above; not-a-number stays. One instruction, unlike ``minimum(_:_:)``.
  @inline(__always) func limited(to upper: Double) -> Self {
    let upper = Self(constant: upper)
    return Self.select(Self.isLess(upper, self), upper, self)
  }

  /// `x` limited from below; not-a-number stays. One instruction, unlike ``maximum(_:_:)``.
  @inline(__always) func limited(from lower: Double) -> Self {
    let lower = Self(constant: lower)
    return Self.select(Self.isLess(self, lower), lower, self)
  }
}

/// A scalar that the loops can compute with. Internal, as everything about vectors is: their calling convention depends
/// on the instruction set that a module is compiled for, so they must not cross its border.
protocol LoopScalar: Scalar {
  associatedtype Lanes: LaneVector where Lanes.Element == Self
}

extension Double: LoopScalar {
  typealias Lanes = DoubleLanes
}

extension Float: LoopScalar {
  typealias Lanes = FloatLanes
}
