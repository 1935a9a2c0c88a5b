import AutoDiff
import Layers
import Tangent
import Testing

/// What a user writes outside this package: y = x³ tanh x as one primitive, with nothing but the public interface.
private struct CubicTanh: ElementwisePrimitive {
  var name: String { "cubicTanh" }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let x = inputs[0]
    return x * x * x * tanh(x)
  }

  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    let x = inputs[0]
    let t = tanh(x)
    return v * (3 * x * x * t + x * x * x * (1 - t * t))
  }
}

/// Σₖ wₖ |x − cₖ|² of a point x, for parameters w and c: rules for several inputs, written by hand.
private struct WeightedDistances: Primitive {
  var name: String { "weightedDistances" }

  func shape(of inputs: Inputs) -> [Int] {
    let (x, w, c) = (inputs[0].shape, inputs[1].shape, inputs[2].shape)
    guard x.count == 1, w.count == 1, c == [w[0], x[0]] else {
      stop("needs [d], [k] and [k, d]", got: "\(x), \(w) and \(c)")
    }
    return []
  }

  func evaluate(_ inputs: Inputs) -> Tensor { dot(inputs[1], square(differences(inputs)).sum(axes: [1])) }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents.indices.reduce(Tensor?.none) { sum, argument in
      guard let tangent = tangents[argument] else { return sum }
      let part = dot(slope(inputs, argument), tangent)
      return sum.map { $0 + part } ?? part
    }
  }

  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    slope(inputs, argument) * cotangent
  }

  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    let (x, w, c) = (inputs[0], inputs[1], inputs[2])
    let points = isBatched[0] ? x.expanded(at: 1) : x
    let squares = square(points - c).sum(axes: [-1])
    return (squares * w).sum(axes: [-1]).broadcast(to: [size])
  }

  private func differences(_ inputs: Inputs) -> Tensor { inputs[0] - inputs[2] }

  private func slope(_ inputs: Inputs, _ argument: Int) -> Tensor {
    let weighted = differences(inputs) * inputs[1].expanded(at: 1) * 2
    switch argument {
    case 0: return weighted.sum(axes: [0])
    case 1: return square(differences(inputs)).sum(axes: [1])
    default: return -weighted
    }
  }
}

@Suite struct UserPrimitiveTests {
  static let model = Model(
    "user-defined primitives", parameters: [[3, 4], [4, 2], [5], [5, 2]], example: [3], seed: 51
  ) { x, p in
    bind(WeightedDistances(), [matmul(bind(CubicTanh(), matmul(x, p[0])), p[1]), p[2], p[3]])
  }
  /// The same function of built-in operations.
  static let plain = Model(
    "built-in operations", parameters: [[3, 4], [4, 2], [5], [5, 2]], example: [3], seed: 51
  ) { x, p in
    let h = matmul(x, p[0])
    return dot(p[2], square(matmul(h * h * h * tanh(h), p[1]) - p[3]).sum(axes: [1]))
  }

  @Test func haveTheRightDerivatives() throws {
    let (model, x) = (Self.model, Self.model.examples[0])
    try checkDerivatives(of: { model.f(x, $0) }, at: model.parameters, orders: 1...3).requirePassed()
    try checkDerivatives(of: { model.f($0, model.parameters) }, at: x, orders: 1...3).requirePassed()
  }

  @Test func workInsideATangentKernel() {
    let (model, plain) = (Self.model, Self.plain)
    let kernel = tangentKernel(of: model.f, at: model.parameters, on: model.examples)
    expectClose(kernel, naiveKernel(of: model.f, at: model.parameters, on: model.examples))
    expectClose(kernel, tangentKernel(of: plain.f, at: plain.parameters, on: plain.examples), tolerance: 1e-11)
  }

  @Test(arguments: 3...4) func workInsideHigherKernels(order: Int) {
    let (model, plain) = (Self.model, Self.plain)
    expectClose(
      higherKernel(order: order, of: model.f, at: model.parameters, on: model.examples),
      higherKernel(order: order, of: plain.f, at: plain.parameters, on: plain.examples), tolerance: 1e-11)
  }
}
