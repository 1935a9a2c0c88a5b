import AutoDiff

extension Model {
  /// Models that meet every route of the factored Jacobian.
  static let catalogue: [Model] = [
    Model("linear", parameters: [[3]], example: [3]) { x, p in dot(x, p[0]) },
    Model("one dense layer", parameters: [[3, 2], [2]], example: [3]) { x, p in matmul(x, p[0]) + p[1] },
    Model("dense layers", parameters: [[3, 5], [5], [5, 4], [4], [4, 2]], example: [3]) { x, p in
      matmul(tanh(matmul(tanh(matmul(x, p[0]) + p[1]), p[2]) + p[3]), p[4])
    },
    Model("scaled weights", parameters: [[3, 5], [5, 2]], example: [3]) { x, p in
      matmul(tanh(matmul(x, p[0] * 1.5 / 3)), -p[1] * 0.5)
    },
    Model("scaled after the product", parameters: [[3, 5], [5], [5, 2]], example: [3]) { x, p in
      matmul(gelu(matmul(x, p[0]) * (1 / 1.7) + p[1] * 0.1), p[2]) / 2.2
    },
    Model("weights from the left", parameters: [[5, 3], [2, 5]], example: [3]) { x, p in
      matmul(p[1], tanh(matmul(p[0], x)))
    },
    Model("transposed weights", parameters: [[5, 3], [2, 5]], example: [3]) { x, p in
      matmul(tanh(matmul(x, p[0].transposed)), p[1].transposed * 3)
    },
    Model("tied weights", parameters: [[3, 3], [3]], example: [3]) { x, p in
      matmul(tanh(matmul(tanh(matmul(x, p[0]) + p[1]), p[0])), p[0]) + p[1]
    },
    Model("tied to its transpose", parameters: [[3, 5]], example: [3]) { x, p in
      matmul(tanh(matmul(x, p[0])), p[0].transposed)
    },
    Model("positions", parameters: [[3, 5], [5], [5, 2]], example: [6, 3]) { x, p in
      matmul(tanh(matmul(x, p[0]) + p[1]), p[2]).sum(axes: [0])
    },
    Model("an output for each position", parameters: [[3, 4], [4, 2]], example: [3, 3]) { x, p in
      matmul(tanh(matmul(x, p[0])), p[1])
    },
    Model("positions from the left", parameters: [[4, 3], [2, 4]], example: [3, 6]) { x, p in
      matmul(p[1], tanh(matmul(p[0], x))).mean(axes: [1])
    },
    Model("an elementwise scale", parameters: [[3], [3], [3, 2]], example: [3]) { x, p in
      matmul(tanh(x * p[0] + p[1]), p[2])
    },
    Model("a parameter's nonlinear function", parameters: [[3, 4], [4]], example: [3]) { x, p in
      dot(tanh(matmul(x, exp(p[0]))), softmax(p[1]))
    },
    Model("an embedding", parameters: [[3, 4], [4, 2]], example: [3]) { x, p in
      let places = (x .> 0).sum()
      return matmul(tanh(p[0].gathered(at: select(places .> 2, Tensor(2), places))), p[1])
    },
    Model("attention", parameters: [[3, 4], [3, 4], [3, 2]], example: [5, 3]) { x, p in
      let weights = softmax(matmul(matmul(x, p[0]), matmul(x, p[1]).transposed) / 2)
      return matmul(weights, matmul(x, p[2]))[0]
    },
    Model("no example", parameters: [[3], [2, 3]], example: [2]) { _, p in matmul(p[1], tanh(p[0])) },
    Model("no parameters used", parameters: [[3]], example: [2]) { x, _ in x * 2 },
    Model("one parameter unused", parameters: [[3], [3]], example: [3]) { x, p in dot(x, tanh(p[1])) },
    Model("an output of rank 2", parameters: [[3, 6]], example: [3]) { x, p in
      tanh(matmul(x, p[0])).reshaped(to: [2, 3])
    },
    Model("a single number", parameters: [[], []], example: []) { x, p in tanh(x * p[0]) + p[1] },
  ]

  /// Models with extents of 0 somewhere.
  static let withoutEntries: [Model] = [
    Model("no outputs", parameters: [[3, 0]], example: [3]) { x, p in matmul(x, p[0]) },
    Model("a hidden layer of none", parameters: [[3, 0], [0, 2]], example: [3]) { x, p in
      matmul(tanh(matmul(x, p[0])), p[1])
    },
    Model("no inputs", parameters: [[0, 2], [2]], example: [0]) { x, p in matmul(x, p[0]) + p[1] },
    Model("no positions", parameters: [[3, 2]], example: [0, 3]) { x, p in matmul(x, p[0]).sum(axes: [0]) },
    Model("an empty part", parameters: [[3, 2], [3]], example: [3]) { x, p in
      matmul(x, p[0][0..., 1..<1]).sum() + dot(x, p[1])
    },
    Model("no words", parameters: [[4, 2], [3]], example: [3]) { x, p in
      p[0].gathered(at: [Int]()).sum() + dot(x, p[1])
    },
    Model("put together with nothing", parameters: [[3, 0], [3, 2]], example: [3]) { x, p in
      matmul(x, concatenate([p[0], p[1]], axis: 1))
    },
    Model("repeated no times", parameters: [[1, 3], [2]], example: [3]) { x, p in
      (x * p[0].broadcast(to: [0, 3])).sum() + p[1].sum()
    },
  ]
}
