/// A primitive that maps entries to entries: every output entry depends on the input entries at the same place.
///
/// The Jacobian is diagonal, hence its own transpose: one rule serves both modes. Inputs have equal shapes;
/// operators broadcast before they bind.
public protocol ElementwisePrimitive: Primitive {
  /// `v` · ∂output/∂inputs[argument], entry by entry; nil where that is zero everywhere.
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor?
}

extension ElementwisePrimitive {
  /// The common shape of the inputs.
  public func shape(of inputs: Inputs) -> [Int] {
    guard let shape = inputs.commonShape else { stopAtShapes(Erased(self), inputs) }
    return shape
  }

  /// Σ tangent · derivative.
  public func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    sumOfDerivatives(Erased(self), inputs, tangents, output)
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

/// Σ tangent · derivative of any elementwise primitive.
@inline(never)
private func sumOfDerivatives(
  _ erased: Erased<any ElementwisePrimitive>, _ inputs: Inputs, _ tangents: Tangents, _ output: Tensor
) -> Tensor? {
  var sum: Tensor?
  for argument in 0..<tangents.count {
    if let tangent = tangents[argument],
      let part = erased.value.timesDerivative(tangent, argument, inputs, output)
    {
      accumulate(&sum, part)
    }
  }
  return sum
}

/// Stops, naming the primitive, because its inputs differ in shape.
@inline(never)
private func stopAtShapes(_ erased: Erased<any ElementwisePrimitive>, _ inputs: Inputs) -> Never {
  erased.value.stop("shapes must agree", got: inputs.map { "\($0.shape)" }.joined(separator: " and "))
}

/// Stops, naming the primitive, because it takes another number of inputs.
@inline(never)
private func stopAtCount(_ erased: Erased<any Primitive>, _ count: String, _ inputs: Inputs) -> Never {
  erased.value.stop("takes \(count)", got: "\(inputs.count)")
}

extension Inputs {
  /// The shape that all of them have, or nil where they differ.
  fileprivate var commonShape: [Int]? {
    switch self {
    case .one(let a): a.node.shape
    case .two(let a, let b): a.node.shape == b.node.shape ? a.node.shape : nil
    case .many(let all): all.allSatisfy { $0.shape == all[0].shape } ? all[0].shape : nil
    }
  }

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

  func evaluate(_ inputs: Inputs) -> Tensor {
    guard case .one(let x) = inputs else { stopAtCount(Erased(self), "one input", inputs) }
    return evaluateUnary(Erased(self), x.array)
  }
}

@inline(never)
private func evaluateUnary(_ erased: Erased<any UnaryLaneFunction>, _ node: ArrayNode) -> Tensor {
  if node.storage == nil {
    let single =
      node.scalarType == .float64
      ? VectorMap.value(node.single, erased.value) : Double(VectorMap.value(Float(node.single), erased.value))
    return Tensor(node: ArrayNode(shape: node.shape, scalarType: node.scalarType, single: single))
  }
  func run<T: LoopScalar>(_: T.Type) -> Tensor {
    let x = node.contiguous
    return .make(x.shape, T.self) { y in
      x.withAddress(T.self) { VectorMap.unary($0, y, count: x.shape.product, erased.value) }
    }
  }
  return node.scalarType == .float64 ? run(Double.self) : run(Float.self)
}

/// An elementwise function of two inputs that the loops evaluate.
protocol BinaryElementwise: ElementwisePrimitive, BinaryLaneFunction {}

extension BinaryElementwise {
  func evaluate(_ inputs: Inputs) -> Tensor {
    guard case .two(let a, let b) = inputs else { stopAtCount(Erased(self), "two inputs", inputs) }
    if a.node.shape != b.node.shape { stopAtShapes(Erased(self), inputs) }
    return evaluateBinary(Erased(self), a.array, b.array)
  }
}

@inline(never)
private func evaluateBinary(_ erased: Erased<any BinaryLaneFunction>, _ x: ArrayNode, _ y: ArrayNode) -> Tensor {
  let shape = x.shape
  if x.storage == nil, y.storage == nil {
    let single =
      x.scalarType == .float64
      ? VectorMap.value(x.single, y.single, erased.value)
      : Double(VectorMap.value(Float(x.single), Float(y.single), erased.value))
    return Tensor(node: ArrayNode(shape: shape, scalarType: x.scalarType, single: single))
  }
  func run<T: LoopScalar>(_: T.Type) -> Tensor {
    .make(shape, T.self) { target in
      x.withAddress(T.self) { p in
        y.withAddress(T.self) { q in
          if x.strides == nil, y.strides == nil {
            VectorMap.binary(p, q, target, count: shape.product, erased.value)
          } else {
            StridedMap.binary(
              StridedView(base: p, shape: shape, strides: x.explicitStrides),
              StridedView(base: q, shape: shape, strides: y.explicitStrides), into: target, erased.value)
          }
        }
      }
    }
  }
  return x.scalarType == .float64 ? run(Double.self) : run(Float.self)
}
