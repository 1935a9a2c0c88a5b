import AutoDiff

/// `lse`: log Σᵢ exp xᵢ, with the largest entry taken out, and its gradient.
struct LogSumExp: GradBenchProblem {
  static let module = "lse"

  struct Input: Decodable { let x: [Double] }

  let x: Tensor

  init(_ input: Input) throws {
    try requirePositive("the number of entries of x", input.x.count)
    x = Tensor(input.x)
  }

  /// Written out, as the suite asks. The shift cancels, so that no derivative goes through it.
  static func value(_ x: Tensor) -> Tensor {
    let shift = stopGradient(x.max())
    return shift + log(exp(x - shift).sum())
  }

  static var functions: [GradBenchFunction<LogSumExp>] {
    [
      GradBenchFunction("primal") { problem in
        let value = compiled { (x: Tensor) in Self.value(x) }
        return { value(problem.x) }
      },
      GradBenchFunction("gradient") { problem in
        let derivative = compiled { (x: Tensor) in gradient(of: Self.value, at: x) }
        return { derivative(problem.x) }
      },
    ]
  }
}
