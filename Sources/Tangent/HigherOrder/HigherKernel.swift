import AutoDiff
import Layers

/// The higher-order tangent kernel K^(r) of a model with one output, on all r-tuples of examples.
///
/// K^(2)(x₁, x₂) = ⟨∇f(x₁), ∇f(x₂)⟩ and K^(r+1)(x₁…xᵣ, x_b) is the derivative of K^(r)(x₁…xᵣ) along ∇f(x_b), where the
/// gradients inside K^(r) move too. Under gradient flow of the squared loss, ∂ₜK^(r) = −(1/n) Σ_b K^(r+1)(…, x_b)(f_b − y_b).
/// K^(r) is symmetric in its first two arguments. At kinks, as those of ReLU, it is made of the derivatives almost
/// everywhere.
///
/// - Parameters:
///   - r: the order, at least 2.
///   - f: the model: one example and the parameters to a single number.
///   - p: the parameters.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - newPoints: m points for the first argument; by default the examples.
/// - Returns: [n, n, …, n], or [m, n, …, n], with r axes.
/// - Complexity: n forward runs of the model for K^(3), and as many backward ones for K^(4), then products of what they leave;
///   forward mode over that for each further order, or where the first argument has other points. Time and memory grow like
///   nʳ⁻². Directions that are outer products stay so: with a weight of width m they cost nʳ⁻¹ m and not nʳ⁻¹ m², and no n · p
///   numbers lie in memory.
/// - Source: Huang and Yau, Dynamics of deep neural networks and neural tangent hierarchy, ICML 2020, equations (9), (10).
public func higherKernel<Example: TensorTree, P: TensorTree>(
  order r: Int, of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example, newPoints: Example? = nil
) -> Tensor {
  guard r >= 2 else { stop("higherKernel", "the order must be at least 2", got: "\(r)") }
  return GradientFields("higherKernel", f, on: examples, newPoints: newPoints).kernel(r)(p)
}

/// The higher-order tangent kernel of a layer; see ``higherKernel(order:of:at:on:newPoints:)``.
public func higherKernel<Model: Layer>(
  order r: Int, of model: Model, at p: Parameters, on examples: Model.Input, newPoints: Model.Input? = nil
) -> Tensor where Model.Output == Tensor {
  higherKernel(
    order: r, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, newPoints: newPoints)
}

/// Single entries of higher-order tangent kernels; the tensor is not formed.
///
/// - Parameters:
///   - tuples: for every entry the numbers of its arguments, K^(r)(x_t[0], …, x_t[r−1]). All tuples have one length r, at
///     least 2. The first number counts among the new points, if there are any, the others among the examples; numbers
///     outside stop.
///   - f: the model: one example and the parameters to a single number.
///   - p: the parameters.
///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
///   - newPoints: m points for the first argument; by default the examples.
/// - Returns: [tuples].
/// - Complexity: forward derivatives nested r − 1 deep, of gradients that are formed: about 2ʳ gradients of f per entry.
///   Entries run in batches whose gradients take some 64 MB.
/// - Source: Huang and Yau, ICML 2020, equations (9), (10).
public func higherKernelEntries<Example: TensorTree, P: TensorTree>(
  _ tuples: [[Int]], of f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example, newPoints: Example? = nil
) -> Tensor {
  let fields = GradientFields("higherKernelEntries", f, on: examples, newPoints: newPoints)
  let first = newPoints ?? examples
  let firstCount = exampleCount(of: first, "higherKernelEntries")
  guard let r = tuples.first?.count else { return .zeros([0], as: p.leaves.first?.scalarType ?? .float64) }
  for tuple in tuples {
    guard tuple.count == r, r >= 2 else {
      stop("higherKernelEntries", "all tuples must have one length of at least 2", got: "\(tuple)")
    }
    guard (0..<firstCount).contains(tuple[0]), tuple.dropFirst().allSatisfy((0..<fields.count).contains) else {
      stop(
        "higherKernelEntries",
        "numbers must lie below \(firstCount) for the first argument and \(fields.count) for others",
        got: "\(tuple)")
    }
  }
  func entry(_ points: [Example]) -> Tensor {
    func kernel(_ r: Int) -> (P) -> Tensor {
      if r == 1 { return { fields.f(points[0], $0) } }
      let lower = kernel(r - 1)
      return { p in
        directionalDerivative(of: lower, at: p, along: gradient(of: { fields.f(points[r - 1], $0) }, at: p))
      }
    }
    return kernel(r)(p)
  }
  let bytesPerEntry = (p.entryCount * 8) << min(r, 20)
  let step = max(1, (1 << 26) / max(1, bytesPerEntry))
  return concatenate(
    stride(from: 0, to: tuples.count, by: step).map { start in
      let part = tuples[start..<min(start + step, tuples.count)]
      let points = (0..<r).map { slot in
        (slot == 0 ? first : examples).mapTensors { $0.gathered(at: part.map { $0[slot] }) }
      }
      return vmap(entry)(points)
    })
}

/// Single entries of the higher-order tangent kernels of a layer; see ``higherKernelEntries(_:of:at:on:newPoints:)``.
public func higherKernelEntries<Model: Layer>(
  _ tuples: [[Int]], of model: Model, at p: Parameters, on examples: Model.Input, newPoints: Model.Input? = nil
) -> Tensor where Model.Output == Tensor {
  higherKernelEntries(
    tuples, of: { (x: Model.Input, p: Parameters) in model(x, p) }, at: p, on: examples, newPoints: newPoints)
}
