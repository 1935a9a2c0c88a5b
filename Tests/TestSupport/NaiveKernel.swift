import AutoDiff

/// The gradients of all outputs, one by one in plain loops: an array per example and output, of all entries of the
/// parameters' leaves.
package func naiveGradients<P: TensorTree>(of f: (Tensor, P) -> Tensor, at p: P, on examples: Tensor) -> [[[Tensor]]] {
  (0..<examples.shape[0]).map { example in
    let x = examples[example]
    return (0..<f(x, p).count).map { output in
      gradient(of: { f(x, $0).flattened[output] }, at: p).leaves.map(\.flattened)
    }
  }
}

/// K[i, j, a, b] by the definition, in plain loops; only the given leaf's share if there is one.
package func naiveKernel<P: TensorTree>(
  of f: (Tensor, P) -> Tensor, at p: P, on examples: Tensor, and others: Tensor? = nil, leaf: Int? = nil
) -> Tensor {
  let rows = naiveGradients(of: f, at: p, on: examples)
  let columns = others.map { naiveGradients(of: f, at: p, on: $0) } ?? rows
  return stack(
    rows.map { a in
      stack(
        columns.map { b in
          Tensor(
            a.map { g in
              b.map { h in
                g.indices.filter { leaf == nil || $0 == leaf }.map { dot(g[$0], h[$0]).scalar }.reduce(0, +)
              }
            })
        })
    })
}
