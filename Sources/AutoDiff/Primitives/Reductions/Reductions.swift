/// The sum over some axes, in increasing order of `axes`; they disappear from the shape.
struct Sum: LinearPrimitive, LoweredPrimitive, Hashable {
  let axes: [Int]
  var name: String { "sum" }

  func shape(of inputs: Inputs) -> [Int] { reducedShape(name, inputs[0].shape, axes) }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let x = inputs[0]
    if x.array.storage == nil { return Tensor(node: x.array.view(shape: shape, strides: [], offset: 0)) }
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in x.withView(T.self) { Reduction.sum($0, axes: axes, into: y) } }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }
  func lowering(of inputs: [Layout], output: [Int]) -> Lowering? {
    .sum(axes: axes)
  }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    cotangent.restoring(axes).broadcast(to: inputShape)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Sum(axes: axes.map { $0 + 1 }), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let terms = x.shape.picking(axes).product
    let up = Rounding.up(terms: terms)
    func sum(_ y: Tensor) -> Tensor { dispatch(self, .one(y)) }
    // The rows of the map are orthogonal, so the norm is that of the largest one.
    let slopes = x.slopes.mapValues {
      SlopeBounds(scale: $0.scale.norm(axes: axes) * up, rows: sum($0.rows) * up)
    }
    return ValueBounds(
      initial: x.initial.image(terms: terms, sum), range: x.range.image(terms: terms, sum), slopes: slopes)
  }
}

/// The largest or the smallest entry over some axes. Entries that tie share the derivative equally.
struct Extremum: Primitive, Hashable {
  let axes: [Int]
  let isMaximum: Bool
  var name: String { isMaximum ? "max" : "min" }

  func shape(of inputs: Inputs) -> [Int] { reducedShape(name, inputs[0].shape, axes) }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        inputs[0].withView(T.self) {
          if isMaximum {
            Reduction.maximum($0, axes: axes, into: y)
          } else {
            Reduction.minimum($0, axes: axes, into: y)
          }
        }
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }
  /// 1 / (number of ties) at the extremal entries, 0 elsewhere.
  private func weights(_ x: Tensor, _ y: Tensor) -> Tensor {
    let mask = x .== y.restoring(axes)
    return mask / mask.sum(axes: axes, keepingAxes: true)
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { bilinearProduct($0, weights(inputs[0], output)).sum(axes: axes) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    bilinearProduct(cotangent.restoring(axes), weights(inputs[0], output))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Extremum(axes: axes.map { $0 + 1 }, isMaximum: isMaximum), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    func value(_ x: Enclosure) -> Enclosure { x.rearranged { dispatch(self, .one($0)) } }
    // An output moves no faster than the fastest of its entries, and at every point it is one of them.
    let largest = Extremum(axes: axes, isMaximum: true)
    return ValueBounds(
      initial: value(x.initial), range: value(x.range),
      slopes: x.slopes.mapValues { slope in slope.rearranged { dispatch(largest, .one($0)) } })
  }
}

func reducedShape(_ name: String, _ shape: [Int], _ axes: [Int]) -> [Int] {
  if let axis = axes.last, axis >= shape.count {
    stop(name, "the axes must exist", got: "axes \(axes) of \(shape)")
  }
  return axes.count == shape.count ? [] : shape.dropping(axes)
}

extension Tensor {
  /// Puts axes of extent 1 back where a reduction removed them.
  func restoring(_ axes: [Int]) -> Tensor {
    var target = shape
    for axis in axes { target.insert(1, at: axis) }
    return reshaped(to: target)
  }

  /// The sum over the given axes (all of them by default). Of no entries it is 0.
  public func sum(axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
    reduce(Sum(axes: normalizedAxes(axes, rank: rank, "sum")), keepingAxes) { $0.axes }
  }

  /// The arithmetic mean over the given axes (all of them by default).
  public func mean(axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
    let normalized = normalizedAxes(axes, rank: rank, "mean")
    let count = shape.picking(normalized).product
    guard count > 0 else { stop("mean", "needs at least one entry", got: "\(shape)") }
    return sum(axes: normalized, keepingAxes: keepingAxes) / Double(count)
  }

  /// The product over the given axes (all of them by default). Of no entries it is 1.
  ///
  /// Entries are multiplied in pairs, so the derivative is right where some are 0.
  public func product(axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
    let axes = normalizedAxes(axes, rank: rank, "product")
    var rest = self
    for axis in axes {
      func part(_ range: Range<Int>) -> Tensor {
        var (starts, counts) = (rest.shape.map { _ in 0 }, rest.shape)
        (starts[axis], counts[axis]) = (range.lowerBound, range.count)
        return bind(Slice(starts: starts, counts: counts, steps: counts.map { _ in 1 }), .one(rest))
      }
      if rest.shape[axis] == 0 { rest = rest.sum(axes: [axis], keepingAxes: true) + 1 }
      while rest.shape[axis] > 1 {
        let (extent, half) = (rest.shape[axis], rest.shape[axis] / 2)
        let pairs = part(0..<half) * part(half..<2 * half)
        rest = extent == 2 * half ? pairs : concatenate([pairs, part(extent - 1..<extent)], axis: axis)
      }
    }
    return keepingAxes ? rest : rest.squeezed(axes)
  }

  /// The largest entry over the given axes (all of them by default). Entries that tie share the derivative equally;
  /// not-a-number wins; of no entries it is −∞.
  public func max(axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
    reduce(Extremum(axes: normalizedAxes(axes, rank: rank, "max"), isMaximum: true), keepingAxes) { $0.axes }
  }

  /// The smallest entry over the given axes (all of them by default). Entries that tie share the derivative equally;
  /// not-a-number wins; of no entries it is +∞.
  public func min(axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
    reduce(Extremum(axes: normalizedAxes(axes, rank: rank, "min"), isMaximum: false), keepingAxes) { $0.axes }
  }

  /// The Euclidean norm over the given axes (all of them by default), without overflow or underflow on the way.
  ///
  /// The derivative is x / ‖x‖. At 0 it is taken to be 0, the subgradient of least norm, and so are the further ones; at
  /// infinite entries it is the limit along equal ones: these share the direction, and the others have none of it.
  public func norm(axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
    reduce(Norm(axes: normalizedAxes(axes, rank: rank, "norm")), keepingAxes) { $0.axes }
  }

  private func reduce<P: Primitive>(_ primitive: P, _ keepingAxes: Bool, _ axes: (P) -> [Int]) -> Tensor {
    // Without axes a sum is the identity, but |x| is the norm of a single entry.
    if axes(primitive).isEmpty, !(primitive is Norm) { return self }
    let result = bind(primitive, .one(self))
    return keepingAxes ? result.restoring(axes(primitive)) : result
  }
}
