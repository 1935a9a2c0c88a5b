import AutoDiff

/// `saddle`: the least value over x of the greatest value over y of ‖x‖² − ‖y‖². The outer descent needs the derivative of
/// the whole inner one.
struct Saddle: GradBenchProblem {
  static let module = "saddle"

  struct Input: Decodable { let start: [Double] }

  let start: Tensor

  init(_ input: Input) throws { start = try Tensor("start", input.start, 2) }

  static func height(_ x: Tensor, _ y: Tensor) -> Tensor { square(x).sum() - square(y).sum() }

  /// x and y one after the other.
  static func point(_ start: Tensor, _ nesting: Nesting) -> Tensor {
    func summit(_ x: Tensor, by mode: DifferentiationMode) -> Tensor {
      minimizer(of: { -height(x, $0) }, from: start, by: mode)
    }
    let x = minimizer(of: { height($0, summit($0, by: nesting.inner)) }, from: start, by: nesting.outer)
    return concatenate([x, summit(x, by: nesting.outer)])
  }

  static var functions: [GradBenchFunction<Saddle>] {
    Nesting.allCases.map { nesting in
      GradBenchFunction(nesting.rawValue) { problem in
        let point = compiled { start in Self.point(start, nesting) }
        return { point(problem.start) }
      }
    }
  }
}
