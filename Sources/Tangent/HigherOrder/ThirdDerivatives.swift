import AutoDiff

/// How the gradients g of a model's examples change along each other: what the fourth kernels are made of.
struct GradientChange {
  /// T[i, j, k, l] = D³f(xᵢ)[g_j, g_k, g_l]: [n, n, n, n].
  let thirdDerivatives: Tensor
  /// ⟨U_ba, U_dc⟩ with U_ij = D²f(xᵢ) g_j: [n, n, n, n] by direction a, example b, direction c, example d.
  let products: Tensor

  /// K^(4)[i, j, k, l] = T[i, j, k, l] + ⟨U_ik, U_jl⟩ + ⟨U_ij, U_kl⟩ + the same with i and j exchanged: the derivative of
  /// D²f(xᵢ)[g_j, g_k] + D²f(x_j)[g_i, g_k] along g_l, where the gradients move by U.
  var fourthKernel: Tensor {
    let half = thirdDerivatives + products.permuted([1, 3, 0, 2]) + products.permuted([1, 0, 3, 2])
    return half + half.permuted([1, 0, 2, 3])
  }

  /// 𝒦^(4)[i, j, k, l] = T[i, j, k, l] + ⟨U_ik, U_jl⟩ + the same with i and j exchanged, where only the two gradients of the
  /// kernel move.
  var frozenFourthKernel: Tensor {
    let half = thirdDerivatives + products.permuted([1, 3, 0, 2])
    return half + half.permuted([1, 0, 2, 3])
  }
}

extension ModelRun {
  /// The change of the gradients along some directions, as many as there are examples, and the third derivatives.
  ///
  /// Along the recorded operations with outputs y = φ(x), cotangents ȳ, tangents ẋ_j along v_j and the derivatives ȳ_j of the
  /// cotangents along v_j,
  ///
  ///     D³f[v_j, v_k, v_l] = Σ_φ ⟨ȳ, D³φ[ẋ_j, ẋ_k, ẋ_l]⟩ + ⟨ȳ_j, D²φ[ẋ_k, ẋ_l]⟩ + ⟨ȳ_k, D²φ[ẋ_j, ẋ_l]⟩ + ⟨ȳ_l, D²φ[ẋ_j, ẋ_k]⟩:
  ///
  /// with first derivatives of values and of cotangents both known, no second ones are needed. So for n directions the model
  /// runs n times forward and backward, and not n² times.
  ///
  /// - Parameters:
  ///   - directions: one for each leaf of the parameters, of which `hidden` hides an axis.
  ///   - hidden: a batch of the directions, older than this run.
  /// - Returns: nil where ``secondDerivatives(along:hiddenBy:)`` is.
  /// - Source: the rule that derivatives of first order give energies up to the third is Wigner's; Griewank and Walther,
  ///   Evaluating Derivatives, SIAM 2008, chapter 13, has the forward derivatives.
  func gradientChange(along directions: [Tensor], hiddenBy hidden: Batch) -> GradientChange? {
    let axes = MovingAxes(hidden, examples)
    defer { axes.close() }
    // By entry, the derivatives of the cotangents along the directions.
    var changes: [Int: Tensor] = [:]
    var collector = GradientCollector(HiddenAxes(examples: axes.pairs, outputCount: 1))
    var half: Tensor?
    let isDone = visitBackward(along: directions) { step, index, cotangent in
      let change = changes.removeValue(forKey: index)
      for (argument, parent) in tape.entries[index].parents.enumerated() where parent >= 0 {
        if examples.follows(step.inputs[argument]) {
          let parts = [
            change.flatMap { step.gradient(argument, $0) },
            step.change(of: argument, cotangent, along: step.moving),
          ]
          for case let part? in parts { accumulate(&changes[Int(parent)], part) }
        } else {
          step.gradientParts(argument, cotangent, change, to: { collector.add($0, at: Int(parent)) }, axes)
        }
      }
      if let term = step.halfOfThirdDerivative(cotangent, change, axes) { accumulate(&half, term) }
    }
    guard isDone else { return nil }
    for index in tape.entries.indices.reversed() where index >= directions.count && collector.hasArrived(at: index) {
      collector.visit(tape.entries[index], at: index)
    }
    let thirds = half.map { half in
      [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]].map { half.permuted([0] + $0) }.sum!
    }
    let products = jacobian(collector, ofExamples: axes.pairs.size).gram(outputs: .traceSum)
    let shape = [hidden.size, exampleCount, hidden.size, exampleCount]
    return GradientChange(
      thirdDerivatives: thirds ?? .zeros(shape, as: outputs.scalarType), products: products.reshaped(to: shape))
  }
}

/// The axes of examples and of directions, hidden in several ways.
struct MovingAxes {
  /// The directions, older than the examples.
  let directions: Batch
  let examples: Batch
  /// The directions once more, newer than the examples: what is hidden here meets all directions of the other axis.
  let others: Batch
  /// All pairs of a direction and an example.
  let pairs: Batch

  init(_ directions: Batch, _ examples: Batch) {
    (self.directions, self.examples) = (directions, examples)
    others = Batch(size: directions.size)
    pairs = Batch(size: directions.size * examples.size)
  }

  func close() {
    others.close()
    pairs.close()
  }

  /// [directions, examples, shape...] of a value for one of each.
  func reveal(_ value: Tensor) -> Tensor { directions.reveal(examples.reveal(value)) }

  /// The same values with the directions hidden in the other axis.
  func exchanged(_ value: Tensor) -> Tensor { others.hide(examples.hide(reveal(value).movingAxis(0, to: 1))) }

  /// [pairs, shape...] of a value for one direction and one example.
  func paired(_ value: Tensor) -> Tensor { reveal(value).reshaped(to: [pairs.size] + value.shape) }

  /// ⟨ẋ_j, change_kl⟩ for every example: [examples, directions, directions, other directions].
  func products(_ tangent: Tensor, _ change: Tensor) -> Tensor {
    let (n, m, count) = (directions.size, examples.size, tangent.count)
    let changes = directions.reveal(examples.reveal(others.reveal(change))).reshaped(to: [n, m, n, count])
    return contract(
      reveal(tangent).reshaped(to: [n, m, count]), changes, batch: ([1], [1]), summed: ([2], [3]))
  }
}

extension MovingOperation {
  /// A number h_jkl of which the sum over all six orders of j, k and l is this operation's part of the third derivative;
  /// nil where that is zero.
  ///
  /// - Parameter change: the derivatives of the cotangent, if it has any.
  fileprivate func halfOfThirdDerivative(_ cotangent: Tensor, _ change: Tensor?, _ axes: MovingAxes) -> Tensor? {
    switch dependence {
    case .linear: return nil
    case .bilinear:
      // ⟨ȳ_l, φ(ẇ_k, ẋ_j)⟩.
      return change.flatMap { self.change(of: own[0], axes.exchanged($0), along: shared) }
        .map { axes.products(tangents[own[0]]!, $0) }
    case .nonlinear:
      // ½ (⟨ȳ, D³φ[ẋ_j, ẋ_k, ẋ_l]⟩ / 3 + ⟨ȳ_l, D²φ[ẋ_j, ẋ_k]⟩), both at once.
      let others = moving.map { axes.exchanged(tangents[$0]!) / 3 }
      let otherOutput = operation.residuals.contains(.output) ? axes.exchanged(outputTangent!) / 3 : nil
      let otherChange = change.map(axes.exchanged)
      return moving.map { argument in
        axes.products(
          tangents[argument]! / 2, changeOfChange(of: argument, cotangent, along: others, otherOutput, otherChange))
      }.sum
    }
  }

  /// The derivatives of the gradient with respect to an input that is the same for all examples, of all pairs.
  fileprivate func gradientParts(
    _ argument: Int, _ cotangent: Tensor, _ change: Tensor?, to add: (ParameterGradient) -> Void, _ axes: MovingAxes
  ) {
    func addDense(_ part: Tensor?) {
      guard let part else { return }
      var gradient = ParameterGradient()
      gradient.add(dense: axes.paired(part).expanded(at: 1))
      add(gradient)
    }
    func addPart(_ inputs: Inputs, _ cotangent: Tensor) {
      guard let products = operation.outerProducts(inputs, output: output, cotangent: cotangent, argument: argument)
      else { return addDense(operation.vjp(inputs, output: output, cotangent: cotangent, argument: argument)) }
      var gradient = ParameterGradient()
      gradient.add(GradientFactors(products, left: axes.paired) { axes.paired($0).expanded(at: 1) })
      add(gradient)
    }
    if let change { addPart(inputs, change) }
    switch dependence {
    case .linear: break
    case .bilinear: addPart(inputs.replacing(own, by: [tangents[own[0]]!]), cotangent)
    case .nonlinear: addDense(self.change(of: argument, cotangent, along: moving))
    }
  }
}
