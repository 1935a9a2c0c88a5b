import AutoDiff

/// `particle`: where a charge must stand for a particle to come down near the origin. The acceleration is the gradient of
/// a potential; the descent needs the derivative of the whole flight.
struct Particle: GradBenchProblem {
  static let module = "particle"

  struct Input: Decodable { let w: Double }

  let start: Tensor

  init(_ input: Input) { start = Tensor(input.w) }

  /// The square of where the particle comes down, for a charge at (10, 10 − w) and one at (10, 0).
  static func landing(_ w: Tensor, by mode: DifferentiationMode) -> Tensor {
    let charges = Tensor([[10, 10], [10, 0]]) - Tensor([[0, 1], [0, 0]]) * w
    func potential(_ x: Tensor) -> Tensor { reciprocal(sqrt(square(charges - x).sum(axes: [1]))).sum() }
    let step = 0.1
    var (x, velocity) = (Tensor([0, 8]), Tensor([0.75, 0]))
    for _ in 0..<flightLimit {
      let force = gradient(of: potential, at: x, by: mode)
      x += step * velocity
      // Not-a-number ends the flight as well.
      if !(x[1].scalar > 0) {
        let end = x[0] - x[1] / velocity[1] * velocity[0]
        return square(end)
      }
      velocity -= step * force
    }
    return Tensor(.nan)
  }

  /// The steps of a flight at most; one that has not come down by then never will.
  private static let flightLimit = 10_000

  static var functions: [GradBenchFunction<Particle>] {
    Nesting.allCases.map { nesting in
      GradBenchFunction(nesting.rawValue) { problem in
        { minimizer(of: { landing($0, by: nesting.inner) }, from: problem.start, by: nesting.outer) }
      }
    }
  }
}
