import Testing

@testable import AutoDiff

/// Whatever is wrong, the text begins with what the user called, not with a primitive somewhere inside.
@Suite struct MessageTests {
  private static let wide = Tensor.ones([2, 3])
  private static let single = Tensor.ones([2, 3], as: .float32)
  private static let vector = Tensor.ones([3])

  /// A value whose transform has ended.
  private static func leaked() -> Tensor {
    var value = vector
    _ = gradient(
      of: { (x: Tensor) in
        value = x
        return x.sum()
      }, at: vector)
    return value
  }

  /// What the text must begin with, and the call.
  static let calls: [(name: String, call: @Sendable () throws -> Void)] = [
    ("matmul", { _ = matmul(wide, wide) }),
    ("matmul", { _ = matmul(wide, single.transposed) }),
    ("matmul", { _ = vmap { (x: Tensor) in matmul(x, wide) }(wide) }),
    ("matmul", { _ = gradient(of: { matmul($0, $0).sum() }, at: wide) }),
    ("dot", { _ = dot(wide, vector) }),
    ("dot", { _ = dot(wide, single) }),
    ("outer", { _ = outer(wide, single) }),
    ("tensordot", { _ = tensordot(wide, wide, axes: ([0], [1])) }),
    ("tensordot", { _ = tensordot(wide, single, axes: ([0], [0])) }),
    ("tensordot", { _ = tensordot(.ones([3, 3]), .ones([3, 3]), axes: ([0, -2], [0, 1])) }),
    ("multiply", { _ = leaked() * 2 }),
    ("divide", { _ = leaked() / 3 }),
    ("add", { _ = leaked() + 1 }),
    ("add", { _ = 1 + leaked() }),
    ("convolution", { _ = convolution(wide, wide) }),
    ("convolution", { _ = convolution(.ones([4, 4, 1]), .ones([2, 2, 1, 1], as: .float32)) }),
    ("maxPool", { _ = maxPool(vector, window: (2, 2)) }),
    ("averagePool", { _ = averagePool(vector, window: (2, 2)) }),
    ("gathered", { _ = wide.gathered(at: Tensor([5])) }),
    ("gathered", { _ = vmap { $0.gathered(at: $1) }(wide, Tensor([0, 7])) }),
    ("scatterAdded", { _ = vector.scatterAdded(at: Tensor([0, 1, 9]), extent: 2) }),
    ("reshaped", { _ = wide.reshaped(to: [4]) }),
    ("reshaped", { _ = vmap { $0.reshaped(to: [4]) }(wide) }),
    ("permuted", { _ = wide.permuted([0]) }),
    ("transposed", { _ = vector.transposed }),
    ("movingAxis", { _ = wide.movingAxis(2, to: 0) }),
    ("broadcast", { _ = wide.broadcast(to: [3]) }),
    ("expanded", { _ = wide.expanded(at: 4) }),
    ("squeezed", { _ = wide.squeezed([0]) }),
    ("padded", { _ = wide.padded([(1, 1)]) }),
    ("concatenate", { _ = concatenate([wide, vector]) }),
    ("concatenate", { _ = concatenate([wide, single]) }),
    ("stack", { _ = stack([wide, vector]) }),
    ("stack", { _ = stack([wide, single]) }),
    ("stack", { _ = stack([wide, wide], axis: 4) }),
    ("subscript", { _ = wide[2] }),
    ("subscript", { _ = wide[0, 1, 2] }),
    (
      "subscript",
      {
        var x = wide
        x[0] = Tensor.ones([2])
      }
    ),
    ("sum", { _ = wide.sum(axes: [2]) }),
    ("mean", { _ = wide.mean(axes: [2]) }),
    ("max", { _ = wide.max(axes: [2]) }),
    ("min", { _ = wide.min(axes: [2]) }),
    ("norm", { _ = wide.norm(axes: [2]) }),
    ("softmax", { _ = softmax(wide, axis: 2) }),
    ("logSoftmax", { _ = logSoftmax(wide, axis: 2) }),
    ("logsumexp", { _ = logsumexp(wide, axes: [2]) }),
    ("layerNorm", { _ = layerNorm(Tensor(1)) }),
    ("maximum", { _ = maximum(wide, .ones([2])) }),
    ("minimum", { _ = minimum(wide, single) }),
    ("select", { _ = select(wide, wide, .ones([2])) }),
    ("pow", { _ = pow(wide, .ones([2])) }),
    ("clamp", { _ = clamp(wide, min: 1, max: 0) }),
    ("cholesky", { _ = try cholesky(wide) }),
    ("choleskySolve", { _ = try choleskySolve(wide, wide) }),
    ("choleskySolve", { _ = try choleskySolve(.eye(2), single) }),
    ("logDeterminant", { _ = try logDeterminant(wide) }),
    ("triangularSolve", { _ = try triangularSolve(wide, wide) }),
    ("solve", { _ = try solve(wide, wide) }),
    ("solve", { _ = try solve(.eye(2), single) }),
    ("diagonal", { _ = wide.diagonal }),
    (
      "repeated",
      {
        let f = { (x: Tensor) in repeated(while: { $0 .> 1 }, x) { $0 / 2 } }
        _ = try valueBounds(of: f, at: Tensor(3), radius: 0.1)
      }
    ),
    ("==", { _ = vmap { (x: Tensor) in x == vector ? x : -x }(wide) }),
    ("==", { _ = compiled { (x: Tensor) in x == vector ? x : -x }(vector) }),
    ("isFinite", { _ = vmap { (x: Tensor) in x.isFinite ? x : -x }(wide) }),
    ("qr", { _ = try qr(vector) }),
    ("symmetricEigen", { _ = try symmetricEigen(wide) }),
    ("symmetricEigenvalues", { _ = try symmetricEigenvalues(wide) }),
    ("adding", { _ = [wide].adding([vector]) }),
    ("adding", { _ = [wide].adding([single], scaledBy: 2) }),
    ("subtracting", { _ = [wide].subtracting([vector]) }),
    ("interpolated", { _ = [wide].interpolated(to: [], at: 0.5) }),
    ("innerProduct", { _ = [wide].innerProduct([vector]) }),
    ("innerProduct", { _ = [wide].innerProduct([single]) }),
    ("replacingEntries", { _ = [wide].replacingEntries(with: vector) }),
    ("gradient", { _ = gradient(of: { $0 * 2 }, at: wide) }),
    ("hessian", { _ = hessian(of: { $0 * 2 }, at: wide) }),
    ("hessian", { _ = hessian(of: { $0[0] * 2 }, at: [wide]) }),
    ("hvp", { _ = hvp(of: { $0 * 2 }, at: wide, along: wide) }),
    ("hvp", { _ = hvp(of: { $0.sum() }, at: wide, along: vector) }),
    ("jvp", { _ = jvp(of: { $0.sum() }, at: wide, along: vector) }),
    ("directionalDerivative", { _ = directionalDerivative(of: { $0.sum() }, at: wide, along: vector) }),
    ("linearize", { _ = linearize({ $0.sum() }, at: wide).derivative(vector) }),
    ("pullback", { _ = vjp(of: { $0.sum() }, at: wide).pullback(vector) }),
    ("jacobian", { _ = jacobian(of: { $0 * 2 }, at: wide, chunk: 0) }),
    ("vmap", { _ = vmap { $0 * 2 }(Tensor(1)) }),
    ("vmap", { _ = vmap { $0 + $1 }(wide, vector) }),
  ]

  @Test func everyTextBeginsWithWhatWasCalled() async {
    for index in Self.calls.indices {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        [index = index as Int] in
        try MessageTests.calls[index].call()
      }
      let name = Self.calls[index].name
      let line = result.message.split(separator: "\n").first { $0.contains("Fatal error: ") } ?? ""
      #expect(line.contains("Fatal error: \(name): "), "\(index): expected \(name), got \(result.message)")
    }
  }
}
