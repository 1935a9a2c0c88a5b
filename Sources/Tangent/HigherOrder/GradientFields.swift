import AutoDiff

/// A model with one output and its gradients on the examples as directions that move with the parameters.
///
/// With L_b φ the derivative of φ(p) along ∇f(x_b, p) and K^(1) = f, K^(r)(x, x_b₁ … x_bᵣ₋₁) = L_bᵣ₋₁ … L_b₁ f(x): every
/// kernel, contraction and rate of the hierarchy is made of such derivatives.
struct GradientFields<Example: TensorTree, P: TensorTree> {
  let f: (Example, P) -> Tensor
  /// What the directions belong to.
  let examples: Example
  /// The first argument, where that is not an example.
  let newPoints: Example?
  /// n, the number of examples, and the number of first arguments.
  let count: Int, firstCount: Int

  /// - Parameter operation: what the user called, for messages.
  init(_ operation: String, _ f: @escaping (Example, P) -> Tensor, on examples: Example, newPoints: Example?) {
    self.f = { x, p in
      let y = f(x, p)
      guard y.count == 1 else {
        stop(operation, "the model must have one output", got: "shape \(y.shape)", hint: "Choose one, or sum them.")
      }
      return y.reshaped(to: [])
    }
    self.examples = examples
    self.newPoints = newPoints
    count = exampleCount(of: examples, operation)
    firstCount = newPoints.map { exampleCount(of: $0, operation) } ?? count
  }

  /// The outputs on the first arguments: [m].
  func outputs(_ p: P) -> Tensor { vmap { (x: Example) in f(x, p) }(newPoints ?? examples) }

  /// The outputs on the examples: [n].
  func exampleOutputs(_ p: P) -> Tensor { vmap { (x: Example) in f(x, p) }(examples) }

  // MARK: Kernels

  /// K^(r) as a function of the parameters: [m, n, …, n] with r axes; K^(1) are the outputs.
  func kernel(_ r: Int) -> (P) -> Tensor { r == 1 ? outputs : kernel(whole(r)) }

  /// A part of K^(r) as a function of the parameters.
  ///
  /// - Parameter part: which first arguments, and which examples for each of the others; r ≥ 2 ranges.
  /// - Returns: a tensor of the extents of the ranges.
  func kernel(_ part: [Range<Int>]) -> (P) -> Tensor {
    let (first, second) = (firstArguments(part[0]), examples(part[1]))
    // Equal arguments cost half.
    let isSymmetric = newPoints == nil && part[0] == part[1]
    switch part.count {
    case 2:
      return { tangentKernel(of: f, at: $0, on: first, and: isSymmetric ? nil : second, outputs: .traceSum) }
    case 3 where isSymmetric:
      // d⟨gᵢ, gⱼ⟩ = ⟨dgᵢ, gⱼ⟩ + ⟨gᵢ, dgⱼ⟩, of which the second is the mirror image of the first.
      return { p in
        let half = curvature(part, p)
        return half + half.permuted([1, 0, 2])
      }
    default:
      let (lower, directions) = (kernel(part.dropLast()), examples(part[part.count - 1]))
      let isWhole = part.count == 4 && isSymmetric && Set(part).count == 1
      return { p in
        let jacobian = FactoredJacobian(of: f, at: p, on: directions)
        if isWhole, let change = gradientChange(on: first, at: p, along: jacobian) { return change.fourthKernel }
        return derivatives(of: lower, at: p, along: jacobian)
      }
    }
  }

  /// M[i; j, k] = ∂²f(xᵢ)[g_j, g_k], symmetric in j and k: [m, n, n].
  func curvature(_ p: P) -> Tensor { curvature(whole(3), p) }

  private func curvature(_ part: [Range<Int>], _ p: P) -> Tensor {
    let first = firstArguments(part[0])
    let directions = FactoredJacobian(of: f, at: p, on: examples(part[2]))
    if part[1] == part[2], let all = secondDerivatives(of: first, at: p, along: directions) { return all }
    let second = part[1] == part[2] ? directions : FactoredJacobian(of: f, at: p, on: examples(part[1]))
    return derivatives(
      of: { FactoredJacobian(of: f, at: $0, on: first).gram(with: second, outputs: .traceSum) }, at: p,
      along: directions)
  }

  /// All arguments of K^(r).
  func whole(_ r: Int) -> [Range<Int>] { [0..<firstCount] + [Range<Int>](repeating: 0..<count, count: r - 1) }

  private func firstArguments(_ range: Range<Int>) -> Example {
    range == 0..<firstCount ? newPoints ?? examples : (newPoints ?? examples).mapTensors { $0[range] }
  }

  private func examples(_ range: Range<Int>) -> Example {
    range == 0..<count ? examples : examples.mapTensors { $0[range] }
  }

  /// The derivatives of a function along all rows of a Jacobian of one output: [value shape..., n].
  ///
  /// Rows that are outer products stay so on the way through the function. Of others, which are formed, as many are taken
  /// at a time as fit into so many bytes, at least one.
  func derivatives(
    of function: (P) -> Tensor, at p: P, along jacobian: FactoredJacobian<P>, formedBytes: Int = mostFormedBytes
  ) -> Tensor {
    let n = jacobian.exampleCount
    guard n > 0 else {
      let value = function(p)
      return .zeros(value.shape + [0], as: value.scalarType)
    }
    let step = max(1, min(n, formedBytes / max(1, jacobian.bytesFormedAsDirection)))
    if step == n { return derivatives(of: function, at: p, alongAll: jacobian) }
    return concatenate(
      stride(from: 0, to: n, by: step).map { start in
        derivatives(of: function, at: p, alongAll: jacobian[examples: start..<min(start + step, n)])
      }, axis: -1)
  }

  private func derivatives(
    of function: (P) -> Tensor, at p: P, alongAll jacobian: FactoredJacobian<P>
  ) -> Tensor {
    jacobian.withDirections { directions, batch in
      let tangents = directionalDerivative(of: function, at: p, along: p.replacingLeaves(with: directions))
      return batch.reveal(tangents).movingAxis(0, to: -1)
    }
  }

  /// D²f(xᵢ)[g_j, g_k] for all pairs of rows of a Jacobian; nil where another way is needed.
  private func secondDerivatives(of points: Example, at p: P, along jacobian: FactoredJacobian<P>) -> Tensor? {
    withRun(on: points, at: p, along: jacobian) { $0.secondDerivatives(along: $1, hiddenBy: $2) }
  }

  /// How the gradients of all examples change along each other; nil where another way is needed.
  func gradientChange(on points: Example, at p: P, along jacobian: FactoredJacobian<P>) -> GradientChange? {
    withRun(on: points, at: p, along: jacobian) { $0.gradientChange(along: $1, hiddenBy: $2) }
  }

  /// A run of the model, and all rows of a Jacobian as directions; nil where these would take too much memory at once.
  private func withRun<Result>(
    on points: Example, at p: P, along jacobian: FactoredJacobian<P>,
    _ body: (ModelRun<P>, _ directions: [Tensor], _ hidden: Batch) -> Result?
  ) -> Result? {
    let n = jacobian.exampleCount
    guard n > 0, jacobian.bytesFormedAsDirection <= mostFormedBytes / n else { return nil }
    return jacobian.withDirections { body(ModelRun(of: f, at: p, on: points, "higherKernel"), $0, $1) }
  }

  // MARK: Contractions

  /// Σ K^(r)(…, b₁ … bₛ) v₁[b₁] ⋯ vₛ[bₛ] over the last s of r arguments, as a function of the parameters.
  ///
  /// By linearity L_b summed with weights v is the derivative along Σ_b v[b] g_b, one direction; it moves where further
  /// derivatives are taken.
  func contraction(_ r: Int, _ vectors: some BidirectionalCollection<Tensor>) -> (P) -> Tensor {
    guard let last = vectors.last else { return kernel(r) }
    let lower = contraction(r - 1, vectors.dropLast())
    return { p in directionalDerivative(of: lower, at: p, along: direction(last, at: p)) }
  }

  /// Σ_b v[b] ∇f(x_b).
  func direction(_ v: Tensor, at p: P) -> P {
    gradient(of: { dot(v, exampleOutputs($0)) }, at: p)
  }

  /// A vector with an entry per example, given as [n] or with axes of extent 1.
  func checkedVector(_ v: Tensor, _ operation: String) -> Tensor {
    guard v.count == count, v.shape.first == count || count == 1 else {
      stop(operation, "a vector needs an entry per example, \(count)", got: "shape \(v.shape)")
    }
    return v.reshaped(to: [count])
  }
}

/// What directions may take that are formed at the same time.
let mostFormedBytes = 1 << 28

extension FactoredJacobian {
  /// Calls a function with all rows, one output's gradients, as directions of the parameters, of which a batch hides the
  /// axis. Rows that are outer products stay so.
  fileprivate func withDirections<Result>(_ body: (_ directions: [Tensor], _ hidden: Batch) -> Result) -> Result {
    // In the order of their levels: the derivative sees the products, these see the batch.
    let batch = Batch(size: exampleCount)
    let products = UnevaluatedProducts()
    defer {
      products.close()
      batch.close()
    }
    let directions = zip(blocks, parameters.leaves).map { block, leaf in
      if let factors = block.productsWorthKeeping, let tensor = products.tensor(factors.row(hiddenBy: batch)) {
        return tensor.reshaped(to: leaf.shape)
      }
      guard let rows = block.materialized else { return Tensor.zeros(like: leaf) }
      return batch.hide(rows.reshaped(to: [exampleCount] + leaf.shape))
    }
    return body(directions, batch)
  }

  /// The bytes of what is formed of a gradient where it serves as a direction.
  var bytesFormedAsDirection: Int {
    zip(blocks, parameters.leaves).reduce(0) { bytes, pair in
      bytes + (pair.0.productsWorthKeeping == nil ? pair.1.count * pair.1.scalarType.byteCount : 0)
    }
  }
}

extension ParameterGradient {
  /// The one sum of outer products that this gradient is, if it is one and smaller than what it makes.
  fileprivate var productsWorthKeeping: GradientFactors? {
    guard dense == nil else { return nil }
    let all = factors
    guard all.count == 1, case let only = all[0], !only.form.hasRows, only.form.parallelAxes.isEmpty,
      only.form.boxes.isEmpty, only.positions * (only.leftCount + only.rightCount) < only.entryCount
    else { return nil }
    return only
  }
}

extension GradientFactors {
  /// The products of one example, which stands for all; there is one output.
  fileprivate func row(hiddenBy batch: Batch) -> OuterProducts {
    OuterProducts(
      left: .values(batch.hide(left)), right: batch.hide(right.squeezed([1])), leftAxes: form.leftAxes,
      rightAxes: form.rightAxes, parallelAxes: form.parallelAxes, shape: form.shape, boxes: form.boxes)
  }
}
