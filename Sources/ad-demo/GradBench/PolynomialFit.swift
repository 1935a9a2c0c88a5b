import AutoDiff

/// `llsq`: how far a polynomial is from the sign function at n points of [−1, 1], and the gradient in its coefficients.
///
///     ½ Σᵢ (sign tᵢ − Σⱼ xⱼ tᵢʲ)²,  tᵢ = −1 + 2i/(n − 1)
///
/// With j = w a + b the power is t^(wa) t^b, so that a table of the first w powers and one of the first powers of t^w are
/// enough: the sum over b is a product of matrices.
struct PolynomialFit: GradBenchProblem {
  static let module = "llsq"

  struct Input: Decodable {
    let x: [Double]
    let n: Int
  }

  let coefficients: Tensor
  private let n: Int

  init(_ input: Input) throws {
    guard input.n > 1 else { throw GradBenchError("n must be at least 2, but got \(input.n)") }
    try requirePositive("the number of entries of x", input.x.count)
    (coefficients, n) = (Tensor(input.x), input.n)
  }

  func loss(_ x: Tensor) -> Tensor {
    let m = x.count
    let width = Int(Double(m).squareRoot().rounded(.up))
    let height = (m + width - 1) / width
    let t = -1 + Tensor.range(to: Double(n)) * (2 / Double(n - 1))
    let low = powers(of: t, width)
    let high = powers(of: low[width - 1] * t, height)
    let table = x.padded([(0, width * height - m)]).reshaped(to: [height, width])
    let polynomial = (high * matmul(table, low)).sum(axes: [0])
    return 0.5 * square(sign(t) - polynomial).sum()
  }

  /// The powers 0 to `count` − 1 of every entry.
  ///
  /// - Shapes: [n] → [count, n].
  private func powers(of t: Tensor, _ count: Int) -> Tensor {
    var powers = Tensor.ones([1, n])
    var factor = t
    while powers.shape[0] < count {
      powers = concatenate([powers, powers * factor])
      factor = square(factor)
    }
    return powers[0..<count]
  }

  static var functions: [GradBenchFunction<PolynomialFit>] {
    [
      GradBenchFunction("primal") { fit in
        let value = compiled { (x: Tensor) in fit.loss(x) }
        return { value(fit.coefficients) }
      },
      GradBenchFunction("gradient") { fit in
        let derivative = compiled { (x: Tensor) in gradient(of: fit.loss, at: x) }
        return { derivative(fit.coefficients) }
      },
    ]
  }
}
