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
  /// The common shape of the inputs.
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

  @inline(never)
  private func stopAtShapes(_ inputs: Inputs) -> Never {
    stop("shapes must agree", got: inputs.map { "\($0.shape)" }.joined(separator: " and "))
  }

  /// Σ tangent · derivative.
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
  public func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(self, inputs.aligned(isBatched, size: size))
  }
}

extension Inputs {
  /// The operands with an example axis in front of each; the shared ones are repeated as a view.
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

  func evaluate(_ inputs: Inputs) -> Tensor {
    guard case .one(let x) = inputs else { stop("takes one input", got: "\(inputs.count)") }
    let node = x.array
    if node.storage == nil {
      let single = perType(
        node.scalarType, double: VectorMap.value(node.single, self),
        float: Double(VectorMap.value(Float(node.single), self)))
      return Tensor(node: ArrayNode(shape: node.shape, scalarType: node.scalarType, single: single))
    }
    return perType(node.scalarType, double: evaluate(node, Double.self), float: evaluate(node, Float.self))
  }

  private func evaluate<T: LoopScalar>(_ x: ArrayNode, _: T.Type) -> Tensor {
    let x = x.contiguous
    return make(x.shape, T.self) { y in
      x.withAddress(T.self) { VectorMap.unary($0, y, count: x.shape.product, self) }
    }
  }
}

/// An elementwise function of two inputs that the loops evaluate.
protocol BinaryElementwise: ElementwisePrimitive, BinaryLaneFunction {}

extension BinaryElementwise {
  func evaluate(_ inputs: Inputs) -> Tensor {
    guard case .two(let a, let b) = inputs else { stop("takes two inputs", got: "\(inputs.count)") }
    let shape = shape(of: inputs)
    let (x, y) = (a.array, b.array)
    if x.storage == nil, y.storage == nil {
      let single = perType(
        x.scalarType, double: VectorMap.value(x.single, y.single, self),
        float: Double(VectorMap.value(Float(x.single), Float(y.single), self)))
      return Tensor(node: ArrayNode(shape: shape, scalarType: x.scalarType, single: single))
    }
    return perType(x.scalarType, double: evaluate(shape, x, y, Double.self), float: evaluate(shape, x, y, Float.self))
  }

  private func evaluate<T: LoopScalar>(_ shape: [Int], _ a: ArrayNode, _ b: ArrayNode, _: T.Type) -> Tensor {
    make(shape, T.self) { y in
      a.withAddress(T.self) { p in
        b.withAddress(T.self) { q in
          if a.strides == nil, b.strides == nil {
            VectorMap.binary(p, q, y, count: shape.product, self)
          } else {
            StridedMap.binary(
              StridedView(base: p, shape: shape, strides: a.explicitStrides),
              StridedView(base: q, shape: shape, strides: b.explicitStrides), into: y, self)
          }
        }
      }
    }
  }
}
