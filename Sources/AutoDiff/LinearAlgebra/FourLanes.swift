/// Four vectors side by side: enough independent operations to keep the arithmetic units busy.
struct FourLanes<V: LaneVector> {
  var a, b, c, d: V

  static var count: Int { @inline(__always) get { 4 * V.count } }

  @inline(__always)
  init(repeating value: V.Element) {
    let v = V(repeating: value)
    (a, b, c, d) = (v, v, v, v)
  }

  @inline(__always)
  init(_ address: UnsafePointer<V.Element>) {
    a = V(address)
    b = V(address + V.count)
    c = V(address + 2 * V.count)
    d = V(address + 3 * V.count)
  }

  @inline(__always)
  func store(_ address: UnsafeMutablePointer<V.Element>) {
    a.store(address)
    b.store(address + V.count)
    c.store(address + 2 * V.count)
    d.store(address + 3 * V.count)
  }

  @inline(__always)
  mutating func add(_ other: Self, times factor: V.Element) {
    let f = V(repeating: factor)
    a = a.adding(other.a, times: f)
    b = b.adding(other.b, times: f)
    c = c.adding(other.c, times: f)
    d = d.adding(other.d, times: f)
  }

  @inline(__always)
  mutating func add(_ other: Self) {
    (a, b, c, d) = (a + other.a, b + other.b, c + other.c, d + other.d)
  }

  /// Adds the products of corresponding entries.
  @inline(__always)
  mutating func add(_ other: Self, times factors: Self) {
    a = a.adding(other.a, times: factors.a)
    b = b.adding(other.b, times: factors.b)
    c = c.adding(other.c, times: factors.c)
    d = d.adding(other.d, times: factors.d)
  }

  @inline(__always)
  mutating func scale(by factor: V.Element) {
    let f = V(repeating: factor)
    (a, b, c, d) = (a * f, b * f, c * f, d * f)
  }
}
