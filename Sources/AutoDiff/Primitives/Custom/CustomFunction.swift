/// The rules of a function with derivatives by hand, on lists of tensors. At least one of `jvp` and `vjp` is there.
struct CustomRules: Sendable {
  /// Set where examples are run one by one, because `forward` reads numbers: the outputs' shapes by those of the inputs.
  var shapesApart: (@Sendable (_ inputs: [[Int]]) -> [[Int]])?
  /// inputs ↦ outputs and residuals.
  let forward: @Sendable (_ inputs: [Tensor]) -> (outputs: [Tensor], residuals: [Tensor])
  /// inputs, residuals, tangents, outputs ↦ the outputs' tangents.
  let jvp: Rule?
  /// inputs, residuals, outputs, cotangents ↦ the inputs' cotangents.
  let vjp: Rule?
  /// Why a run has marked its outputs with not-a-number, if one has.
  var failure: (@Sendable () -> (any Error)?)?

  typealias Rule = @Sendable ([Tensor], [Tensor], [Tensor], [Tensor]) -> [Tensor]
}

/// A function with derivatives by hand as a primitive; see ``withDerivative(of:name:jvp:vjp:)``.
///
/// An instance belongs to one call. A primitive has one output, so several are packed as one vector; their shapes, and the
/// residuals, are known when the function has been run.
struct CustomFunction: CheckedPrimitive {
  let name: String
  let rules: CustomRules
  private let run = Locked(Run())

  /// What a run leaves behind: the outputs' shapes, for one example, and the residuals.
  private struct Run {
    var shapes: [[Int]] = []
    var hasResiduals = false
    var residuals: [Tensor] = []
  }

  init(name: String, rules: CustomRules) {
    self.name = name
    self.rules = rules
  }

  /// Known only by a run, unless the rules tell. (Calls of the function are dispatched without asking.)
  func shape(of inputs: Inputs) -> [Int] {
    let x = Array(inputs)
    let shapes = rules.shapesApart.map { $0(x.map(\.shape)) } ?? rules.forward(x).outputs.map(\.shape)
    run.value.shapes = shapes
    return shapes.count == 1 ? shapes[0] : [shapes.map(\.product).reduce(0, +)]
  }

  /// The function is made of tensor operations, unless it reads numbers.
  var isTransparent: Bool { rules.shapesApart == nil }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (outputs, residuals) = rules.forward(Array(inputs))
    let level = inputs.reduce(0) { max($0, $1.node.level) }
    guard !(outputs + residuals).contains(where: { $0.node.level > level }) else {
      stop("the function must not capture a value that a transform follows", hint: "Pass it as an input.")
    }
    run.value = Run(shapes: outputs.map(\.shape), hasResiduals: !residuals.isEmpty, residuals: residuals)
    return pack(outputs)
  }

  /// Other runs may have failed, of which this output knows nothing.
  func check(_ output: Tensor, of inputs: Inputs) throws {
    if let failure = rules.failure?(), output.scalars.contains(where: \.isNaN) { throw failure }
  }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    let x = Array(inputs)
    let directions = x.indices.map { tangents[$0] ?? .zeros(like: x[$0]) }
    let (kept, outputs) = (residuals(x), unpacked(output))
    if let rule = rules.jvp {
      return pack(checked(rule(x, kept, directions, outputs), like: outputs, "tangent", "output"))
    }
    // The pullback is linear in the cotangent; its transpose is the gradient of ⟨pullback, direction⟩.
    let moved = gradient(
      of: { (cotangents: [Tensor]) in
        pulledBack(x, kept, outputs, cotangents).innerProduct(directions)
      }, at: outputs.map { .zeros(like: $0) })
    return pack(moved)
  }

  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    cotangents(inputs, output: output, cotangent: cotangent, wanted: ShortList(inputs.map { _ in true }))![argument]
  }

  func cotangents(
    _ inputs: Inputs, output: Tensor, cotangent: Tensor, wanted: ShortList<Bool>
  ) -> [Tensor?]? {
    let x = Array(inputs)
    let (kept, outputs) = (residuals(x), unpacked(output))
    let cotangents = unpacked(cotangent)
    if rules.vjp != nil { return pulledBack(x, kept, outputs, cotangents) }
    return gradient(
      of: { (directions: [Tensor]) in
        checked(rules.jvp!(x, kept, directions, outputs), like: outputs, "tangent", "output").innerProduct(cotangents)
      }, at: x.map { .zeros(like: $0) })
  }

  private func pulledBack(_ x: [Tensor], _ kept: [Tensor], _ outputs: [Tensor], _ cotangents: [Tensor]) -> [Tensor] {
    checked(rules.vjp!(x, kept, outputs, cotangents), like: x, "cotangent", "input")
  }

  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    // The batched function with the batched rules is one primitive at the level below.
    let flags = Array(isBatched)
    let (rules, run) = (rules, run)
    /// The outputs' shapes of one example, by the inputs' shapes of all.
    let exampleShapes = rules.shapesApart.map { shapesApart -> @Sendable ([[Int]]) -> [[Int]] in
      { shapes in shapesApart(zip(shapes, flags).map { $1 ? Array($0.dropFirst()) : $0 }) }
    }
    @Sendable func all(_ tensors: [Tensor]) -> [Bool] { tensors.map { _ in true } }
    @Sendable func forward(_ x: [Tensor]) -> (outputs: [Tensor], residuals: [Tensor]) {
      func single(_ x: [Tensor]) -> [[Tensor]] {
        let (outputs, residuals) = rules.forward(x)
        run.value = Run(shapes: outputs.map(\.shape), hasResiduals: !residuals.isEmpty)
        return [outputs, residuals]
      }
      guard let exampleShapes else {
        let results = mapExamples([x], [flags], size) { single($0[0]) }
        return (results[0], results[1])
      }
      if size == 0 {
        let shapes = exampleShapes(x.map(\.shape))
        run.value = Run(shapes: shapes)
        return (shapes.indices.map { .zeros([0] + shapes[$0], as: x[$0].scalarType) }, [])
      }
      let results = runExamples(x, flags, size, single)
      return (results[0], results[1])
    }
    let jvp = rules.jvp.map { rule -> CustomRules.Rule in
      { x, kept, tangents, y in
        mapExamples([x, kept, tangents, y], [flags, all(kept), flags, all(y)], size) {
          [rule($0[0], $0[1], $0[2], $0[3])]
        }[0]
      }
    }
    let vjp = rules.vjp.map { rule -> CustomRules.Rule in
      { x, kept, y, cotangents in
        let parts = mapExamples([x, kept, y, cotangents], [flags, all(kept), all(y), all(y)], size) {
          [rule($0[0], $0[1], $0[2], $0[3])]
        }[0]
        // A shared input collects the cotangents of all examples.
        return zip(parts, flags).map { $1 ? $0 : $0.sum(axes: [0]) }
      }
    }
    let shapesApart = exampleShapes.map { shapes -> @Sendable ([[Int]]) -> [[Int]] in
      { inputs in shapes(inputs).map { [size] + $0 } }
    }
    let batched = CustomRules(
      shapesApart: shapesApart, forward: forward, jvp: jvp, vjp: vjp, failure: rules.failure)
    // A recording does not run it.
    if let exampleShapes { run.value.shapes = exampleShapes(inputs.map(\.shape)) }
    let function = CustomFunction(name: name, rules: batched)
    let outputs = function.unpacked(dispatch(function, inputs))
    if outputs.count == 1 { return outputs[0] }
    return concatenate(
      zip(outputs, run.value.shapes).map { $0.reshaped(to: [size, $1.product]) }, axis: 1)
  }

  // MARK: Parts

  /// The residuals of the run, or where the rule itself is followed by a transform, those of another run that is followed.
  private func residuals(_ x: [Tensor]) -> [Tensor] {
    let run = run.value
    guard run.hasResiduals, x.contains(where: \.isTraced) else { return run.residuals }
    return rules.forward(x).residuals
  }

  /// One tensor that holds all outputs.
  private func pack(_ outputs: [Tensor]) -> Tensor {
    guard let first = outputs.first else { stop("the function must return a tensor", got: "an empty tree") }
    if outputs.count == 1 { return first }
    if outputs.contains(where: { $0.scalarType != first.scalarType }) {
      stop("all outputs must have one scalar type", got: outputs.map(\.scalarType.rawValue).joined(separator: ", "))
    }
    return concatenate(outputs.map(\.flattened))
  }

  /// The outputs that a tensor holds.
  func unpacked(_ packed: Tensor) -> [Tensor] {
    let shapes = run.value.shapes
    if shapes.count == 1 { return [packed] }
    var start = 0
    return shapes.map { shape in
      defer { start += shape.product }
      return packed[start..<start + shape.product].reshaped(to: shape)
    }
  }

  private func checked(_ parts: [Tensor], like models: [Tensor], _ name: String, _ model: String) -> [Tensor] {
    guard parts.count == models.count else {
      stop("a rule must return a \(name) for every \(model)", got: "\(parts.count) for \(models.count)")
    }
    for k in parts.indices { check(parts[k], like: models[k], number: k, name, model) }
    return parts
  }

  @inline(never)
  private func check(_ part: Tensor, like model: Tensor, number: Int, _ name: String, _ modelName: String) {
    // One stop for both: of two in this function the optimizer of Swift 6.3.1 drops the second.
    var fault: (property: String, values: String)?
    if part.scalarType != model.scalarType {
      fault = ("scalar type", "\(part.scalarType.rawValue) for \(model.scalarType.rawValue)")
    }
    if part.shape != model.shape {
      fault = ("shape", "\(part.shape) for number \(number) of shape \(model.shape)")
    }
    if let fault { stop("a \(name) must have the \(fault.property) of its \(modelName)", got: fault.values) }
  }
}

/// Runs `f` on every example; inputs without a flag are shared.
private func mapExamples(
  _ inputs: [[Tensor]], _ isBatched: [[Bool]], _ size: Int, _ f: ([[Tensor]]) -> [[Tensor]]
) -> [[Tensor]] {
  let trace = Batch(size: size)
  defer { trace.close() }
  let hidden = zip(inputs, isBatched).map { zip($0, $1).map { $1 ? trace.hide($0) : $0 } }
  return f(hidden).map { $0.map { trace.reveal($0) } }
}

/// Runs `f` on the examples one by one and joins what it returns.
private func runExamples(
  _ inputs: [Tensor], _ isBatched: [Bool], _ size: Int, _ f: ([Tensor]) -> [[Tensor]]
) -> [[Tensor]] {
  let results = (0..<size).map { k in f(zip(inputs, isBatched).map { $1 ? $0[k] : $0 }) }
  return results[0].indices.map { part in
    results[0][part].indices.map { leaf in stack(results.map { $0[part][leaf] }) }
  }
}
