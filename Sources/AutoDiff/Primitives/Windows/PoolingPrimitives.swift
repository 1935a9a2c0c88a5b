/// Where the largest entry under each window lies: `row * columns + column` in its image, [..., h, w, channels] →
/// [..., h', w', channels]. The first of equal entries counts. Constant almost everywhere, so its derivative is 0.
///
/// Positions are `.float64` whatever the type of the images, because `Float` rounds them from 2²⁴ on.
struct MaximumPositions: Primitive, Hashable {
  let places: PooledPlaces
  var name: String { "maxPool" }

  func shape(of inputs: Inputs) -> [Int] { places.outputShape(name, inputs[0].shape) }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (x, shape) = (inputs[0], shape(of: inputs))
    let geometry = places.geometry(name, x.shape)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, Double.self) { positions in
        x.withEntries(T.self) { Pooling.maximumPositions(geometry, $0, into: positions) }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? { nil }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? { nil }
  /// Examples are images.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
}

/// The entries of images at one position for each place of a window and each channel: linear in the images.
///
/// Inputs: the images [..., h, w, channels], and the positions [..., h', w', channels] of ``MaximumPositions``.
struct GatherPooled: IndexedLinearPrimitive, Hashable {
  let places: PooledPlaces
  var name: String { "maxPoolGather" }
  var takesMixedTypes: Bool { true }

  func shape(of inputs: Inputs) -> [Int] {
    let shape = places.outputShape(name, inputs[0].shape)
    guard inputs[1].shape == shape else { stop("needs positions \(shape)", got: "\(inputs[1].shape)") }
    return shape
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (x, shape) = (inputs[0], shape(of: inputs))
    let geometry = places.geometry(name, x.shape)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        x.withEntries(T.self) { x in
          places.withPositions(name, inputs[1]) { Pooling.gather(geometry, x, positions: $0, into: y) }
        }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { dispatch(self, .two($0, inputs[1])) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    argument == 0 ? dispatch(ScatterPooled(places: places), .two(cotangent, inputs[1])) : nil
  }
  /// Examples are images.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(self, inputs.aligned(isBatched, size: size))
  }
}

/// Adds values to zeros at one position for each place of a window and each channel: the adjoint of ``GatherPooled``.
struct ScatterPooled: IndexedLinearPrimitive, Hashable {
  let places: PooledPlaces
  var name: String { "maxPoolScatter" }
  var takesMixedTypes: Bool { true }

  func shape(of inputs: Inputs) -> [Int] {
    guard inputs[1].shape == inputs[0].shape else {
      stop("needs one position for each value", got: "\(inputs[1].shape) and \(inputs[0].shape)")
    }
    return places.inputShape(name, inputs[0].shape)
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (y, shape) = (inputs[0], shape(of: inputs))
    let geometry = places.geometry(name, shape)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { x in
        y.withEntries(T.self) { y in
          places.withPositions(name, inputs[1]) { Pooling.maximumGradient(geometry, y, positions: $0, into: x) }
        }
      }
    }
    return perType(y.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { dispatch(self, .two($0, inputs[1])) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    argument == 0 ? dispatch(GatherPooled(places: places), .two(cotangent, inputs[1])) : nil
  }
  /// Examples are images.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(self, inputs.aligned(isBatched, size: size))
  }
}

/// The mean of the entries under each window: [..., h, w, channels] → [..., h', w', channels].
struct AveragePool: LinearPrimitive, Hashable {
  let places: PooledPlaces
  let divisor: PoolingDivisor
  var name: String { "averagePool" }

  func shape(of inputs: Inputs) -> [Int] { places.outputShape(name, inputs[0].shape) }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (x, shape) = (inputs[0], shape(of: inputs))
    let geometry = places.geometry(name, x.shape)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        x.withEntries(T.self) { Pooling.average(geometry, dividedBy: divisor.loopDivisor, $0, into: y) }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(SpreadAverages(places: places, divisor: divisor), .one(cotangent))
  }
  /// Examples are images.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let terms = places.window.size.rows * places.window.size.columns
    let ones = Tensor.ones(shape(of: .one(x.range.lower)))
    return x.mapped(terms: terms, columnSums: transpose(ones, inputShape: x.shape)) { dispatch(self, .one($0)) }
  }
}

/// Spreads each value evenly over the entries under its window: the adjoint of ``AveragePool``.
struct SpreadAverages: LinearPrimitive, Hashable {
  let places: PooledPlaces
  let divisor: PoolingDivisor
  var name: String { "averagePoolAdjoint" }

  func shape(of inputs: Inputs) -> [Int] { places.inputShape(name, inputs[0].shape) }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (y, shape) = (inputs[0], shape(of: inputs))
    let geometry = places.geometry(name, shape)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { x in
        y.withEntries(T.self) { Pooling.averageGradient(geometry, dividedBy: divisor.loopDivisor, $0, into: x) }
      }
    }
    return perType(y.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(AveragePool(places: places, divisor: divisor), .one(cotangent))
  }
  /// Examples are images.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let terms = places.window.size.rows * places.window.size.columns
    let ones = Tensor.ones(shape(of: .one(x.range.lower)))
    return x.mapped(terms: terms, columnSums: transpose(ones, inputShape: x.shape)) { dispatch(self, .one($0)) }
  }
}
