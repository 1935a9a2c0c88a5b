import AutoDiff
import Testing

/// A model of several operations, drawn from a seed: f(x, p) as a stranger may write it.
///
/// An example is a list of tensors, and so is an output. Every choice depends on the seed and on shapes alone, so the
/// function is the same whenever it is called. A weight is made where the model first asks for it; some are met again in
/// other places, or reach their place by detours.
struct RandomModel: Sendable, CustomTestStringConvertible {
  let seed: UInt64
  let type: ScalarType
  /// Whether it has derivatives of all orders everywhere.
  let isSmooth: Bool
  private(set) var parameters: [Tensor] = []
  /// [4, leaf shape...], and three others.
  let examples: [Tensor], others: [Tensor]

  var testDescription: String { "seed \(seed), \(type)" }

  init(seed: UInt64, type: ScalarType = .float64, isSmooth: Bool = false) {
    (self.seed, self.type, self.isSmooth) = (seed, type, isSmooth)
    var g = RandomGenerator(seed: seed &* 31 &+ 7)
    let shapes = (0..<Int.random(in: 1...2, using: &g)).map { _ in
      (0..<Int.random(in: 0...3, using: &g)).map { _ in [1, 2, 2, 3, 3, 4].randomElement(using: &g)! }
    }
    examples = shapes.map { Tensor.normal([4] + $0, as: type, using: &g) }
    others = shapes.map { Tensor.normal([3] + $0, as: type, using: &g) }
    var weights = Weights(parameters: [], type: type, generator: g)
    _ = run(examples.map { $0[0] }, &weights)
    parameters = weights.parameters
  }

  /// The model for one example.
  func callAsFunction(_ x: [Tensor], _ p: [Tensor]) -> [Tensor] {
    var weights = Weights(parameters: p, type: type, generator: RandomGenerator(seed: 0))
    return run(x, &weights)
  }

  /// A single number for one example.
  func single(_ x: [Tensor], _ p: [Tensor]) -> Tensor {
    let y = self(x, p).flattenedEntries
    return dot(y, cos(.range(to: Double(y.count), as: type)))
  }

  private func run(_ x: [Tensor], _ weights: inout Weights) -> [Tensor] {
    var g = RandomGenerator(seed: seed)
    var values = x
    for _ in 0..<Int.random(in: 2...6, using: &g) {
      let recent = values.suffix(Int.random(in: 1...values.count, using: &g))
      let (x, other) = (recent.randomElement(using: &g)!, values.randomElement(using: &g)!)
      let y = operation(x, other, &weights, &g)
      if y.count > 0, y.count <= 48 { values.append(y) }
    }
    // Mostly the last value; inputs and weights among the outputs, one perhaps twice.
    var outputs = [values.last!]
    if Int.random(in: 0..<3, using: &g) == 0 { outputs.append(values.randomElement(using: &g)!) }
    if weights.isEmpty { outputs.append(weights.next([2], &g)) }
    return outputs.map { $0.count <= 6 ? $0 : $0.flattened[stride(from: $0.count - 1, to: 0, by: -$0.count / 4)] }
  }

  // MARK: Weights

  /// Hands out the parameters in the order in which they are asked for, and makes those that are not there yet.
  private struct Weights {
    var parameters: [Tensor]
    let type: ScalarType
    var generator: RandomGenerator
    private var used = 0

    init(parameters: [Tensor], type: ScalarType, generator: RandomGenerator) {
      (self.parameters, self.type, self.generator) = (parameters, type, generator)
    }

    var isEmpty: Bool { used == 0 }

    /// A parameter of a shape, perhaps one that was met before.
    mutating func next(_ shape: [Int], _ g: inout RandomGenerator) -> Tensor {
      let known = parameters[..<used].filter { $0.shape == shape || $0.shape == shape.reversed() }
      if let old = known.randomElement(using: &g), Bool.random(using: &g) {
        return old.shape == shape ? old : old.permuted(old.shape.indices.reversed())
      }
      if used == parameters.count { parameters.append(Tensor.normal(shape, as: type, using: &generator) * 0.7) }
      used += 1
      return parameters[used - 1]
    }
  }

  /// A weight of a shape, which may be made of others.
  private func weight(_ s: [Int], _ weights: inout Weights, _ g: inout RandomGenerator, depth: Int = 0) -> Tensor {
    func make(_ shape: [Int]) -> Tensor { weight(shape, &weights, &g, depth: depth + 1) }
    func changed(_ axis: Int, _ extent: Int) -> [Int] { s.enumerated().map { $0.offset == axis ? extent : $0.element } }
    guard depth < 2, !s.isEmpty else { return weights.next(s, &g) }
    let axis = Int.random(in: 0..<s.count, using: &g)
    let count = s.reduce(1, *)
    func along(_ w: Tensor, _ part: (Tensor) -> Tensor) -> Tensor {
      part(w.movingAxis(axis, to: 0)).movingAxis(0, to: axis)
    }
    switch Int.random(in: 0..<(depth == 0 ? 40 : 60), using: &g) {
    case 0:
      let order = Array(s.indices).shuffled(using: &g)
      var shape = s
      for k in order.indices { shape[order[k]] = s[k] }
      return make(shape).permuted(order)
    case 1: return make(s) * 1.5
    case 2: return along(make(changed(axis, s[axis] + 2))) { $0[1..<s[axis] + 1] }
    case 3: return along(make(changed(axis, 2 * s[axis]))) { $0[stride(from: 2 * s[axis] - 1, to: 0, by: -2)] }
    case 4 where s[axis] > 1:
      return concatenate([make(changed(axis, 1)), make(changed(axis, s[axis] - 1))], axis: axis)
    case 5: return make([count + 3])[2..<count + 2].reshaped(to: s)
    case 6: return make(changed(axis, 1)).broadcast(to: s)
    case 7: return sin(make(s))
    case 8: return make(s) * make(s)
    case 9: return checkpoint { (w: Tensor) in -(w * 1.5) }(make(s))
    case 10:
      let w = make(s)
      return (w + stopGradient(w)) * 0.5
    case 11: return make([2] + s).sum(axes: [0])
    case 12: return make([3] + s)[1]
    case 13:
      return make(changed(axis, s[axis] + 1)).gathered(at: (0..<s[axis]).map { $0 % 3 == 2 ? 0 : $0 + 1 }, axis: axis)
    case 14: return make(s) + make(s)
    case 15 where s[axis] > 1:
      return make(changed(axis, s[axis] - 1)).padded(s.indices.map { (before: $0 == axis ? 1 : 0, after: 0) })
    case 16:
      return withDerivative(of: { @Sendable (w: Tensor) in w * 2 }, vjp: { @Sendable _, _, v in v * 2 })(make(s))
    case 17:
      let w = make(s)
      return stack([w, w * 2, -w], axis: 1)[TensorIndex.all, 1].reshaped(to: s)
    case 18: return make(s.filter { $0 != 1 }).reshaped(to: s)
    case 19:
      var w = make(s)
      w[0] = w[s[0] - 1] * 0.5
      return w
    case 20: return vmap { (row: Tensor) in row * 1.5 }(make(s))
    case 21: return make(s) - make(s).mean(axes: [axis], keepingAxes: true)
    case 22: return make(s + [2]).sum(axes: [s.count])
    case 23: return make([count]).reshaped(to: Array(s.reversed())).permuted(Array(s.indices.reversed()))
    default: return weights.next(s, &g)
    }
  }

  // MARK: Operations

  private func operation(
    _ x: Tensor, _ other: Tensor, _ weights: inout Weights, _ g: inout RandomGenerator
  ) -> Tensor {
    switch Int.random(in: 0..<12, using: &g) {
    case 0...2: return product(x, &weights, &g)
    case 3: return convolved(x, &weights, &g)
    case 4: return scaled(x, &weights, &g)
    case 5: return lookedUp(x, &weights, &g)
    case 6: return elementwise(x, other, &g)
    case 7: return reshaped(x, other, &g)
    case 8: return reduced(x, &g)
    case 9: return paired(x, other, &g)
    case 10: return looped(x, &weights, &g)
    default: return transformed(x, &weights, &g)
    }
  }

  /// Products of every orientation, over any axes.
  private func product(_ x: Tensor, _ weights: inout Weights, _ g: inout RandomGenerator) -> Tensor {
    func weight(_ shape: [Int]) -> Tensor { self.weight(shape, &weights, &g) }
    let m = [1, 2, 3, 4].randomElement(using: &g)!
    guard let k = x.shape.last else { return x * weight([m]) }
    switch Int.random(in: 0..<9, using: &g) {
    case 0: return matmul(x, weight([k, m]))
    case 1: return matmul(tanh(x), weight([m, k]).transposed)
    case 2: return matmul(weight([m, x.shape[max(0, x.rank - 2)]]), x)
    case 3 where x.rank > 1: return matmul(weight([x.shape[x.rank - 2], m]).transposed, x)
    case 4 where x.rank > 1:
      // Another weight for every entry of the first axes, as in heads.
      let first = Array(x.shape.dropLast())
      return matmul(x.expanded(at: x.rank - 1), weight(first + [k, m])).squeezed([x.rank - 1])
    case 5 where x.rank > 2:
      return matmul(x, weight([[1, x.shape[0]].randomElement(using: &g)!, k, m]))
    case 6: return matmul(x, weight([k]))
    case 7: return outer(tanh(x), weight([m])) * 0.5
    default:
      // Some axes, in some order.
      let axes = Array(Array(x.shape.indices).shuffled(using: &g).prefix(Int.random(in: 1...x.rank, using: &g)))
      let free = Int.random(in: 0...1, using: &g)
      let summed = axes.map { x.shape[$0] }
      let w = free == 0 ? weight(summed) : weight([m] + summed)
      let paired = Array(free..<free + axes.count)
      return Bool.random(using: &g)
        ? tensordot(x, w, axes: (left: axes, right: paired)) : tensordot(w, x, axes: (left: paired, right: axes))
    }
  }

  private func convolved(_ x: Tensor, _ weights: inout Weights, _ g: inout RandomGenerator) -> Tensor {
    guard x.rank == 2 || x.rank == 3 else { return product(x, &weights, &g) }
    let image = x.rank == 2 ? x.expanded(at: -1) : x
    let channels = image.shape[2]
    let groups = channels % 2 == 0 && Bool.random(using: &g) ? 2 : 1
    let outputs = groups * Int.random(in: 1...2, using: &g)
    let rows = Int.random(in: 1...2, using: &g)
    let strides = (rows: Int.random(in: 1...2, using: &g), columns: Int.random(in: 1...2, using: &g))
    let dilation = (rows: Int.random(in: 1...2, using: &g), columns: 1)
    let w = weight([rows, 2, channels / groups, outputs], &weights, &g)
    return convolution(image, w, strides: strides, padding: .same, dilation: dilation, groups: groups)
  }

  /// Scales and shifts that broadcast.
  private func scaled(_ x: Tensor, _ weights: inout Weights, _ g: inout RandomGenerator) -> Tensor {
    let trailing = x.shape.suffix(Int.random(in: 0...x.rank, using: &g))
    let shape = trailing.map { Int.random(in: 0..<4, using: &g) == 0 ? 1 : $0 }
    let w = weight(shape, &weights, &g)
    switch Int.random(in: 0..<4, using: &g) {
    case 0: return x + w
    case 1: return x * w
    case 2: return tanh(x) - w * 0.5
    default: return x / (1 + square(w))
    }
  }

  /// Rows of a table, which the example chooses or nobody does, and back into one.
  private func lookedUp(_ x: Tensor, _ weights: inout Weights, _ g: inout RandomGenerator) -> Tensor {
    let words = stopGradient((x .> 0) + (x .> 0.7)).as(.float64)
    let m = Int.random(in: 1...3, using: &g)
    switch Int.random(in: 0..<4, using: &g) {
    case 0 where x.count <= 12: return weight([3, m], &weights, &g).gathered(at: words)
    case 1 where x.count <= 12: return weight([m, 3], &weights, &g).gathered(at: words, axis: 1)
    case 2 where x.rank > 0: return x.gathered(at: [x.shape[0] - 1, 0, 0])
    case 3 where x.rank == 1: return x.scatterAdded(at: words, extent: 3)
    default: return weight([4, m], &weights, &g).gathered(at: [3, 1, 1])
    }
  }

  private func elementwise(_ x: Tensor, _ other: Tensor, _ g: inout RandomGenerator) -> Tensor {
    switch Int.random(in: 0..<(isSmooth ? 7 : 10), using: &g) {
    case 0: return tanh(x)
    case 1: return sin(x) * 1.2
    case 2: return sigmoid(x) - 0.3
    case 3: return gelu(x)
    case 4: return exp(-square(x))
    case 5: return log(1.5 + cos(x))
    case 6: return -x * 0.8
    case 7: return relu(x)
    case 8: return select(x .> 0.1, sin(x), x * 0.5)
    default: return maximum(x, other.mean())
    }
  }

  private func reshaped(_ x: Tensor, _ other: Tensor, _ g: inout RandomGenerator) -> Tensor {
    guard x.rank > 0 else { return stack([x, sin(x), x]) }
    let axis = Int.random(in: 0..<x.rank, using: &g)
    switch Int.random(in: 0..<9, using: &g) {
    case 0: return x.permuted(Array(x.shape.indices).shuffled(using: &g))
    case 1: return x.flattened
    case 2: return x.movingAxis(axis, to: 0)[stride(from: x.shape[axis] - 1, through: 0, by: -2)]
    case 3: return concatenate([x, tanh(x)], axis: axis)
    case 4: return x[x.shape[0] - 1]
    case 5: return x.padded(x.shape.indices.map { (before: $0 == axis ? 1 : 0, after: 1) })
    case 6: return stack([x, x * 0.5], axis: axis)
    case 7: return x.broadcast(to: [2] + x.shape)
    default:
      var y = sin(x)
      y[x.shape[0] - 1] = y[0] * other.mean()
      return y
    }
  }

  private func reduced(_ x: Tensor, _ g: inout RandomGenerator) -> Tensor {
    guard x.rank > 0 else { return square(x) * 0.5 }
    let axes = x.shape.indices.filter { _ in Bool.random(using: &g) }
    let axis = Int.random(in: 0..<x.rank, using: &g)
    switch Int.random(in: 0..<(isSmooth ? 6 : 7), using: &g) {
    case 0: return x.sum(axes: axes) * 0.5
    case 1: return x.mean(axes: axes, keepingAxes: true)
    case 2: return softmax(x, axis: axis)
    case 3: return logsumexp(x, axes: axes)
    case 4 where x.shape.last! > 1: return layerNorm(x, epsilon: 0.1)
    case 5: return (2 + tanh(x)).norm(axes: axes)
    case 6: return x.max(axes: [axis])
    default: return logSoftmax(x, axis: axis)
    }
  }

  /// Two values, each of which may hang on parameters.
  private func paired(_ x: Tensor, _ other: Tensor, _ g: inout RandomGenerator) -> Tensor {
    if other.rank > 0, x.rank > 0, x.shape.last == other.shape.last {
      if x.rank <= 2, other.rank == 2 { return matmul(tanh(x), other.transposed) * 0.5 }
      if x.shape == other.shape { return dot(x, tanh(other)) * 0.3 }
    }
    if x.count == other.count {
      let y = other.reshaped(to: x.shape)
      return Bool.random(using: &g) ? x + tanh(y) : tanh(x) * y
    }
    return Bool.random(using: &g) ? tanh(x) * other.mean() : outer(tanh(x), sin(other)) * 0.5
  }

  /// A weight that is met in every step.
  private func looped(_ x: Tensor, _ weights: inout Weights, _ g: inout RandomGenerator) -> Tensor {
    guard let k = x.shape.last, k <= 4 else { return scaled(x, &weights, &g) }
    let w = weight([k, k], &weights, &g)
    switch Int.random(in: 0..<4, using: &g) {
    case 0: return repeated(3, x) { tanh(matmul($0, w)) }
    case 1: return repeated(2, [x, sin(x)]) { s in [tanh(matmul(s[1], w)) + s[0] * 0.5, s[0]] }[0]
    case 2 where x.rank > 1:
      return scan(Tensor.zeros(like: x[0]), over: x) { s, row in
        let next = tanh(matmul(s, w) + row)
        return (next, next * 0.5)
      }.outputs
    default:
      var h = x
      for _ in 0..<2 { h = h + tanh(matmul(h, w)) * 0.5 }
      return h
    }
  }

  /// Functions with a weight under a transform, which takes it as an argument or finds it around.
  private func transformed(_ x: Tensor, _ weights: inout Weights, _ g: inout RandomGenerator) -> Tensor {
    guard let k = x.shape.last else { return checkpoint { sin($0) }(scaled(x, &weights, &g)) }
    let m = Int.random(in: 1...3, using: &g)
    let w = weight([k, m], &weights, &g)
    let f = { @Sendable (z: [Tensor]) in tanh(matmul(z[0], z[1])) }
    switch Int.random(in: 0..<11, using: &g) {
    case 0: return checkpoint(f)([x, w])
    case 1: return checkpoint { f([$0, w]) }(x)
    case 2: return checkpoint { f([x, $0]) }(w)
    case 3: return withDerivative(of: f, vjp: { @Sendable z, _, v in vjp(of: f, at: z).pullback(v) })([x, w])
    case 4: return withDerivative(of: f, jvp: { @Sendable z, v, _ in jvp(of: f, at: z, along: v).tangent })([x, w])
    case 5: return vmap { f([$0, w]) }(stack([x, x * 0.5]))
    case 6: return vmap { (x: Tensor, w: Tensor) in f([x, w]) }(stack([x, x * 0.5]), stack([w, w * 2]))
    case 7: return gradient(of: { (x: Tensor) in f([x, w]).sum() }, at: x)
    case 8: return jvp(of: { (x: Tensor) in f([x, w]) }, at: x, along: cos(x)).tangent
    case 9: return hvp(of: { (x: Tensor) in sin(f([x, w])).sum() }, at: x, along: cos(x))
    default: return gradient(of: { (w: Tensor) in square(f([x, w])).sum() }, at: w)
    }
  }
}
