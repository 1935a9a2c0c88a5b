/// Forward mode: every value carries its tangent.
///
/// The value itself is computed when somebody asks for it, as far as no rule needs it. In a Hessian-vector product, which
/// is the tangent of a gradient, nobody asks for the products that make up the gradient: an eighth of the work. Where a
/// tape follows the value, it is computed at once: later might be inside a checkpoint, which forgets it.
final class Forward: Trace, @unchecked Sendable {
  /// A value with a tangent.
  func dual(_ primal: Tensor, tangent: Tensor?) -> Tensor {
    guard let tangent else { return primal }
    return Tensor(node: ForwardNode(self, .computed(primal), tangent))
  }

  /// The value behind a tensor.
  func primal(of tensor: Tensor) -> Tensor { node(tensor, ForwardNode.self)?.primal ?? tensor }

  /// The tangent behind a tensor; that of a constant is nil.
  func tangent(of tensor: Tensor) -> Tensor? { node(tensor, ForwardNode.self)?.tangent }

  /// Whether a tape follows the value behind a tensor.
  private func isOnTape(_ tensor: Tensor) -> Bool {
    node(tensor, ForwardNode.self)?.isOnTape ?? (tensor.innermostTape != nil)
  }

  override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    let tangents = inputs.map { tangent(of: $0) }
    let depth = inputs.reduce(0) { max($0, node($1, ForwardNode.self)?.depth ?? 0) }
    if !primitive.residuals.contains(.output), depth < ForwardNode.mostDeferred, !inputs.contains(where: isOnTape) {
      // Rules that read no inputs still see their shapes.
      let known = primitive.residuals.contains(.inputs) ? inputs.map { primal(of: $0) } : inputs
      let output = Tensor.withheld(primitive.shape(of: inputs), primitive.scalarType(of: inputs))
      if let tangent = primitive.jvp(known, tangents, output: output) {
        return Tensor(node: ForwardNode(self, .deferred(primitive, inputs, depth: depth + 1), tangent))
      }
      return dispatch(primitive, inputs.map { primal(of: $0) })
    }
    let primals = inputs.map { primal(of: $0) }
    let output = dispatch(primitive, primals)
    return dual(output, tangent: primitive.jvp(primals, tangents, output: output))
  }

  /// Value and tangent at once: a deferred value would keep the memory that is to be written to.
  override func replaceSlice(_ primitive: ReplaceSlice, with piece: Tensor, in base: consuming Tensor) -> Tensor {
    let (oldValue, oldTangent) = (primal(of: base), tangent(of: base) ?? .zeros(base.shape, as: base.scalarType))
    _ = consume base
    let tangent = AutoDiff.replaceSlice(
      primitive, with: tangent(of: piece) ?? .zeros(piece.shape, as: piece.scalarType), in: consume oldTangent)
    return dual(
      AutoDiff.replaceSlice(primitive, with: primal(of: piece), in: consume oldValue), tangent: tangent)
  }
}

/// A value of ``Forward``.
final class ForwardNode: TracedNode, @unchecked Sendable {
  enum Value {
    case computed(Tensor)
    /// What to compute, and how many such steps in a row that takes.
    case deferred(any Primitive, Inputs, depth: Int)
  }

  /// Steps are computed recursively, so their number is limited.
  static let mostDeferred = 16

  let tangent: Tensor
  private var value: Value

  init(_ trace: Forward, _ value: Value, _ tangent: Tensor) {
    self.tangent = tangent
    self.value = value
    let node = tangent.node
    super.init(
      trace: trace, shape: node.shape, scalarType: node.scalarType, holdsMuchMemory: node.holdsMuchMemory)
  }

  override var primal: Tensor {
    switch value {
    case .computed(let tensor): return tensor
    case .deferred(let primitive, let inputs, _):
      let forward = unsafeDowncast(trace, to: Forward.self)
      let tensor = dispatch(primitive, inputs.map { forward.primal(of: $0) })
      value = .computed(tensor)
      return tensor
    }
  }

  override func replacingPrimal(_ replace: (Tensor) -> Tensor) -> Tensor {
    unsafeDowncast(trace, to: Forward.self).dual(replace(primal), tangent: replace(tangent))
  }

  /// Whether a tape follows the value. (Where it is deferred none does.)
  var isOnTape: Bool { if case .computed(let tensor) = value { tensor.innermostTape != nil } else { false } }

  /// How many steps in a row it takes to compute the value.
  var depth: Int { if case .deferred(_, _, let depth) = value { depth } else { 0 } }
}
