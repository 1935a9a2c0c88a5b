import AutoDiff

extension ModelRun {
  /// The second derivatives of the output along all pairs of some directions, D²f(xᵢ)[v_j, v_k]: [examples, directions,
  /// directions].
  ///
  /// Along the recorded operations with outputs y = φ(x), cotangents ȳ = ∂f/∂y and tangents ẋ_j along v_j,
  ///
  ///     D²f[v_j, v_k] = Σ_φ ⟨ȳ, D²φ[ẋ_j, ẋ_k]⟩.
  ///
  /// So tangents are carried forward once for every direction, and cotangents backward once for all; the cotangents of n
  /// directions, half of the work of n Hessian-vector products, are not needed.
  ///
  /// - Parameters:
  ///   - directions: one for each leaf of the parameters, of which `hidden` hides an axis.
  ///   - hidden: a batch of the directions, older than this run.
  /// - Returns: nil where a parameter's nonlinear function would get a cotangent for every example, of itself or of what
  ///   is made of it.
  func secondDerivatives(along directions: [Tensor], hiddenBy hidden: Batch) -> Tensor? {
    var sum: Tensor?
    let isDone = visitBackward(along: directions) { step, _, cotangent in
      if let term = curvature(of: step, cotangent, hidden) { accumulate(&sum, term) }
    }
    guard isDone else { return nil }
    return sum ?? .zeros([exampleCount, hidden.size, hidden.size], as: outputs.scalarType)
  }

  /// Calls a function with the operations that examples pass, from the output back, their places on the tape and the
  /// cotangents of their outputs. False, without a call, where ``secondDerivatives(along:hiddenBy:)`` is nil.
  func visitBackward(
    along directions: [Tensor], _ visit: (MovingOperation, _ index: Int, _ cotangent: Tensor) -> Void
  ) -> Bool {
    guard outputCount == 1 else { return false }
    guard let index = tape.index(of: output), exampleCount > 0 else { return true }
    examples.reopen()
    defer { examples.close() }
    guard let tangents = tangents(along: directions, to: index), examples.follows(tape.entries[index].output) else {
      return false
    }
    var cotangents = [Tensor?](repeating: nil, count: index + 1)
    cotangents[index] = .ones(like: output)
    for k in (directions.count...max(index, directions.count)).reversed() where k <= index {
      let entry = tape.entries[k]
      guard let cotangent = cotangents[k].take(), let operation = entry.operation else { continue }
      let moving = entry.parents.map { $0 >= 0 ? tangents[Int($0)] : nil }
      let places = moving.indices.filter { moving[$0] != nil }
      let step = MovingOperation(
        operation: operation, inputs: entry.inputs, output: entry.output, tangents: Array(moving),
        outputTangent: tangents[k], own: places.filter { examples.follows(entry.inputs[$0]) },
        shared: places.filter { !examples.follows(entry.inputs[$0]) })
      for (argument, parent) in entry.parents.enumerated()
      where parent >= 0 && examples.follows(entry.inputs[argument]) {
        if let part = step.gradient(argument, cotangent) { accumulate(&cotangents[Int(parent)], part) }
      }
      visit(step, k, cotangent)
    }
    return true
  }

  /// The tangents of all recorded values up to one; nil where the sum over operations could not be formed.
  private func tangents(along directions: [Tensor], to last: Int) -> [Tensor?]? {
    var tangents: [Tensor?] = directions
    for k in directions.count..<max(directions.count, last + 1) {
      let entry = tape.entries[k]
      // A part that is run again where it is needed.
      guard let operation = entry.operation else { return nil }
      let moving = entry.parents.map { $0 >= 0 ? tangents[Int($0)] : nil }
      guard moving.contains(where: { $0 != nil }) else {
        tangents.append(nil)
        continue
      }
      if !canBeTaken(operation, entry, moving) { return nil }
      tangents.append(operation.jvp(entry.inputs, moving, output: entry.output))
    }
    return tangents
  }

  /// Whether an operation's part of the sum can be formed: what it shares between examples must not move, or it must be
  /// linear in that, or there are no more entries of it than of the output.
  private func canBeTaken(_ operation: any Primitive, _ entry: Tape.Entry, _ moving: Tangents) -> Bool {
    let shared = moving.indices.filter { moving[$0] != nil && !examples.follows(entry.inputs[$0]) }
    if shared.isEmpty || operation.residuals.isEmpty { return true }
    if operation is any IndexedLinearPrimitive, shared == [0] { return true }
    guard examples.follows(entry.output) else { return false }
    return operation is any BilinearPrimitive || shared.allSatisfy { entry.inputs[$0].count <= entry.output.count }
  }

  /// ⟨ȳ, D²φ[ẋ_j, ẋ_k]⟩ of one operation: the derivative of its vjp rule along ẋ_k, times ẋ_j. Nil where it is zero.
  private func curvature(of step: MovingOperation, _ cotangent: Tensor, _ hidden: Batch) -> Tensor? {
    switch step.dependence {
    case .linear: nil
    case .bilinear:
      // φ(ẇ_k, ẋ_j) + φ(ẇ_j, ẋ_k), without a gradient with respect to w.
      step.change(of: step.own[0], cotangent, along: step.shared).map { change in
        let half = products(change, step.tangents[step.own[0]]!, hidden)
        return half + half.permuted([0, 2, 1])
      }
    case .nonlinear:
      step.moving.compactMap { argument in
        step.change(of: argument, cotangent, along: step.moving).map { products($0, step.tangents[argument]!, hidden) }
      }.sum
    }
  }

  /// The inner products of values for all pairs of directions, example by example.
  private func products(_ a: Tensor, _ b: Tensor, _ hidden: Batch) -> Tensor {
    func all(_ value: Tensor) -> Tensor {
      let all = hidden.reveal(examples.reveal(value))
      return all.reshaped(to: [hidden.size, exampleCount, value.count])
    }
    return matmul(all(b).permuted([1, 0, 2]), all(a).permuted([1, 2, 0]))
  }
}
