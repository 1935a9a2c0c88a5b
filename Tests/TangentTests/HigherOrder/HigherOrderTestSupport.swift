import AutoDiff
import Tangent

extension Model {
  /// One number per example, for derivatives beyond the first.
  var single: @Sendable (Tensor, [Tensor]) -> Tensor {
    { x, p in
      let y = f(x, p).flattened
      return dot(y, cos(.range(to: Double(y.count), as: y.scalarType)))
    }
  }

  /// ∇f at an example.
  func slope(_ x: Tensor, _ p: [Tensor]) -> [Tensor] { gradient(of: { single(x, $0) }, at: p) }

  /// A perceptron, a network with convolutions, attention, and tied weights.
  static let ofHigherOrder: [Model] =
    catalogue.filter { ["dense layers", "attention", "tied to its transpose", "positions"].contains($0.name) } + [
      convolutions
    ]

  /// Two convolutions and a mean over positions.
  static let convolutions = Model(
    "convolutions", parameters: [[2, 2, 1, 3], [2, 2, 3, 2], [2, 1]], example: [4, 4, 1]
  ) { x, p in
    let h = tanh(convolution(x, p[0]))
    return matmul(gelu(convolution(h, p[1])).mean(axes: [0, 1]), p[2])
  }
}

/// An entry of K^(r) as the sum over the (r − 1)! increasing labelled trees on its arguments: a vertex of degree k carries
/// the k-th derivative of f at its example, an edge is a contraction.
///
/// - Parameter points: the arguments x₁ … xᵣ. In an increasing tree every vertex hangs on one with a smaller label.
func sumOverIncreasingTrees<P: TensorTree>(
  of f: @escaping (Tensor, P) -> Tensor, at p: P, _ points: [Tensor]
) -> Double {
  /// The derivative of a function along fixed directions, one after the other.
  func derivative<Out: TensorTree>(_ function: @escaping (P) -> Out, along directions: [P]) -> (P) -> Out {
    guard let last = directions.last else { return function }
    let lower = derivative(function, along: directions.dropLast())
    return { directionalDerivative(of: lower, at: $0, along: last) }
  }
  /// What hangs at a vertex: the derivatives of its gradient along what hangs at its children.
  func branch(_ vertex: Int, _ parents: [Int]) -> P {
    derivative({ q in gradient(of: { f(points[vertex], $0) }, at: q) }, along: children(vertex, parents))(p)
  }
  func children(_ vertex: Int, _ parents: [Int]) -> [P] {
    parents.indices.filter { parents[$0] == vertex }.map { branch($0, parents) }
  }
  // The parents of the vertices 0, 1, …; the root has none.
  var trees = [[-1]]
  for vertex in 1..<points.count { trees = trees.flatMap { tree in (0..<vertex).map { tree + [$0] } } }
  return trees.reduce(0) { $0 + derivative({ f(points[0], $0) }, along: children(0, $1))(p).scalar }
}
