import AutoDiff
import TestSupport
import Testing

/// A function of parameters, the bounds of which are held against what is true at points of the ball.
struct BoundedFunction: Sendable, CustomTestStringConvertible {
  let name: String
  let shapes: [[Int]]
  /// Where the parameters lie around.
  let offset: Double
  let f: @Sendable ([Tensor]) -> Tensor
  var testDescription: String { name }

  init(_ name: String, _ shapes: [[Int]], around offset: Double = 0, _ f: @escaping @Sendable ([Tensor]) -> Tensor) {
    (self.name, self.shapes, self.offset, self.f) = (name, shapes, offset, f)
  }

  func parameters(seed: UInt64) -> [Tensor] {
    var random = RandomGenerator(seed: seed)
    return shapes.map { Tensor.normal($0, using: &random) * 0.5 + offset }
  }

  static func unary(
    _ name: String, around offset: Double = 0, _ f: @escaping @Sendable (Tensor) -> Tensor
  ) -> BoundedFunction {
    BoundedFunction(name, [[2, 3]], around: offset) { f($0[0]) }
  }

  static let elementwise: [BoundedFunction] = [
    .unary("tanh") { tanh($0) }, .unary("sigmoid") { sigmoid($0) }, .unary("softplus") { softplus($0, sharpness: 2) },
    .unary("erf") { erf($0) }, .unary("erfc") { erfc($0) }, .unary("gelu") { gelu($0) }, .unary("silu") { silu($0) },
    .unary("sin") { sin($0) }, .unary("cos") { cos($0) }, .unary("arctan") { arctan($0) }, .unary("exp") { exp($0) },
    .unary("expm1") { expm1($0) }, .unary("log", around: 4) { log($0) }, .unary("log1p", around: 3) { log1p($0) },
    .unary("sqrt", around: 4) { sqrt($0) }, .unary("pow", around: 4) { pow($0, 2.5) }, .unary("cube") { pow($0, 3) },
    .unary("reciprocal", around: 4) { reciprocal($0) }, .unary("square") { square($0) }, .unary("minus") { -$0 },
    .unary("scale") { $0 * -1.5 }, .unary("divided") { $0 / -3 }, .unary("offset") { $0 + 0.3 },
    .unary("relu", around: 4) { relu($0) }, .unary("dead relu", around: -4) { relu($0) },
    .unary("abs", around: -4) { abs($0) }, .unary("clamp") { clamp($0, min: -9, max: 9) },
    .unary("converted") { $0.as(.float64) }, .unary("no gradient") { stopGradient($0) + $0 },
    BoundedFunction("add", [[3], [3]]) { $0[0] + $0[1] + $0[0] },
    BoundedFunction("subtract", [[3], [3]]) { $0[0] - $0[1] },
    BoundedFunction("multiply", [[3], [3]]) { $0[0] * $0[1] * $0[0] },
    BoundedFunction("divide", [[3], [3]], around: 4) { $0[0] / $0[1] },
    BoundedFunction("maximum", [[3], [3]]) { maximum($0[0] + 9, $0[1]) },
    BoundedFunction("minimum", [[3], [3]]) { minimum($0[0] + 9, $0[1]) },
    BoundedFunction("select", [[3], [3]]) { select(Tensor([1, 0, 1]), $0[0], $0[1] * 2) },
    BoundedFunction("select by value", [[3], [3]]) { select($0[0] .< $0[1] + 9, $0[0], $0[1] * 2) },
  ]

  static let shaping: [BoundedFunction] = [
    .unary("reshape") { tanh($0.reshaped(to: [3, 2])) }, .unary("permute") { tanh($0.transposed) },
    .unary("broadcast") { tanh($0.broadcast(to: [4, 2, 3])) }, .unary("slice") { tanh($0[0..<2, 1]) },
    .unary("padded") { tanh($0.padded([(1, 0), (0, 2)])) },
    BoundedFunction("concatenate", [[2, 3], [1, 3]]) { tanh(concatenate([$0[0], $0[1], $0[0] * 2])) },
    BoundedFunction("assignment", [[4], [2]]) { p in
      var x = tanh(p[0])
      x[1..<3] = p[1]
      return x * x
    },
    .unary("gather") { tanh($0.gathered(at: [2, 0, 2], axis: 1)) },
    .unary("gather at computed places") { tanh($0.gathered(at: ($0[0] .> -100) * 2, axis: 1)) },
    .unary("scatter") { tanh($0.scatterAdded(at: Tensor([1, 1, 0]), axis: 1, extent: 2)) },
    .unary("sum") { tanh($0.sum(axes: [1])) }, .unary("mean") { tanh($0.mean()) },
  ]

  static let reductions: [BoundedFunction] = [
    .unary("softmax") { softmax($0) }, .unary("log softmax") { logSoftmax($0) },
    .unary("log sum exp") { logsumexp($0) },
    .unary("norm", around: 2) { $0.norm(axes: [1]) }, .unary("layer norm") { layerNorm($0, epsilon: 0.1) },
  ]

  static let products: [BoundedFunction] = [
    BoundedFunction("matrix product", [[2, 3], [3, 4]]) { matmul($0[0], $0[1]) },
    BoundedFunction("with its transpose", [[2, 3]]) { matmul($0[0], $0[0].transposed) },
    BoundedFunction("stacked products", [[2, 2, 3], [2, 3, 2]]) { matmul($0[0], $0[1]) },
    BoundedFunction("outer product", [[3], [2]]) { outer($0[0], $0[1]) },
    BoundedFunction("inner product", [[3], [3]]) { dot($0[0], $0[1]) },
    BoundedFunction("with a constant", [[3, 2]]) { matmul(Tensor([[1, -2, 3], [0.5, 0, 1]]), tanh($0[0])) },
    BoundedFunction("convolution", [[4, 4, 2], [2, 2, 2, 3]]) {
      convolution($0[0], $0[1], strides: (2, 1), padding: .same)
    },
    BoundedFunction("groups", [[3, 3, 2], [2, 2, 1, 2]]) { convolution($0[0], $0[1], groups: 2) },
    BoundedFunction("average pool", [[4, 4, 1]]) { tanh(averagePool($0[0], window: (2, 2), padding: .same)) },
  ]

  static let all = elementwise + shaping + reductions + products

  /// Steep, but with gradients that jump.
  static let kinked: [BoundedFunction] = [
    .unary("max") { $0.max(axes: [0]) }, .unary("min") { $0.min(axes: [1]) }, .unary("relu") { relu($0) },
    .unary("abs") { abs($0) }, .unary("clamp") { clamp($0, min: -0.1, max: 0.2) },
    BoundedFunction("maximum", [[3], [3]]) { maximum($0[0], $0[1]) },
    BoundedFunction("minimum", [[3], [3]]) { minimum($0[0], $0[1]) },
  ]

  /// The gradient of a number that is made of all outputs: it is bounded as any other function.
  var gradient: BoundedFunction {
    BoundedFunction("gradient of \(name)", shapes, around: offset) { p in
      AutoDiff.gradient(
        of: { p in
          let y = f(p).flattened
          return dot(y, cos(.range(to: Double(y.count), as: y.scalarType)))
        }, at: p
      ).flattenedEntries
    }
  }
}

/// x³, with bounds as a user would state them.
private struct UserCube: ElementwisePrimitive {
  var isBounded = true
  var name: String { "userCube" }
  func evaluate(_ inputs: Inputs) -> Tensor { inputs[0] * inputs[0] * inputs[0] }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    v * inputs[0] * inputs[0] * 3
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    guard isBounded else { throw .notStated(primitive: name) }
    typealias Order = SmoothFunction.Order
    let cube = SmoothFunction([
      Order { $0 * $0 * $0 }, Order(turns: .points([0])) { 3 * $0 * $0 }, Order { 6 * $0 }, Order { _ in 6 },
    ])
    return try inputs[0].applying(cube, for: name)
  }
}

@Suite struct ValueBoundsTests {
  @Test func aUsersPrimitiveStatesItsOwn() throws {
    let cube = BoundedFunction("a user's cube", [[2, 3]]) { bind(UserCube(), $0[0] * 2) }
    try check(cube, radius: 0.3, seed: 1)
    try check(cube.gradient, radius: 0.3, seed: 1)
    #expect(throws: BoundError.notStated(primitive: "userCube")) {
      try valueBounds(of: { bind(UserCube(isBounded: false), $0) }, at: Tensor([2.0]), radius: 0.1)
    }
  }

  @Test func numbersCannotBeRead() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try valueBounds(of: { Tensor($0.scalar) }, at: Tensor(1), radius: 1)
    }
    #expect(result.message.contains("scalar: a value that stands for all values in a ball cannot be read"))
  }

  /// The value, and the Jacobian's rows and norms with random weights, at random points of the ball.
  @Test(arguments: BoundedFunction.all, [0, 0.01, 0.4]) func holdInTheBall(_ row: BoundedFunction, radius: Double)
    throws
  {
    try check(row, radius: radius, seed: 1)
    try check(row.gradient, radius: radius, seed: 2)
  }

  @Test(arguments: BoundedFunction.kinked, [0.01, 0.4]) func holdAcrossKinks(_ row: BoundedFunction, radius: Double)
    throws
  {
    try check(row, radius: radius, seed: 1)
    #expect(throws: BoundError.self) { try valueBounds(of: row.gradient.f, at: row.parameters(seed: 1), radius: 2) }
  }

  private func check(_ row: BoundedFunction, radius: Double, seed: UInt64) throws {
    let center = row.parameters(seed: seed)
    let bounds = try valueBounds(of: row.f, at: center, radius: radius)[0]
    #expect(bounds.initial.contains(row.f(center)), "\(row.name) at the center")
    var random = RandomGenerator(seed: seed)
    for sample in 0..<3 {
      let direction = Tensor.normal([center.entryCount], using: &random)
      let reach = radius * (sample == 0 ? 1 : 0.7) * (1 - 1e-12)
      let point = center.flattenedEntries + direction * (reach / direction.norm().scalar)
      let value = { (x: Tensor) in row.f(center.replacingEntries(with: x)) }
      #expect(bounds.range.contains(value(point)), "\(row.name) in a ball of \(radius)")
      let all = jacobian(of: { value($0).flattened }, at: point)
      var start = 0
      for (leaf, tensor) in center.enumerated() {
        let part = all[TensorIndex.all, start..<start + tensor.count]
        start += tensor.count
        let slopes = bounds.slopes[leaf]
        let rows = (slopes?.rows.flattened ?? .zeros([part.shape[0]])) * (1 + 1e-12) + 1e-14
        let excess = (part.norm(axes: [1]) - rows).max().scalar
        #expect(excess <= 0, "\(row.name): rows of leaf \(leaf) by \(excess)")
        let weights = Tensor.uniform([part.shape[0]], using: &random)
        let scaled = part * weights.expanded(at: 1)
        let norm = try symmetricEigenvalues(matmul(scaled, scaled.transposed)).max().scalar
        let allowed = (weights * (slopes?.scale.flattened ?? .zeros([part.shape[0]]))).max().scalar
        #expect(max(0, norm).squareRoot() <= allowed * (1 + 1e-9) + 1e-7, "\(row.name): norm of leaf \(leaf)")
      }
    }
  }

  /// With one factor the bounds are as sharp as they can be: the norm of a product's derivative in the weight is ‖x‖.
  @Test func productsAreSharp() throws {
    let x = Tensor([3.0, -4])
    let bounds = try valueBounds(of: { matmul(x, $0) }, at: Tensor([[1.0, 2, 3], [4, 5, 6]]), radius: 0.1)[0]
    #expect(bounds.slopes[0]!.norm >= 5 && bounds.slopes[0]!.norm < 5 * (1 + 1e-9))
    #expect(bounds.slope < 5 * (1 + 1e-9))
    let width: Double = (bounds.range.upper - bounds.range.lower).max().scalar
    #expect(width < 1 + 1e-9)
  }

  @Test func namesThePrimitiveThatIsMissing() {
    #expect(throws: BoundError.notStated(primitive: "pow")) {
      try valueBounds(of: { pow($0, $0) }, at: Tensor([2.0]), radius: 0.1)
    }
  }

  /// relu has bounds, its gradient has none where a unit may change its sign; away from there it is linear.
  @Test func reluHasNoSecondDerivativeAtItsKink() throws {
    let slope = { (x: Tensor) in gradient(of: { relu($0).sum() }, at: x) }
    _ = try valueBounds(of: { relu($0) }, at: Tensor([0.1, 3]), radius: 1)
    let away = try valueBounds(of: slope, at: Tensor([-2.0, 3]), radius: 1)[0]
    #expect(away.range.contains(Tensor([0.0, 1])) && away.slope == 0)
    #expect {
      try valueBounds(of: slope, at: Tensor([2, 0.1]), radius: 1)
    } throws: { error in
      guard case .outsideDomain("relu", _, [1], let lower, let upper) = error as? BoundError else { return false }
      return lower < -0.89 && upper > 1.09
    }
  }

  @Test func domainsAreKept() {
    for f in [{ log($0) }, { sqrt($0) }, { 1 / $0 }, { pow($0, -0.5) }] as [@Sendable (Tensor) -> Tensor] {
      #expect(throws: BoundError.self) { try valueBounds(of: f, at: Tensor([0.5]), radius: 0.6) }
      #expect(throws: Never.self) { try valueBounds(of: f, at: Tensor([0.5]), radius: 0.4) }
    }
    #expect(throws: BoundError.notFinite(primitive: "exp")) {
      try valueBounds(of: { exp($0) }, at: Tensor([700.0]), radius: 30)
    }
  }

  /// The same function in single precision: its constants are rounded, its bounds are not.
  @Test func takesEitherType() throws {
    let p = Tensor([0.5, -0.25], as: .float32)
    let single = try valueBounds(of: { tanh($0 * 0.5).sum() }, at: p, radius: 0.5)[0]
    let double = try valueBounds(of: { tanh($0 * 0.5).sum() }, at: p.as(.float64), radius: 0.5)[0]
    #expect(abs(single.slope - double.slope) <= 1e-15)
    #expect(single.range.lower == double.range.lower)
  }
}
