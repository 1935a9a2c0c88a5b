import Foundation
extension LaneVector {
  @inline(never) var lanes: [Double] {
    var r: [Double] = []
    withUnsafeTemporaryAllocation(of: Element.self, capacity: Self.count) { p in
      store(p.baseAddress!)
      for k in 0..<Self.count { r.append((p[k] as? Double) ?? Double(p[k] as! Float)) }
    }
    return r
  }
  @inline(never) init(lanes: [Double]) {
    self = withUnsafeTemporaryAllocation(of: Element.self, capacity: Self.count) { p in
      for k in 0..<Self.count { if Element.self == Double.self { p[k] = lanes[k] as! Element } else { p[k] = Float(lanes[k]) as! Element } }
      return Self(p.baseAddress!)
    }
  }
  init(constant c: Double) { self.init(lanes: Array(repeating: c, count: Self.count)) }
  @inline(never) func each(_ f: (Double) -> Double) -> Self { Self(lanes: lanes.map(f)) }
  @inline(never) static func each(_ a: Self, _ b: Self, _ f: (Double, Double) -> Double) -> Self { Self(lanes: zip(a.lanes, b.lanes).map(f)) }
  static prefix func - (a: Self) -> Self { a.each { -$0 } }
  var first: Element { withUnsafeTemporaryAllocation(of: Element.self, capacity: Self.count) { p in store(p.baseAddress!); return p[0] } }
  var squareRoot: Self { each { $0.squareRoot() } }
  var magnitude: Self { each { $0.magnitude } }
  static func maximum(_ a: Self, _ b: Self) -> Self { each(a, b) { $0.isNaN || $1.isNaN ? .nan : Swift.max($0, $1) } }
  static func minimum(_ a: Self, _ b: Self) -> Self { each(a, b) { $0.isNaN || $1.isNaN ? .nan : Swift.min($0, $1) } }
  static func isLess(_ a: Self, _ b: Self) -> Self { each(a, b) { $0 < $1 ? 1 : 0 } }
  static func isLessOrEqual(_ a: Self, _ b: Self) -> Self { each(a, b) { $0 <= $1 ? 1 : 0 } }
  static func isEqual(_ a: Self, _ b: Self) -> Self { each(a, b) { $0 == $1 ? 1 : 0 } }
  @inline(never) static func select(_ m: Self, _ a: Self, _ b: Self) -> Self { Self(lanes: (0..<count).map { m.lanes[$0] != 0 ? a.lanes[$0] : b.lanes[$0] }) }
}
enum VectorFunctions {
  @inline(never) static func exp<V: LaneVector>(_ x: V) -> V { x.each { Foundation.exp($0) } }
  @inline(never) static func expm1<V: LaneVector>(_ x: V) -> V { x.each { Foundation.expm1($0) } }
  @inline(never) static func log<V: LaneVector>(_ x: V) -> V { x.each { Foundation.log($0) } }
  @inline(never) static func log1p<V: LaneVector>(_ x: V) -> V { x.each { Foundation.log1p($0) } }
  @inline(never) static func sin<V: LaneVector>(_ x: V) -> V { x.each { Foundation.sin($0) } }
  @inline(never) static func cos<V: LaneVector>(_ x: V) -> V { x.each { Foundation.cos($0) } }
  @inline(never) static func tan<V: LaneVector>(_ x: V) -> V { x.each { Foundation.tan($0) } }
  @inline(never) static func arctan<V: LaneVector>(_ x: V) -> V { x.each { Foundation.atan($0) } }
  @inline(never) static func tanh<V: LaneVector>(_ x: V) -> V { x.each { Foundation.tanh($0) } }
  @inline(never) static func erf<V: LaneVector>(_ x: V) -> V { x.each { Foundation.erf($0) } }
  @inline(never) static func erfc<V: LaneVector>(_ x: V) -> V { x.each { Foundation.erfc($0) } }
  @inline(never) static func sigmoid<V: LaneVector>(_ x: V) -> V { x.each { $0 >= 0 ? 1 / (1 + Foundation.exp(-$0)) : Foundation.exp($0) / (1 + Foundation.exp($0)) } }
  @inline(never) static func softplus<V: LaneVector>(_ x: V) -> V { x.each { Swift.max($0, 0) + Foundation.log1p(Foundation.exp(-$0.magnitude)) } }
  @inline(never) static func pow<V: LaneVector>(_ x: V, _ y: V) -> V { V.each(x, y) { Foundation.pow($0, $1) } }
}
enum VectorMap {
  static func unary<T: LoopScalar>(_ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, count: Int, _ f: (T.Lanes) -> T.Lanes) {
    for k in 0..<count { y[k] = f(T.Lanes(repeating: x[k])).first }
  }
  static func binary<T: LoopScalar>(_ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, count: Int, _ f: (T.Lanes, T.Lanes) -> T.Lanes) {
    for k in 0..<count { y[k] = f(T.Lanes(repeating: a[k]), T.Lanes(repeating: b[k])).first }
  }
}
