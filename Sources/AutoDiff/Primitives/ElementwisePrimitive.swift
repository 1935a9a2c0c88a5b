/// A primitive that maps entries to entries: every output entry depends on the input entries at the same place.
///
/// The Jacobian is diagonal, hence its own transpose: one rule serves both modes. Inputs have equal shapes;
/// operators broadcast before they bind.
public protocol ElementwisePrimitive: Primitive {
  /// `v` · ∂output/∂inputs[argument], entry by entry; nil where that is zero everywhere.
  ///
  /// Where the derivative may be infinite or not a number, multiply with ``chainProduct(_:_:)``.
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor?
}

extension ElementwisePrimitive {
  // The attributes keep one copy of these for all functions, which keeps the module's build short.

  /// The common shape of the inputs.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  public func shape(of inputs: Inputs) -> [Int] {
    switch inputs {
    case .one(let a): return a.node.shape
    case .two(let a, let b):
      if a.node.shape != b.node.shape { stopAtShapes(inputs) }
      return a.node.shape
    case .many(let all):
      if all.contains(where: { $0.shape != all[0].shape }) { stopAtShapes(inputs) }
      return all[0].shape
    }
  }

  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  fileprivate func stopAtShapes(_ inputs: Inputs) -> Never {
    stop("shapes must agree", got: inputs.map { "\($0.shape)" }.joined(separator: " and "))
  }

  /// Σ tangent · derivative.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  public func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    var sum: Tensor?
    for argument in 0..<tangents.count {
      if let tangent = tangents[argument], let part = timesDerivative(tangent, argument, inputs, output) {
        accumulate(&sum, part)
      }
    }
    return sum
  }

  /// cotangent · derivative.
  public func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    timesDerivative(cotangent, argument, inputs, output)
  }

  /// The same primitive; shared inputs are repeated (as a view) for every example.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  public func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(self, inputs.aligned(isBatched, size: size))
  }
}

extension Inputs {
  /// The operands with an example axis in front of each; the shared ones are repeated as a view.
  @inline(never)
  func aligned(_ isBatched: ShortList<Bool>, size: Int) -> Inputs {
    switch (self, isBatched) {
    case (.one, _): self
    case (.two(let a, let b), .two(let x, let y)):
      .two(
        x ? a : a.broadcast(to: [size] + a.shape),
        y ? b : b.broadcast(to: [size] + b.shape))
    default:
      .many(indices.map { isBatched[$0] ? self[$0] : self[$0].broadcast(to: [size] + self[$0].shape) })
    }
  }
}

/// An elementwise function of one input that the loops evaluate.
protocol UnaryElementwise: ElementwisePrimitive, UnaryLaneFunction {
  /// `v` · derivative at `x`, where the output is `y`.
  func timesDerivative(_ v: Tensor, at x: Tensor, output y: Tensor) -> Tensor?
}

extension UnaryElementwise {
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    timesDerivative(v, at: inputs[0], output: output)
  }

  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  func evaluate(_ inputs: Inputs) -> Tensor {
    switch inputs {
    case .one(let x):
      let node = x.array
      let type = node.scalarType
      if node.storage == nil {
        return Tensor(
          node: ArrayNode(shape: node.shape, scalarType: type, single: VectorMap.value(type, node.single, self)))
      }
      return mapEntries(of: node, for: name) { VectorMap.unary(type, $0, $1, count: $2, self) }
    default: stop("takes one input", got: "\(inputs.count)")
    }
  }
}

/// A tensor of the shape of `x` whose entries `body` computes from those of `x`, both in row-major order.
@inline(never)
private func mapEntries(
  of x: ArrayNode, for operation: @autoclosure () -> String,
  _ body: (_ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int) -> Void
) -> Tensor {
  if !x.isContiguous { return mapEntries(of: x.contiguous, for: operation(), body) }
  let count = x.shape.product
  return .make(x.shape, count: count, x.scalarType, for: operation()) { y in x.withAddress { body($0, y, count) } }
}

/// An elementwise function of two inputs that the loops evaluate.
protocol BinaryElementwise: ElementwisePrimitive, BinaryLaneFunction {}

extension BinaryElementwise {
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  func evaluate(_ inputs: Inputs) -> Tensor {
    guard case .two(let a, let b) = inputs else { stop("takes two inputs", got: "\(inputs.count)") }
    let (x, y) = (a.array, b.array)
    let (shape, type) = (x.shape, x.scalarType)
    if shape != y.shape { stopAtShapes(inputs) }
    if x.storage == nil, y.storage == nil {
      let single = VectorMap.value(type, x.single, y.single, self)
      return Tensor(node: ArrayNode(shape: shape, scalarType: type, single: single))
    }
    return mapEntries(of: x, y, for: name) { p, q, target, count in
      if let count { return VectorMap.binary(type, p, q, target, count: count, self) }
      let (p, q) = ((p, x.explicitStrides), (q, y.explicitStrides))
      switch type {
      case .float64: StridedMap.binary(shape, p, q, into: target.assumingMemoryBound(to: Double.self), self)
      case .float32: StridedMap.binary(shape, p, q, into: target.assumingMemoryBound(to: Float.self), self)
      }
    }
  }
}

/// A tensor of the shape of `a` whose entries `body` computes from those of `a` and `b`; it gets their number if both are in
/// row-major order.
@inline(never)
private func mapEntries(
  of a: ArrayNode, _ b: ArrayNode, for operation: @autoclosure () -> String,
  _ body: (
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ flatCount: Int?
  ) -> Void
) -> Tensor {
  let count = a.shape.product
  return .make(a.shape, count: count, a.scalarType, for: operation()) { y in
    a.withAddress { p in b.withAddress { q in body(p, q, y, a.isContiguous && b.isContiguous ? count : nil) } }
  }
}
