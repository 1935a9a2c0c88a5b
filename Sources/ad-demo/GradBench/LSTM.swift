import AutoDiff

/// `lstm`: the loss of predicting the next character by a network of long short-term memory whose weight matrices are
/// diagonal, and its gradient.
///
///     f = σ(x w_f + b_f)   i = σ(h w_i + b_i)   o = σ(x w_o + b_o)   a = tanh(h w_c + b_c)
///     c ← c f + i a        h ← o tanh c         x of the next layer is h
///
/// Two of the gates see a layer's input, which is there for all times when the layer below is done: they are computed for
/// the whole sequence at once. Only what sees the layer's own h goes step by step.
struct LSTM: GradBenchProblem {
  static let module = "lstm"

  struct Input: Decodable {
    let main: [[Double]], extra: [[Double]], state: [[Double]], sequence: [[Double]]

    enum CodingKeys: String, CodingKey { case main = "main_params", extra = "extra_params", state, sequence }
  }

  struct Parameters: TensorTree {
    /// [2 · layers, 4, b]: weights and biases in turn, for forget, in, out, change.
    var main: Tensor
    /// [3, b]: weights of the input, weights and biases of the output.
    var extra: Tensor

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&main)
      body(&extra)
    }
  }

  let parameters: Parameters
  private let state: Tensor, sequence: Tensor
  private let layers: Int

  init(_ input: Input) throws {
    layers = input.main.count / 2
    try requirePositive("the number of layers", layers)
    let b = input.extra.first?.count ?? 0
    try requirePositive("the number of bits", b)
    let c = input.sequence.count
    guard c > 1 else { throw GradBenchError("sequence must have at least 2 rows, but got \(c)") }
    parameters = Parameters(
      main: try Tensor("main_params", input.main, 2 * layers, 4 * b).reshaped(to: [2 * layers, 4, b]),
      extra: try Tensor("extra_params", input.extra, 3, b))
    state = try Tensor("state", input.state, 2 * layers, b)
    sequence = try Tensor("sequence", input.sequence, c, b)
  }

  func loss(_ p: Parameters) -> Tensor {
    let steps = sequence.shape[0] - 1
    var x = sequence[..<steps] * p.extra[0]
    for layer in 0..<layers {
      let (weight, bias) = (p.main[2 * layer], p.main[2 * layer + 1])
      let forget = sigmoid(x * weight[0] + bias[0])
      let out = sigmoid(x * weight[2] + bias[2])
      let (inWeight, inBias, changeWeight, changeBias) = (weight[1], bias[1], weight[3], bias[3])
      let start = Pair(state[2 * layer], state[2 * layer + 1])
      (_, x) = scan(start, over: Pair(forget, out)) { state, gates in
        let (hidden, cell) = (state.first, state.second)
        let gate = sigmoid(hidden * inWeight + inBias)
        let change = tanh(hidden * changeWeight + changeBias)
        let next = cell * gates.first + gate * change
        let output = gates.second * tanh(next)
        return (Pair(output, next), output)
      }
    }
    let prediction = x * p.extra[1] + p.extra[2]
    let logarithms = log(2 + exp(prediction).sum(axes: [1], keepingAxes: true))
    let score = dot(sequence[1...], prediction - logarithms)
    return score / -Double(prediction.count)
  }

  static var functions: [GradBenchFunction<LSTM>] {
    [
      GradBenchFunction("objective") { network in
        let value = compiled { (p: Parameters) in network.loss(p) }
        return { value(network.parameters) }
      },
      GradBenchFunction("jacobian") { network in
        let derivative = compiled { (p: Parameters) in gradient(of: network.loss, at: p).flattenedEntries }
        return { derivative(network.parameters) }
      },
    ]
  }
}
