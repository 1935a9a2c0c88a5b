import Foundation
extension VectorFunctions {
  @inline(never) static func map<V: LaneVector>(_ x: V, _ y: V, _ f: (Double, Double) -> Double) -> V {
    withUnsafeTemporaryAllocation(of: V.Element.self, capacity: 2 * V.count) { p in
      x.store(p.baseAddress!); y.store(p.baseAddress! + V.count)
      for k in 0..<V.count { p[k] = V.Element(f(Double(p[k]), Double(p[k + V.count]))) }
      return V(p.baseAddress!)
    }
  }
  static func erfc<V: LaneVector>(_ x: V) -> V { map(x, x) { a, _ in Foundation.erfc(a) } }
  static func pow<V: LaneVector>(_ x: V, _ y: V) -> V { map(x, y) { Foundation.pow($0, $1) } }
}
