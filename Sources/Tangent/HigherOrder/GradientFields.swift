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
  let count: Int

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
    if let newPoints { _ = exampleCount(of: newPoints, operation) }
  }

  /// The outputs on the first arguments: [m].
  func outputs(_ p: P) -> Tensor { vmap { (x: Example) in f(x, p) }(newPoints ?? examples) }

  /// The outputs on the examples: [n].
  func exampleOutputs(_ p: P) -> Tensor { vmap { (x: Example) in f(x, p) }(examples) }

  // MARK: Kernels

  /// K^(r) as a function of the parameters: [m, n, …, n] with r axes; K^(1) are the outputs.
  func kernel(_ r: Int) -> (P) -> Tensor {
    switch r {
    case 1: return outputs
    case 2:
      return {
        tangentKernel(
          of: f, at: $0, on: newPoints ?? examples, and: newPoints.map { _ in examples }, outputs: .traceSum)
      }
    case 3 where newPoints == nil:
      // d⟨gᵢ, gⱼ⟩ = ⟨dgᵢ, gⱼ⟩ + ⟨gᵢ, dgⱼ⟩, of which the second is the mirror image of the first.
      return { p in
        let half = curvature(p)
        return half + half.permuted([1, 0, 2])
      }
    default:
      let lower = kernel(r - 1)
      return { p in
        let jacobian = FactoredJacobian(of: f, at: p, on: examples)
        return derivatives(of: lower, at: p, along: jacobian)
      }
    }
  }

  /// M[i; j, k] = ∂²f(xᵢ)[g_j, g_k], symmetric in j and k: [m, n, n].
  func curvature(_ p: P) -> Tensor {
    let jacobian = FactoredJacobian(of: f, at: p, on: examples)
    return derivatives(
      of: { FactoredJacobian(of: f, at: $0, on: newPoints ?? examples).gram(with: jacobian, outputs: .traceSum) },
      at: p, along: jacobian)
  }

  /// The derivatives of a function along all rows of a Jacobian of one output: [value shape..., n].
  ///
  /// Rows that are outer products stay so on the way through the function. Of others, which are formed, as many are taken
  /// at a time as fit into so many bytes, at least one.
  func derivatives(
    of function: (P) -> Tensor, at p: P, along jacobian: FactoredJacobian<P>, formedBytes: Int = 1 << 28
  ) -> Tensor {
    let n = jacobian.exampleCount
    guard n > 0 else {
      let value = function(p)
      return .zeros(value.shape + [0], as: value.scalarType)
    }
    let formed = zip(jacobian.blocks, p.leaves).reduce(0) { bytes, pair in
      bytes + (pair.0.productsWorthKeeping == nil ? pair.1.count * pair.1.scalarType.byteCount : 0)
    }
    let step = max(1, min(n, formedBytes / max(1, formed)))
    if step == n { return derivatives(of: function, at: p, alongAll: jacobian) }
    return concatenate(
      stride(from: 0, to: n, by: step).map { start in
        derivatives(of: function, at: p, alongAll: jacobian[examples: start..<min(start + step, n)])
      }, axis: -1)
  }

  private func derivatives(
    of function: (P) -> Tensor, at p: P, alongAll jacobian: FactoredJacobian<P>
  ) -> Tensor {
    // In the order of their levels: the derivative sees the products, these see the batch.
    let batch = Batch(size: jacobian.exampleCount)
    let products = UnevaluatedProducts()
    defer {
      products.close()
      batch.close()
    }
    let direction = p.replacingLeaves(
      with: zip(jacobian.blocks, p.leaves).map { block, leaf in
        if let factors = block.productsWorthKeeping, let tensor = products.tensor(factors.row(hiddenBy: batch)) {
          return tensor.reshaped(to: leaf.shape)
        }
        guard let rows = block.materialized else { return .zeros(like: leaf) }
        return batch.hide(rows.reshaped(to: [jacobian.exampleCount] + leaf.shape))
      })
    let tangents = directionalDerivative(of: function, at: p, along: direction)
    return batch.reveal(tangents).movingAxis(0, to: -1)
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
