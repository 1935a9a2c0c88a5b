import AutoDiff

/// `particle`: where a charge must stand for a particle to come down near the origin. The acceleration is the gradient of
/// a potential; the descent needs the derivative of the whole flight.
struct Particle: GradBenchProblem {
  static let module = "particle"

  struct Input: Decodable { let w: Double }

  let start: Tensor

  init(_ input: Input) { start = Tensor(input.w) }

  /// A particle in flight.
  private struct Flight: TensorTree {
    /// Where it is, where it was before, and how it came from there.
    var position, former, velocity: Tensor
    var steps = Tensor(0)

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      for path in [\Self.position, \.former, \.velocity, \.steps] { body(&self[keyPath: path]) }
    }
  }

  /// The square of where the particle comes down, for a charge at (10, 10 − w) and one at (10, 0).
  static func landing(_ w: Tensor, by mode: DifferentiationMode) -> Tensor {
    let charges = Tensor([[10, 10], [10, 0]]) - Tensor([[0, 1], [0, 0]]) * w
    func potential(_ x: Tensor) -> Tensor { reciprocal(sqrt(square(charges - x).sum(axes: [1]))).sum() }
    let step = 0.1
    let (start, velocity) = (Tensor([0, 8]), Tensor([0.75, 0]))
    let first = Flight(position: start + step * velocity, former: start, velocity: velocity)
    // Not-a-number ends the flight as well.
    let flight = repeated(while: { ($0.position[1] .> 0) * ($0.steps .< flightLimit) }, first) { flight in
      let (_, force) = valueWithGradient(of: potential, at: flight.former, by: mode)
      let velocity = flight.velocity - step * force
      return Flight(
        position: flight.position + step * velocity, former: flight.position, velocity: velocity,
        steps: flight.steps + 1)
    }
    let (x, v) = (flight.position, flight.velocity)
    return select(flight.steps .< flightLimit, square(x[0] - x[1] / v[1] * v[0]), .nan)
  }

  /// The steps of a flight at most; one that has not come down by then never will.
  private static let flightLimit = 10_000.0

  static var functions: [GradBenchFunction<Particle>] {
    Nesting.allCases.map { nesting in
      GradBenchFunction(nesting.rawValue) { problem in
        let minimum = compiled { start in
          minimizer(of: { landing($0, by: nesting.inner) }, from: start, by: nesting.outer)
        }
        return { minimum(problem.start) }
      }
    }
  }
}
