import AutoDiff

// What a user of the package would write, with nothing but its public interface.

/// √(a² + b²), entry by entry, without overflow: an elementwise primitive needs its values and one rule.
struct Hypotenuse: ElementwisePrimitive {
  var name: String { "hypotenuse" }

  func evaluate(_ inputs: Inputs) -> Tensor {
    inputs[0].zipMapped(inputs[1]) { a, b in
      let (large, small) = (max(a.magnitude, b.magnitude), min(a.magnitude, b.magnitude))
      return large == 0 ? 0 : large * (1 + (small / large) * (small / large)).squareRoot()
    }
  }

  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    v * inputs[argument] / output
  }
}

/// The sums of the first 1, 2, … entries along the last axis, or of the last ones: a linear primitive needs its adjoint.
struct RunningTotal: LinearPrimitive {
  var isReversed = false
  var name: String { "runningTotal" }

  func shape(of inputs: Inputs) -> [Int] {
    if inputs[0].rank == 0 { stop("needs at least one axis", got: "\(inputs[0].shape)") }
    return inputs[0].shape
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    var entries = inputs[0].scalars
    let shape = shape(of: inputs)
    let columns = shape[shape.count - 1]
    for start in stride(from: 0, to: entries.count, by: max(1, columns)) {
      for k in 1..<max(1, columns) {
        if isReversed {
          entries[start + columns - 1 - k] += entries[start + columns - k]
        } else {
          entries[start + k] += entries[start + k - 1]
        }
      }
    }
    return Tensor(entries, shape: shape, as: inputs[0].scalarType)
  }

  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    bind(RunningTotal(isReversed: !isReversed), cotangent)
  }

  // The last axis stays the last one when examples come in front.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { bind(self, inputs[0]) }
}

/// The polynomial Σ cₖ xᵏ of every x, with all four rules written by hand.
///
/// - Shapes: coefficients [n] and any shape → that shape.
struct Polynomial: Primitive {
  var name: String { "polynomial" }

  func shape(of inputs: Inputs) -> [Int] {
    if inputs[0].rank != 1 { stop("the coefficients must be a vector", got: "\(inputs[0].shape)") }
    return inputs[1].shape
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let coefficients = inputs[0].scalars
    let entries = inputs[1].scalars.map { x in coefficients.reversed().reduce(0) { $0 * x + $1 } }
    return Tensor(entries, shape: shape(of: inputs), as: inputs[1].scalarType)
  }

  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    let byCoefficients = tangents[0].map { bind(self, $0, inputs[1]) }
    let byX = tangents[1].map { $0 * slope(inputs) }
    guard let byCoefficients, let byX else { return byCoefficients ?? byX }
    return byCoefficients + byX
  }

  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    if argument == 1 { return cotangent * slope(inputs) }
    let x = inputs[1]
    return stack((0..<inputs[0].count).map { k in (cotangent * pow(x, Double(k))).sum() })
  }

  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    if !isBatched[0] { return bind(self, inputs[0], inputs[1]) }
    // Every example has coefficients of its own: Horner's rule on all of them at once.
    let rank = isBatched[1] ? inputs[1].rank : inputs[1].rank + 1
    let x = isBatched[1] ? inputs[1] : inputs[1].broadcast(to: [size] + inputs[1].shape)
    let columns = (0..<inputs[0].shape[1]).map { k in
      inputs[0][..., k].reshaped(to: [size] + [Int](repeating: 1, count: rank - 1))
    }
    return columns.reversed().reduce(Tensor.zeros(like: x)) { $0 * x + $1 }
  }

  private func slope(_ inputs: Inputs) -> Tensor {
    let coefficients = inputs[0]
    guard coefficients.count > 1 else { return .zeros(like: inputs[1]) }
    let degrees = Tensor.range(from: 1, to: Double(coefficients.count), as: coefficients.scalarType)
    return bind(self, coefficients[1...] * degrees, inputs[1])
  }
}
