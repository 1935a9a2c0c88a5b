import AutoDiff
import Layers
import Tangent
import Testing

/// Checks whatever is computed of a model, in both types, against something slower that knows less.
///
/// - Parameters:
///   - f: the model, which makes its constants in the type of its input.
///   - p: the parameters, of type `.float64`.
///   - examples: three or so, of type `.float64`.
///   - float32: how far results of type `.float32` may lie from those of `.float64`, relative to the largest entry.
func checkArchitecture<Example: TensorTree, P: TensorTree>(
  _ f: @escaping (Example, P) -> Tensor, at p: P, on examples: Example, float32: Double = 1e-3,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  func expect<T: TensorTree>(_ actual: T, _ expected: T, _ tolerance: Double, _ what: String) {
    do throws(Mismatch) {
      try requireClose(actual, expected, tolerance: tolerance)
    } catch {
      Issue.record("\(what): \(error)", sourceLocation: sourceLocation)
    }
  }
  /// One number per example, for derivatives beyond the first.
  func single(_ x: Example, _ p: P) -> Tensor {
    let y = f(x, p).flattened
    return dot(y, cos(.range(to: Double(y.count), as: y.scalarType)))
  }
  func loss(_ x: Example) -> (P) -> Tensor { { p in vmap { (x: Example) in single(x, p) }(x).mean() } }
  var random = RandomGenerator(seed: 81)
  let v = p.mapTensors { .normal($0.shape, using: &random) }
  let n = examples.leaves[0].shape[0]

  // The gradient against differences of values, the Hessian against differences of gradients.
  let report = checkDerivatives(of: loss(examples), at: p)
  #expect(report.passed, "\(report)", sourceLocation: sourceLocation)
  let slope = gradient(of: loss(examples), at: p)
  let curvature = hvp(of: loss(examples), at: p, along: v)
  expect(
    curvature.flattenedEntries,
    differenceQuotient(of: { gradient(of: loss(examples), at: $0).flattenedEntries }, at: p, along: v), 1e-6, "hvp")

  // The tangent kernel against the explicit Jacobian.
  let kernel = tangentKernel(of: f, at: p, on: examples)
  let outputs = kernel.shape[2]
  let rows = vmap { (x: Example) in jacobian(of: { f(x, $0).flattened }, at: p) }(examples).leaves
  let dense = concatenate(rows.map { $0.reshaped(to: [n, outputs, $0.count / (n * outputs)]) }, axis: 2)
  expect(kernel, tensordot(dense, dense, axes: ([2], [2])).permuted([0, 2, 1, 3]), 1e-11, "tangent kernel")

  // The third kernel against differences of the second one along the examples' gradients.
  let third = higherKernel(order: 3, of: single, at: p, on: examples)
  let gradients = vmap { (x: Example) in gradient(of: { single(x, $0) }, at: p) }(examples)
  let quotients = (0..<n).map { example in
    differenceQuotient(
      of: { higherKernel(order: 2, of: single, at: $0, on: examples) }, at: p,
      along: gradients.mapTensors { $0[example] })
  }
  expect(third, stack(quotients, axis: -1), 1e-6, "third kernel")

  // The same in the other type.
  let (q, x, w) = (p.as(.float32), examples.as(.float32), v.as(.float32))
  func expectFloat<T: TensorTree>(_ actual: T, _ expected: T, _ what: String) {
    #expect(actual.leaves.allSatisfy { $0.scalarType == .float32 }, "\(what)", sourceLocation: sourceLocation)
    expect(actual.as(.float64), expected, float32, "\(what) in float32")
  }
  expectFloat(gradient(of: loss(x), at: q).flattenedEntries, slope.flattenedEntries, "gradient")
  expectFloat(hvp(of: loss(x), at: q, along: w).flattenedEntries, curvature.flattenedEntries, "hvp")
  expectFloat(tangentKernel(of: f, at: q, on: x), kernel, "tangent kernel")
  expectFloat(higherKernel(order: 3, of: single, at: q, on: x), third, "third kernel")
}

extension TensorTree {
  /// The tree in another scalar type.
  fileprivate func `as`(_ type: ScalarType) -> Self { mapTensors { $0.as(type) } }
}
