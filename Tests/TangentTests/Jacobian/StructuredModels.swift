import AutoDiff

extension Model {
  /// Models whose weights reach their products by detours, or are used in several places.
  static let structured: [Model] = [
    Model("reshaped vectors", parameters: [[15], [10]], example: [3]) { x, p in
      matmul(tanh(matmul(x, p[0].reshaped(to: [3, 5]))), p[1].reshaped(to: [5, 2]))
    },
    Model("overlapping parts of one weight", parameters: [[5, 7]], example: [3]) { x, p in
      matmul(tanh(matmul(x, p[0][1..<4, 2..<7])), p[0][0..., 1..<3])
    },
    Model("every second row", parameters: [[6, 4], [4]], example: [3]) { x, p in
      dot(tanh(matmul(x, p[0][stride(from: 0, to: 6, by: 2)] - p[0][stride(from: 1, to: 6, by: 2)])), p[1])
    },
    Model("a weight put together", parameters: [[3, 2], [3, 3], [5, 2]], example: [3]) { x, p in
      matmul(tanh(matmul(x, concatenate([p[0], p[1]], axis: 1))), p[2])
    },
    Model("a weight repeated", parameters: [[1, 4], [4]], example: [3]) { x, p in
      dot(tanh(matmul(x, p[0].broadcast(to: [3, 4]))), p[1])
    },
    Model("one flat vector", parameters: [[26]], example: [3]) { x, p in
      let shapes: [Tensor] = [.zeros([3, 4]), .zeros([4]), .zeros([4, 2]), .zeros([2])]
      let q = shapes.replacingEntries(with: p[0])
      return matmul(tanh(matmul(x, q[0]) + q[1]), q[2]) + q[3]
    },
    Model("fused queries, keys and values", parameters: [[3, 12], [4, 2]], example: [5, 3]) { x, p in
      let (q, k, v) = (p[0][0..., 0..<4], p[0][0..., 4..<8], p[0][0..., 8..<12])
      let attention = softmax(matmul(matmul(x, q), matmul(x, k).transposed) / 2)
      return matmul(matmul(attention, matmul(x, v)), p[1]).mean(axes: [0])
    },
    Model("queries, keys and values cut after the product", parameters: [[3, 12]], example: [5, 3]) { x, p in
      let y = matmul(x, p[0])
      let attention = softmax(matmul(y[0..., 0..<4], y[0..., 4..<8].transposed) / 2)
      return matmul(attention, y[0..., 8..<12])[1]
    },
    Model("back through the transpose", parameters: [[3, 5], [5]], example: [3]) { x, p in
      let h = tanh(matmul(x, p[0]) + p[1])
      return matmul(tanh(matmul(h, p[0].transposed)), p[0])
    },
    Model("a grouped convolution", parameters: [[2, 2, 2, 4], [4]], example: [4, 4, 4]) { x, p in
      (tanh(convolution(x, p[0], groups: 2)) * p[1]).mean(axes: [0, 1])
    },
    Model("a depthwise convolution, twice", parameters: [[3, 3, 1, 3], [3, 2]], example: [4, 4, 3]) { x, p in
      let y = tanh(convolution(x, p[0], padding: .same, groups: 3))
      return matmul(convolution(y, p[0] * 0.5, padding: .same, groups: 3).mean(axes: [0, 1]), p[1])
    },
    Model("a stack of weights", parameters: [[2, 3, 4], [4]], example: [2, 3]) { x, p in
      dot(tanh(matmul(x.expanded(at: 1), p[0])).sum(axes: [0, 1]), p[1])
    },
    Model("a stack of weights for every position", parameters: [[2, 3, 4]], example: [2, 5, 3]) { x, p in
      tanh(matmul(x, p[0])).mean(axes: [1])
    },
    Model("an embedding tied to the output", parameters: [[3, 4], [4, 4]], example: [5]) { x, p in
      let words = (x .> 0) + (x .> 0.7)
      let h = tanh(matmul(p[0].gathered(at: words), p[1])).mean(axes: [0])
      return matmul(p[0], h)
    },
    Model("several words", parameters: [[3, 4], [4]], example: [6]) { x, p in
      let words = (x .> 0) + (x .> 0.7)
      return matmul(tanh(p[0].gathered(at: words)), p[1])
    },
    Model("words in both types of indices", parameters: [[3, 4], [4]], example: [6]) { x, p in
      let words = (x .> 0) + (x .> 0.7)
      let h = p[0].gathered(at: words.as(.float32)) + p[0].gathered(at: [2, 0, 2, 1, 0, 0])
      return matmul(tanh(h * p[0].gathered(at: words)), p[1])
    },
    Model("a recurrent network", parameters: [[3, 4], [4, 4], [4], [4, 2]], example: [5, 3]) { x, p in
      var h = Tensor.zeros([4], as: x.scalarType)
      for step in 0..<5 { h = tanh(matmul(x[step], p[0]) + matmul(h, p[1]) + p[2]) }
      return matmul(h, p[3])
    },
    Model("normalized, scaled and shifted", parameters: [[3, 5], [5], [5], [5, 2]], example: [3]) { x, p in
      matmul(tanh(layerNorm(matmul(x, p[0])) * p[1] + p[2]), p[3])
    },
    Model("one weight on both sides", parameters: [[3, 3]], example: [3, 3]) { x, p in
      matmul(matmul(p[0], x), p[0]).sum(axes: [0])
    },
  ]
}
