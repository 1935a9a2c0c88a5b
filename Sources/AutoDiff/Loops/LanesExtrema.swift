extension LaneVector {
  /// Stand-in until LaneVector has these.
  @inline(__always)
  static func largest(_ a: Self, _ b: Self) -> Self {
    if let a = a as? DoubleLanes, let b = b as? DoubleLanes {
      let m = a.v.replacing(with: b.v, where: .!(a.v .>= b.v) .& (a.v .== a.v))
      return DoubleLanes(v: m) as! Self
    }
    if let a = a as? FloatLanes, let b = b as? FloatLanes {
      let m = a.v.replacing(with: b.v, where: .!(a.v .>= b.v) .& (a.v .== a.v))
      return FloatLanes(v: m) as! Self
    }
    fatalError()
  }
  @inline(__always)
  static func smallest(_ a: Self, _ b: Self) -> Self {
    if let a = a as? DoubleLanes, let b = b as? DoubleLanes {
      let m = a.v.replacing(with: b.v, where: .!(a.v .<= b.v) .& (a.v .== a.v))
      return DoubleLanes(v: m) as! Self
    }
    if let a = a as? FloatLanes, let b = b as? FloatLanes {
      let m = a.v.replacing(with: b.v, where: .!(a.v .<= b.v) .& (a.v .== a.v))
      return FloatLanes(v: m) as! Self
    }
    fatalError()
  }
}
extension LaneVector {
  @inline(__always)
  var firstEntry: Element { withUnsafeBytes(of: self) { $0.load(as: Element.self) } }
}
