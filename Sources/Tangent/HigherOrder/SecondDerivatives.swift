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
  /// - Returns: nil where an operation is met of which it is not known that it is linear in parameters that it meets
  ///   together with examples, or where a parameter's nonlinear function would get a cotangent for every example.
  func secondDerivatives(along directions: [Tensor], hiddenBy hidden: Batch) -> Tensor? {
    guard outputCount == 1 else { return nil }
    let zeros = Tensor.zeros([exampleCount, hidden.size, hidden.size], as: outputs.scalarType)
    guard let index = tape.index(of: output), exampleCount > 0, hidden.size > 0 else { return zeros }
    examples.reopen()
    defer { examples.close() }
    guard let tangents = tangents(along: directions, to: index), examples.follows(tape.entries[index].output) else {
      return nil
    }
    var cotangents = [Tensor?](repeating: nil, count: index + 1)
    cotangents[index] = .ones(like: output)
    var sum: Tensor?
    for k in (directions.count...max(index, directions.count)).reversed() where k <= index {
      let entry = tape.entries[k]
      guard let cotangent = cotangents[k].take(), let operation = entry.operation else { continue }
      for (argument, parent) in entry.parents.enumerated()
      where parent >= 0 && examples.follows(entry.inputs[argument]) {
        guard
          let part = operation.vjp(entry.inputs, output: entry.output, cotangent: cotangent, argument: argument)
        else { continue }
        accumulate(&cotangents[Int(parent)], part)
      }
      if let term = curvature(of: operation, entry, cotangent, tangents, at: k, hidden) { accumulate(&sum, term) }
    }
    return sum ?? zeros
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
      if !operation.residuals.isEmpty, !(operation is any BilinearPrimitive) || !examples.follows(entry.output) {
        let meetsParameters = moving.indices.contains { moving[$0] != nil && !examples.follows(entry.inputs[$0]) }
        if meetsParameters { return nil }
      }
      tangents.append(operation.jvp(entry.inputs, moving, output: entry.output))
    }
    return tangents
  }

  /// ⟨ȳ, D²φ[ẋ_j, ẋ_k]⟩ of one operation: the derivative of its vjp rule along ẋ_k, times ẋ_j. Nil where it is zero.
  private func curvature(
    of operation: any Primitive, _ entry: Tape.Entry, _ cotangent: Tensor, _ tangents: [Tensor?], at index: Int,
    _ hidden: Batch
  ) -> Tensor? {
    guard !operation.residuals.isEmpty, let outputTangent = tangents[index] else { return nil }
    let moving = entry.parents.indices.filter { entry.parents[$0] >= 0 && tangents[Int(entry.parents[$0])] != nil }
    func tangent(_ argument: Int) -> Tensor { tangents[Int(entry.parents[argument])]! }
    /// The derivative of the gradient with respect to one input, where some inputs move, and the output where it is read.
    func change(_ argument: Int, along moving: [Int], _ outputTangent: Tensor?) -> Tensor? {
      let inputs = operation.residuals.contains(.inputs) ? moving : []
      let movesOutput = operation.residuals.contains(.output) && outputTangent != nil
      guard !inputs.isEmpty || movesOutput else { return nil }
      var isZero = false
      let change = directionalDerivative(
        of: { (values: [Tensor]) -> Tensor in
          var all = Array(entry.inputs)
          for (k, input) in inputs.enumerated() { all[input] = values[k] }
          let gradient = operation.vjp(
            Inputs(all), output: movesOutput ? values[inputs.count] : entry.output, cotangent: cotangent,
            argument: argument)
          isZero = gradient == nil
          return gradient ?? .zeros(like: entry.inputs[argument])
        }, at: inputs.map { entry.inputs[$0] } + (movesOutput ? [entry.output] : []),
        along: inputs.map(tangent) + (movesOutput ? [outputTangent!] : []))
      return isZero ? nil : change
    }

    let (own, parameters) = (
      moving.filter { examples.follows(entry.inputs[$0]) }, moving.filter { !examples.follows(entry.inputs[$0]) }
    )
    if parameters.isEmpty {
      return own.compactMap { argument in
        change(argument, along: own, outputTangent).map { products($0, tangent(argument), hidden) }
      }.sum
    }
    // A bilinear map of a parameter and a value of the example: D²φ[ẋ_j, ẋ_k] = φ(ẇ_k, ẋ_j) + φ(ẇ_j, ẋ_k).
    guard let argument = own.first else { return nil }
    return change(argument, along: parameters, nil).map { change in
      let half = products(change, tangent(argument), hidden)
      return half + half.permuted([0, 2, 1])
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
