import AutoDiff
import Foundation

/// A function of a size that a caller may get wrong.
struct HostileCall: Sendable {
  /// How messages may begin: with the function that was called, or one that it is made of.
  let operations: [String]
  let call: @Sendable (Int) -> Void

  init(_ operations: String..., call: @escaping @Sendable (Int) -> Void) {
    (self.operations, self.call) = (operations, call)
  }
}

/// Every public function that computes a size, for numbers that no size should be.
enum HostileSizes {
  /// Beyond every axis, beyond memory, beyond addresses, and the ends of the range.
  static let numbers = [-1, -7, 7, 1 << 33, 1 << 40, 1 << 61, 1 << 62, .max - 1, .max, .min, .min + 1]

  static let calls: [HostileCall] = creation + shaping + indexing + arithmetic + windows + transforms

  /// Steps may lead beyond an axis as far as they like.
  static let harmless: [HostileCall] = [
    HostileCall { _ = x[TensorIndex.range(nil, nil, step: $0)] },
    HostileCall { _ = x[TensorIndex.range(0, 0, step: $0)] },
    HostileCall { n in
      var y = x
      y[0, TensorIndex.range(nil, nil, step: n)] = Tensor(1)
    },
  ]

  private static let x = Tensor([[1, 2, 3], [4, 5, 6]])
  private static let image = Tensor.ones([4, 4, 1])
  private static let weights = Tensor.ones([2, 2, 1, 1])
  /// Extents in a view may be as large as they like, as long as nobody copies it.
  private static func huge(_ n: Int) -> Tensor { Tensor(2).broadcast(to: [1 << 40, Swift.max(1, n.clampedMagnitude)]) }

  private static let creation: [HostileCall] = [
    HostileCall("Tensor") { _ = Tensor([1, 2, 3], shape: [$0]) },
    HostileCall("Tensor") { _ = Tensor([1, 2, 3], shape: [$0, $0]) },
    HostileCall("Tensor") { _ = Tensor([Double](), shape: [0, $0, $0]) },
    HostileCall("Tensor") { _ = Tensor([1 as Float], shape: [$0, 1]) },
    HostileCall("filled") { _ = Tensor.filled(1, [$0, $0]) },
    HostileCall("zeros") { _ = Tensor.zeros([$0, $0]) },
    HostileCall("zeros") { _ = Tensor.zeros([0, $0, $0]) },
    HostileCall("ones") { _ = Tensor.ones([2, $0], as: .float32) },
    HostileCall("eye") { _ = Tensor.eye($0) },
    HostileCall("eye") { _ = Tensor.eye($0, as: .float32) },
    HostileCall("range") { _ = Tensor.range(to: Double($0)) },
    HostileCall("range") { _ = Tensor.range(from: 1e300, to: -1e300, by: -1 / Double($0.clampedMagnitude)) },
    HostileCall("range") { _ = Tensor.range(to: Double($0) * 1e280, as: .float32) },
    HostileCall("linspace") { _ = Tensor.linspace(0, 1, count: $0) },
    HostileCall("normal") { n in
      var generator = RandomGenerator(seed: 0)
      _ = Tensor.normal([n, n], using: &generator)
    },
    HostileCall("uniform") { n in
      var generator = RandomGenerator(seed: 0)
      _ = Tensor.uniform([2, n], using: &generator)
    },
    HostileCall("rademacher") { n in
      var generator = RandomGenerator(seed: 0)
      _ = Tensor.rademacher([n], as: .float32, using: &generator)
    },
    HostileCall("permutation") { n in
      var generator = RandomGenerator(seed: 0)
      _ = Tensor.permutation(n, using: &generator)
    },
    HostileCall("CSVFile") { _ = CSVFile([1, 2, 3, 4, 5, 6], columnCount: $0) },
  ]

  private static let shaping: [HostileCall] = [
    HostileCall("reshaped") { _ = x.reshaped(to: [$0]) },
    HostileCall("reshaped") { _ = x.reshaped(to: [$0, $0]) },
    HostileCall("reshaped") { _ = x.reshaped(to: [-1, $0]) },
    HostileCall("reshaped") { _ = x[0..<0].reshaped(to: [0, $0, $0]) },
    HostileCall("reshaped") { _ = x[0..<0].reshaped(to: [$0, -1, 0]) },
    HostileCall("broadcast") { _ = x.broadcast(to: [$0, 2, 3]) },
    HostileCall("broadcast") { _ = Tensor(1).broadcast(to: [$0, $0]) },
    HostileCall("permuted") { _ = x.permuted([$0, 0]) },
    HostileCall("permuted") { _ = x.permuted([0, $0]) },
    HostileCall("movingAxis") { _ = x.movingAxis($0, to: 0) },
    HostileCall("movingAxis") { _ = x.movingAxis(0, to: $0) },
    HostileCall("expanded") { _ = x.expanded(at: $0) },
    HostileCall("squeezed") { _ = x.squeezed([$0]) },
    HostileCall("padded", "embedInZeros") { _ = x.padded([($0, 0), (0, 0)]) },
    HostileCall("padded", "embedInZeros") { _ = x.padded([(0, 0), ($0, $0)]) },
    HostileCall("padded", "embedInZeros") { _ = x.padded([($0, $0), ($0, $0)]) },
    HostileCall("concatenate") { _ = concatenate([x, x], axis: $0) },
    HostileCall("concatenate", "broadcast") { _ = concatenate([huge($0), huge($0)], axis: 1) },
    HostileCall("stack") { _ = stack([x, x], axis: $0) },
    HostileCall("stack", "concatenate", "copy", "broadcast") { _ = stack([huge($0), huge($0)]) },
  ]

  private static let indexing: [HostileCall] = [
    HostileCall("gathered") { _ = x.gathered(at: [$0]) },
    HostileCall("gathered") { _ = x.gathered(at: [0], axis: $0) },
    HostileCall("gathered") { _ = x.gathered(at: Tensor([Double($0)], as: .float32)) },
    HostileCall("scatterAdded") { _ = x.scatterAdded(at: Tensor([0, 1]), extent: $0) },
    HostileCall("scatterAdded") { _ = x.scatterAdded(at: Tensor([0, 1]), axis: $0, extent: 2) },
    HostileCall("scatterAdded") { _ = x.scatterAdded(at: Tensor([0, Double($0)]), extent: 2) },
    HostileCall("subscript") { _ = x[$0] },
    HostileCall("subscript") { _ = x[0, $0] },
    HostileCall("subscript") { _ = x[..., $0] },
    HostileCall("subscript") { _ = x[Swift.min(0, $0)..<Swift.max(0, $0)] },
    HostileCall("subscript") { _ = x[Swift.min(0, $0)...Swift.max(0, $0)] },
    HostileCall("subscript") { _ = x[...$0] },
    HostileCall("subscript") { _ = x[..<$0] },
    HostileCall("subscript") { _ = x[$0...] },
    HostileCall("subscript") { _ = x[TensorIndex.range($0, nil, step: 1)] },
    HostileCall("subscript") { _ = x[TensorIndex.range(nil, $0, step: -1)] },
    HostileCall("subscript") { _ = x[stride(from: 0, to: $0, by: 1)] },
    HostileCall("subscript") { _ = x[stride(from: $0, through: 0, by: -1)] },
    HostileCall("subscript") { _ = x[stride(from: Int.min, through: .max, by: $0)] },
    HostileCall("subscript") { _ = x[stride(from: Int.max, to: .min, by: $0)] },
    HostileCall("subscript") { n in
      var y = x
      y[n] = Tensor(1)
    },
  ]

  private static let arithmetic: [HostileCall] = [
    HostileCall("sum") { _ = x.sum(axes: [$0]) },
    HostileCall("mean") { _ = x.mean(axes: [$0]) },
    HostileCall("max") { _ = x.max(axes: [0, $0]) },
    HostileCall("min") { _ = x.min(axes: [$0], keepingAxes: true) },
    HostileCall("norm") { _ = x.norm(axes: [$0]) },
    HostileCall("softmax") { _ = softmax(x, axis: $0) },
    HostileCall("logSoftmax") { _ = logSoftmax(x, axis: $0) },
    HostileCall("logsumexp") { _ = logsumexp(x, axes: [$0]) },
    HostileCall("layerNorm") { _ = layerNorm(x, axis: $0) },
    HostileCall("tensordot") { _ = tensordot(x, x, axes: ([$0], [0])) },
    HostileCall("outer", "contraction", "broadcast") { _ = outer(huge($0)[0], huge($0)[0]) },
    HostileCall("outer", "contraction", "broadcast") { _ = outer(huge($0), x) },
    HostileCall("matmul", "contraction", "broadcast") { _ = matmul(huge($0)[..., 0..<1], huge($0)[0..<1]) },
    HostileCall("add", "broadcast") { _ = huge($0) + huge($0) },
    HostileCall("add", "copy", "broadcast") { _ = huge($0)[..., TensorIndex.newAxis, TensorIndex.newAxis] + huge($0) },
    HostileCall("exp", "copy", "broadcast") { _ = exp(huge($0)) },
    HostileCall("softmax", "copy", "broadcast") { _ = softmax(huge($0)) },
    HostileCall("select", "copy", "broadcast") { _ = select(huge($0), huge($0), huge($0)) },
    HostileCall("copy", "broadcast") { _ = huge($0).scalars },
    HostileCall("convert", "broadcast", "copy") { _ = huge($0).as(.float32) },
    HostileCall("reshaped", "broadcast", "copy") { _ = huge($0).transposed.flattened },
    HostileCall("cholesky", "copy", "broadcast") {
      _ = try? cholesky(huge($0)[..., 0..<1].broadcast(to: [1 << 40, 1 << 40]))
    },
    HostileCall("logsumexp", "copy", "broadcast") { _ = logsumexp(huge($0), axes: [1]) },
  ]

  private static let windows: [HostileCall] = [
    HostileCall("convolution") { _ = convolution(image, weights, strides: ($0, 1)) },
    HostileCall("convolution") { _ = convolution(image, weights, strides: (1, $0), padding: .same) },
    HostileCall("convolution") { _ = convolution(image, weights, dilation: ($0, 1)) },
    HostileCall("convolution") { _ = convolution(image, weights, padding: .same, dilation: (1, $0)) },
    HostileCall("convolution") { _ = convolution(image, weights, padding: .explicit($0)) },
    HostileCall("convolution") {
      _ = convolution(image, weights, padding: .explicit(top: $0, bottom: 1, left: 0, right: $0))
    },
    HostileCall("convolution") { _ = convolution(image, weights, padding: .explicit(1 << 30), dilation: ($0, $0)) },
    HostileCall("convolution") { _ = convolution(image, weights, groups: $0) },
    HostileCall("maxPool") { _ = maxPool(image, window: ($0, 1)) },
    HostileCall("maxPool") { _ = maxPool(image, window: ($0, $0), padding: .same) },
    HostileCall("maxPool") { _ = maxPool(image, window: (2, 2), strides: (1, $0)) },
    HostileCall("maxPool") { _ = maxPool(image, window: (2, 2), strides: ($0, $0), padding: .same) },
    HostileCall("maxPool") { _ = maxPool(image, window: (2, 2), padding: .explicit($0)) },
    HostileCall("averagePool") { _ = averagePool(image, window: (1, $0)) },
    HostileCall("averagePool") { _ = averagePool(image, window: (2, 2), strides: ($0, 1)) },
    HostileCall("averagePool") {
      _ = averagePool(image, window: (2, 2), padding: .explicit(top: 0, bottom: $0, left: 0, right: 0))
    },
    HostileCall("maxPool", "copy", "broadcast") { _ = maxPool(huge($0)[..., TensorIndex.newAxis], window: (2, 2)) },
  ]

  private static let transforms: [HostileCall] = [
    HostileCall("vmap") { n in _ = vmap({ (x: Tensor) in x * 2 }, axis: n)(x) },
    HostileCall("vmap", "movingAxis") { n in _ = vmap({ (x: Tensor) in x * 2 }, outputAxis: n)(x) },
    HostileCall("vmap", "broadcast", "contraction", "outer") { n in
      _ = vmap { (x: Tensor) in outer(huge(n), huge(n)) * x }(x)
    },
    HostileCall("jacobian") { n in _ = jacobian(of: { exp($0) }, at: x, chunk: n) },
    HostileCall("jacobian") { n in _ = jacobian(of: { exp($0) }, at: x, mode: .forward, chunk: n) },
    HostileCall("broadcast", "exp", "sum", "copy") { n in
      _ = gradient(of: { exp($0.broadcast(to: [1 << 40, n])).sum() }, at: Tensor(1))
    },
    HostileCall("withThreadLimit") { n in withThreadLimit(n) {} },
    HostileCall("AUTODIFF_POOL_BYTES") { n in
      setenv("AUTODIFF_POOL_BYTES", n > 0 ? "\(n)0" : "\(n)", 1)
      _ = Tensor.normal([100_000], like: 0)
    },
    HostileCall("AUTODIFF_THREADS") { n in
      setenv("AUTODIFF_THREADS", "\(n)", 1)
      _ = Tensor.normal([100_000], like: 0).sum()
    },
  ]
}

extension Int {
  fileprivate var clampedMagnitude: Int { Int(clamping: magnitude) }
}

extension Tensor {
  fileprivate static func normal(_ shape: [Int], like seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return normal(shape, using: &generator)
  }
}
