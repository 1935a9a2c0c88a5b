import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct LanczosQuadratureTests {
  /// vᵀ Aʲ v for every j < 2 m, which determines the rule.
  @Test(arguments: [1, 2, 3, 5, 8], ProbeLaw.allCases) func isExactForPolynomials(steps: Int, law: ProbeLaw) throws {
    var random = RandomGenerator(seed: 1)
    let matrix = try PlantedMatrix.random((0..<30).map { Double($0) / 15 - 0.7 }, using: &random)
    let a = try DenseSymmetricOperator(matrix)
    var copy = random
    let result = try LanczosQuadrature(of: a, probes: 3, steps: steps, law: law, using: &random)
    #expect(result.rules.count == 3 && result.products == 3 * steps && !result.isExact)
    for rule in result.rules {
      let start = law == .rademacher ? Tensor.rademacher([30], using: &copy) : .normal([30], using: &copy)
      let v = start / start.norm()
      var power = v
      for degree in 0..<2 * steps {
        let sum = zip(rule.nodes, rule.weights).reduce(0) { $0 + $1.1 * pow($1.0, Double(degree)) }
        #expect(abs(sum - dot(v, power).scalar) < 1e-12, "degree \(degree)")
        power = matmul(matrix, power)
      }
    }
  }

  /// Memory decides how many run at once, and nothing else.
  @Test func theBudgetDoesNotChangeTheRules() throws {
    let a = try DenseSymmetricOperator(PlantedMatrix.secondDifference(50))
    for law in ProbeLaw.allCases {
      let runs = try [nil, 0, 20_000].map { budget in
        var random = RandomGenerator(seed: 2)
        return try LanczosQuadrature(of: a, probes: 5, steps: 10, law: law, budget: budget, using: &random)
      }
      for run in runs.dropFirst() {
        for (rule, first) in zip(run.rules, runs[0].rules) {
          expectClose(Tensor(rule.nodes), Tensor(first.nodes), .analytic)
          expectClose(Tensor(rule.weights), Tensor(first.weights), .analytic)
        }
      }
    }
  }

  /// Spaces that end early: the rule is then exact, whatever the function.
  @Test(arguments: awkwardSpectra, ScalarType.allCases) func invariantSpaces(spectrum: [Double], type: ScalarType)
    throws
  {
    let n = spectrum.count
    let a = try DenseSymmetricOperator(PlantedMatrix.exact(spectrum, as: type))
    var random = RandomGenerator(seed: 3)
    let result = try LanczosQuadrature(of: a, probes: 40, steps: n, law: .gaussian, using: &random)
    let scale = spectrum.map(\.magnitude).max() ?? 0
    #expect(result.isExact)
    let different = Set(spectrum)
    for rule in result.rules where scale > 0 {
      #expect(rule.nodes.count <= n && abs(rule.weights.reduce(0, +) - 1) < 1e-12)
      // Nodes with weight are eigenvalues.
      for (node, weight) in zip(rule.nodes, rule.weights) where weight > 1e-3 {
        let nearest = different.map { abs($0 - node) }.min() ?? 0
        #expect(nearest < (type == .float64 ? 1e-9 : 1e-2) * scale, "\(node) of \(spectrum)")
      }
    }
    let cube = try result.trace { $0 * $0 * $0 }
    let truth = spectrum.reduce(0) { $0 + $1 * $1 * $1 }
    let rounding = 1e3 * type.epsilon * scale * scale * scale * Double(n)
    #expect(abs(cube.value - truth) <= 5 * cube.standardError + rounding && cube.systematicError <= rounding)
    let (low, high) = (result.bounds.lowerBound, result.bounds.upperBound)
    let slack = 100 * type.epsilon * scale
    #expect(low >= spectrum[n - 1] - slack && high <= spectrum[0] + slack)
  }

  /// tr f(A) for several functions: no bias, and two errors hold it as often as they say.
  @Test func tracesOfFunctions() throws {
    let functions: [(String, (Double) -> Double)] = [
      ("log", { log($0) }), ("exp", { exp($0) }), ("inverse", { 1 / $0 }), ("root", { $0.squareRoot() }),
      ("square", { $0 * $0 }),
    ]
    var random = RandomGenerator(seed: 4)
    let spectrum = (0..<50).map { (i: Int) -> Double in 0.2 + Double(i * i) / 500 }
    let a = try DenseSymmetricOperator(PlantedMatrix.random(spectrum, using: &random))
    let rules = try (0..<80).map { seed in
      var random = RandomGenerator(seed: UInt64(seed))
      return try LanczosQuadrature(of: a, probes: 12, steps: 24, using: &random)
    }
    for (name, f) in functions {
      let results = try rules.map { try $0.trace(of: f) }
      let truth = spectrum.map(f).reduce(0, +)
      let statistics = EstimateStatistics(of: truth, results.map { ($0.value, $0.standardError) })
      #expect(abs(statistics.bias) < 3.5 * statistics.biasError, "\(name)")
      #expect((0.85...1).contains(statistics.coverage), "\(name): coverage \(statistics.coverage)")
      #expect(results.allSatisfy { $0.systematicError < 1e-3 * abs(truth) }, "\(name)")
      #expect(results.allSatisfy { $0.samples == 12 && $0.products == 288 })
    }
  }

  @Test func logarithmOfADeterminant() throws {
    var random = RandomGenerator(seed: 5)
    let p = SmallClassifier.parameters()
    let fisher = try FisherOperator(
      of: SmallClassifier.f, at: p, on: SmallClassifier.examples(), distribution: .categorical)
    let a = ClosureOperator(dimension: 40) { fisher.product(with: $0) + $0 * 0.1 }
    let rules = try LanczosQuadrature(of: a, probes: 30, steps: 40, using: &random)
    let result = try rules.trace(of: log)
    let truth = try logDeterminant(a.dense()).scalar
    #expect(abs(result.value - truth) < 3 * result.standardError && result.standardError < 0.03 * abs(truth))
  }

  /// Too few steps show in the systematic error.
  @Test func fewStepsAreSeen() throws {
    var random = RandomGenerator(seed: 6)
    let spectrum = (0..<100).map { pow(0.9, Double($0)) }
    let a = try DenseSymmetricOperator(PlantedMatrix.random(spectrum, using: &random))
    let truth = spectrum.map(log).reduce(0, +)
    let few = try LanczosQuadrature(of: a, probes: 100, steps: 8, using: &random).trace(of: log)
    #expect(abs(few.value - truth) > 4 * few.standardError && few.systematicError > few.standardError)
    let many = try LanczosQuadrature(of: a, probes: 100, steps: 60, using: &random).trace(of: log)
    #expect(abs(many.value - truth) < 3 * many.standardError + many.systematicError)
    #expect(many.systematicError < few.systematicError / 10)
  }

  @Test func functionsMustBeFiniteOnTheSpectrum() throws {
    var random = RandomGenerator(seed: 7)
    let a = try DenseSymmetricOperator(Tensor([[1, 0], [0, -1.0]]))
    let rules = try LanczosQuadrature(of: a, probes: 2, steps: 2, law: .gaussian, using: &random)
    let error = #expect(throws: SpectralFunctionError.self) { try rules.trace(of: log) }
    guard case .notFinite(let node, let value) = error else { return }
    #expect(abs(node + 1) < 1e-12 && value.isNaN)
    #expect(error.map { "\($0)".contains("it is \(value). Is the operator definite enough?") } == true)
  }

  @Test func nothingToDoStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var random = RandomGenerator(seed: 1)
      _ = try LanczosQuadrature(of: ClosureOperator(dimension: 0) { $0 }, using: &random)
    }
    #expect(
      result.message.contains(
        "LanczosQuadrature: dimension, probes and steps must be positive, but got 0, 10 and 64."))
  }
}
