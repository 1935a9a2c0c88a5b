import AutoDiff

/// `ode`: the classical Runge–Kutta method for y₀′ = x₀, yᵢ′ = xᵢ yᵢ₋₁ with y(0) = 0, and the gradient of the last entry
/// of y(2).
struct RungeKutta: GradBenchProblem {
  static let module = "ode"

  struct Input: Decodable {
    let x: [Double]
    let s: Int
  }

  let x: Tensor
  private let steps: Int

  init(_ input: Input) throws {
    try requirePositive("the number of entries of x", input.x.count)
    try requirePositive("s", input.s)
    (x, steps) = (Tensor(input.x), input.s)
  }

  func solution(_ x: Tensor) -> Tensor {
    let (one, last) = (Tensor.ones([1]), x.count - 1)
    func slope(_ y: Tensor) -> Tensor { x * concatenate([one, y[..<last]]) }
    func moved(_ y: Tensor, _ slope: Tensor, _ h: Double) -> Tensor {
      var y = y
      y.add(slope, scaledBy: h)
      return y
    }
    let h = 2 / Double(steps)
    var y = Tensor.zeros(like: x)
    for _ in 0..<steps {
      let k1 = slope(y)
      let k2 = slope(moved(y, k1, h / 2))
      let k3 = slope(moved(y, k2, h / 2))
      let k4 = slope(moved(y, k3, h))
      y = moved(y, moved(k1 + k4, k2 + k3, 2), h / 6)
    }
    return y
  }

  static var functions: [GradBenchFunction<RungeKutta>] {
    [
      GradBenchFunction("primal") { ode in
        let value = compiled { (x: Tensor) in ode.solution(x) }
        return { value(ode.x) }
      },
      GradBenchFunction("gradient") { ode in
        let derivative = compiled { (x: Tensor) in gradient(of: { ode.solution($0)[-1] }, at: x) }
        return { derivative(ode.x) }
      },
    ]
  }
}
