import AutoDiff

/// `hello`: the square of a number and its derivative.
struct Hello: GradBenchProblem {
  static let module = "hello"
  let x: Tensor

  init(_ x: Double) { self.x = Tensor(x) }

  static var functions: [GradBenchFunction<Hello>] {
    [
      GradBenchFunction("square") { problem in { square(problem.x) } },
      GradBenchFunction("double") { problem in { gradient(of: square, at: problem.x) } },
    ]
  }
}
