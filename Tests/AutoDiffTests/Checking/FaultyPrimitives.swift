import AutoDiff

/// sin with rules that can be made wrong, so that the checks can be checked.
struct FaultySine: ElementwisePrimitive {
  enum Fault { case none, derivative, transpose, secondDerivative, thirdDerivative, notANumber }
  var fault = Fault.none
  var name: String { "faultySine" }

  func evaluate(_ inputs: Inputs) -> Tensor { sin(inputs[0]) }

  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    switch fault {
    case .none, .transpose: v * cos(inputs[0])
    case .derivative: v * cos(inputs[0]) * 1.001
    // The right value, by a formula whose own derivative is off by 0.1 %.
    case .secondDerivative: v * (cos(inputs[0]) * 1.001 - stopGradient(cos(inputs[0]) * 0.001))
    // cos x = sin(x + π/2), whose second derivative is then wrong.
    case .thirdDerivative: v * bind(FaultySine(fault: .secondDerivative), inputs[0] + .pi / 2)
    case .notANumber: v * cos(inputs[0]) * .nan
    }
  }

  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let right = timesDerivative(cotangent, argument, inputs, output)
    return fault == .transpose ? right.map { $0 * 1.001 } : right
  }
}

/// The product of two tensors, whose derivative by the second is off by 0.1 % in one entry.
struct FaultyProduct: ElementwisePrimitive {
  let faultyEntry: Int
  var name: String { "faultyProduct" }

  func evaluate(_ inputs: Inputs) -> Tensor { inputs[0] * inputs[1] }

  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    if argument == 0 { return v * inputs[1] }
    let count = inputs[0].count
    let weights = Tensor((0..<count).map { $0 == faultyEntry ? 1.001 : 1 }, as: v.scalarType)
    return v * inputs[0] * weights.reshaped(to: inputs[0].shape)
  }
}
