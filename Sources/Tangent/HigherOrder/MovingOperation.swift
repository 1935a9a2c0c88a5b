import AutoDiff

/// An operation of a model's run, with the tangents of what it meets: what second and third derivatives are made of.
struct MovingOperation {
  let operation: any Primitive
  let inputs: Inputs
  let output: Tensor
  /// By input, its tangents along all directions; nil for what does not move.
  let tangents: [Tensor?]
  let outputTangent: Tensor?
  /// Which of the inputs move and differ between examples.
  let own: [Int]
  /// Which of the inputs move and are the same for all examples.
  let shared: [Int]

  /// How the output depends on what moves.
  enum Dependence {
    case linear
    /// The product of a value of the example and of one that all examples share.
    case bilinear
    case nonlinear
  }

  /// All inputs that move.
  var moving: [Int] { own + shared }

  var dependence: Dependence {
    if operation.residuals.isEmpty || outputTangent == nil { return .linear }
    if operation is any IndexedLinearPrimitive, moving == [0] { return .linear }
    guard operation is any BilinearPrimitive else { return .nonlinear }
    if moving.count == 1 { return .linear }
    return shared.count == 1 ? .bilinear : .nonlinear
  }

  /// The gradient of ⟨cotangent, output⟩ with respect to an input; nil where it is zero.
  func gradient(_ argument: Int, _ cotangent: Tensor) -> Tensor? {
    operation.vjp(inputs, output: output, cotangent: cotangent, argument: argument)
  }

  /// The derivative of that gradient along the tangents of some inputs, and of the output where it is read, while the
  /// cotangent is held; nil where it is zero.
  func change(of argument: Int, _ cotangent: Tensor, along moving: [Int]) -> Tensor? {
    change(of: argument, cotangent, along: moving, inputs, output, outputTangent)
  }

  private func change(
    of argument: Int, _ cotangent: Tensor, along moving: [Int], _ inputs: Inputs, _ output: Tensor,
    _ outputTangent: Tensor?
  ) -> Tensor? {
    let moving = operation.residuals.contains(.inputs) ? moving : []
    let movesOutput = operation.residuals.contains(.output) && outputTangent != nil
    guard !moving.isEmpty || movesOutput else { return nil }
    var isZero = false
    let change = directionalDerivative(
      of: { (values: [Tensor]) -> Tensor in
        let gradient = operation.vjp(
          inputs.replacing(moving, by: values), output: movesOutput ? values[moving.count] : output,
          cotangent: cotangent, argument: argument)
        isZero = gradient == nil
        return gradient ?? .zeros(like: inputs[argument])
      }, at: moving.map { inputs[$0] } + (movesOutput ? [output] : []),
      along: moving.map { tangents[$0]! } + (movesOutput ? [outputTangent!] : []))
    return isZero ? nil : change
  }

  /// The derivative of the change along all tangents, when inputs, output and cotangent move: the inputs by other tangents
  /// of theirs, each in the same place as in ``moving``.
  func changeOfChange(
    of argument: Int, _ cotangent: Tensor, along second: [Tensor], _ outputTangent: Tensor?,
    _ cotangentTangent: Tensor?
  ) -> Tensor {
    let readsInputs = operation.residuals.contains(.inputs)
    let moving = readsInputs ? self.moving : []
    let movesOutput = operation.residuals.contains(.output) && outputTangent != nil
    return directionalDerivative(
      of: { (values: [Tensor]) -> Tensor in
        let inputs = inputs.replacing(moving, by: values)
        let output = movesOutput ? values[moving.count] : output
        // The output's tangent moves with what it is made of.
        let first = movesOutput ? operation.jvp(inputs, ShortList(tangents), output: output) : nil
        return change(of: argument, values.last!, along: self.moving, inputs, output, first)
          ?? .zeros(like: inputs[argument])
      }, at: moving.map { inputs[$0] } + (movesOutput ? [output] : []) + [cotangent],
      along: (readsInputs ? second : []) + (movesOutput ? [outputTangent!] : [])
        + [cotangentTangent ?? .zeros(like: cotangent)])
  }
}

extension Inputs {
  /// The same with others in some places.
  func replacing(_ places: [Int], by values: [Tensor]) -> Inputs {
    if places.isEmpty { return self }
    var all = Array(self)
    for (k, place) in places.enumerated() { all[place] = values[k] }
    return Inputs(all)
  }
}
