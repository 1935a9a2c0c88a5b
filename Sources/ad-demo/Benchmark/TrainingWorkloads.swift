import AutoDiff
import Layers

/// Steps of training of the architectures that people use.
extension Workloads {
  /// Steps of gradient descent: the first call starts from the parameters, later ones go on. The result is the loss before
  /// the step, then the parameters after it.
  private static func training(
    _ id: String, rate: Double,
    _ problem: @escaping @Sendable (ScalarType) -> (parameters: [Tensor], loss: ([Tensor]) -> Tensor)
  ) -> [Workload] {
    Running.allCases.map { running in
      Workload(id: id, variant: running.rawValue) { type in
        let (start, loss) = problem(type)
        let step = running.prepared { (p: [Tensor]) -> Pair<Tensor, [Tensor]> in
          let (value, gradient) = valueWithGradient(of: loss, at: p)
          return Pair(value, p.indices.map { p[$0] - rate * gradient[$0] })
        }
        var p = start
        return (
          {
            let result = step(p)
            p = result.second
            return [result.first] + p
          },
          { result in
            let moved = zip(start, result.dropFirst()).map { $0.as(.float64) - $1.as(.float64) }
            return result[0].scalar + norm(moved) / rate
          }
        )
      }
    }
  }

  /// A transformer block: causal attention with several heads, then two dense layers, each after a normalization and beside
  /// a shortcut.
  static func transformerTraining(
    batch: Int = 16, tokens: Int = 32, width d: Int = 64, heads: Int = 4, hidden: Int = 256
  ) -> [Workload] {
    training("W12.transformer", rate: 0.1) { type in
      func dense(_ seed: UInt64, _ shape: [Int]) -> Tensor {
        fill(seed, shape, type, scale: 1 / Double(shape[0]).squareRoot())
      }
      func small(_ seed: UInt64, _ extent: Int) -> Tensor { fill(seed, [extent], type, scale: 0.1) }
      // Wq, Wk, Wv, Wo, then W1, c1, W2, c2, then gain and shift of each normalization.
      let p =
        (0..<4).map { dense(122 + $0, [d, d]) }
        + [dense(126, [d, hidden]), small(127, hidden), dense(128, [hidden, d]), small(129, d)]
        + [1 + small(130, d), small(131, d), 1 + small(132, d), small(133, d)]
      let (x, y) = (fill(120, [batch, tokens, d], type), fill(121, [batch, tokens, d], type))
      let positions = Tensor.range(to: Double(tokens), as: type)
      let isVisible = positions.reshaped(to: [1, tokens]) .<= positions.reshaped(to: [tokens, 1])
      return (
        p,
        { p in
          let outputs = vmap { (x: Tensor) -> Tensor in
            /// [tokens, d] → [heads, tokens, d / heads]
            func split(_ z: Tensor) -> Tensor { z.reshaped(to: [tokens, heads, d / heads]).permuted([1, 0, 2]) }
            let z = layerNorm(x) * p[8] + p[9]
            let (q, k, v) = (split(matmul(z, p[0])), split(matmul(z, p[1])), split(matmul(z, p[2])))
            let scores = matmul(q, k.transposed) / Double(d / heads).squareRoot()
            let weights = softmax(select(isVisible, scores, -1e30))
            let seen = matmul(weights, v).permuted([1, 0, 2]).reshaped(to: [tokens, d])
            let r = x + matmul(seen, p[3])
            let w = layerNorm(r) * p[10] + p[11]
            return r + matmul(gelu(matmul(w, p[4]) + p[5]), p[6]) + p[7]
          }(x)
          let residual = outputs - y
          return dot(residual, residual) / Double(residual.count)
        }
      )
    }
  }

  /// Two convolutions with pooling, then a dense layer and classes.
  static func imageTraining(batch: Int = 64, side: Int = 16, channels: (Int, Int) = (16, 32)) -> [Workload] {
    training("W12.cnn", rate: 0.01) { type in
      let (a, b) = channels
      let features = side / 4 * (side / 4) * b
      let p = [
        fill(141, [3, 3, 1, a], type, scale: 1.0 / 3), fill(142, [a], type, scale: 0.1),
        fill(143, [3, 3, a, b], type, scale: 1 / Double(9 * a).squareRoot()), fill(144, [b], type, scale: 0.1),
        fill(145, [features, 10], type, scale: 1 / Double(features).squareRoot()), fill(146, [10], type, scale: 0.1),
      ]
      let x = fill(140, [batch, side, side, 1], type)
      let classes = Tensor((0..<batch).map { Double($0 % 10) }, as: type)
      return (
        p,
        { p in
          func layer(_ h: Tensor, _ k: Int) -> Tensor {
            maxPool(relu(convolution(h, p[k], padding: .same) + p[k + 1]), window: (2, 2))
          }
          return crossEntropy(
            matmul(layer(layer(x, 0), 2).reshaped(to: [batch, features]), p[4]) + p[5], classes)
        }
      )
    }
  }
}
