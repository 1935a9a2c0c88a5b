import AutoDiff
import Foundation
import Tangent
import Testing

/// A small regression problem whose network can be made lazy.
struct CertificateProblem: Sendable {
  let p: [Tensor]
  let x: Tensor
  let y: Tensor

  init(seed: UInt64, count: Int = 4, width: Int = 24) {
    var random = RandomGenerator(seed: seed)
    p = [Tensor.normal([5, width], using: &random) / 5.0.squareRoot(), .normal([width], using: &random)]
    x = .normal([count, 5], using: &random)
    y = .rademacher([count], using: &random)
  }

  static func network(_ x: Tensor, _ p: [Tensor]) -> Tensor {
    dot(tanh(matmul(x, p[0])), p[1]) * (1 / Double(p[1].count).squareRoot())
  }

  func start(scale: Double? = nil) throws -> TrainingStart<Tensor, [Tensor]> {
    guard let scale else { return try TrainingStart(of: Self.network, from: p, on: x, targets: y) }
    return try TrainingStart(of: lazyModel(Self.network, around: p, scale: scale), from: p, on: x, targets: y)
  }

  /// Cheap lower ends.
  static let options = LipschitzOptions(starts: 1, stepLimit: 1)
}

@Suite struct TrainingStartTests {
  @Test func knowsTheKernelAndTheLoss() throws {
    let problem = CertificateProblem(seed: 1)
    let start = try problem.start()
    let kernel = tangentKernel(of: CertificateProblem.network, at: problem.p, on: problem.x).reshaped(to: [4, 4])
    let spectrum = try KernelSpectrum(of: kernel)
    #expect(start.datumCount == 4)
    for (bracket, other) in [
      (start.smallestEigenvalue, spectrum.smallest), (start.largestEigenvalue, spectrum.largest),
    ] {
      #expect(bracket.contains(other.estimate) && bracket.width < 1e-9 * start.largestEigenvalue.estimate)
      #expect(bracket.isProved)
    }
    let outputs = vmap { (x: Tensor) in CertificateProblem.network(x, problem.p) }(problem.x)
    #expect(start.residualNorm.contains((outputs - problem.y).norm().scalar))
    #expect(start.residualNorm.width < 1e-10)
  }

  @Test func countsEveryOutput() throws {
    let x = Tensor([[1.0, 2], [3, 5]])
    let model = { (x: Tensor, p: Tensor) in matmul(p, x) }
    let start = try TrainingStart(of: model, from: Tensor([[1.0, 0], [0, 1]]), on: x, targets: .zeros([2, 2]))
    #expect(start.datumCount == 4)
    // Linear: the kernel is x xᵀ for each output.
    let spectrum = try KernelSpectrum(of: matmul(x, x.transposed))
    #expect(start.smallestEigenvalue.contains(spectrum.smallest.estimate))
    #expect(start.residualNorm.contains(39.0.squareRoot()))
  }
}

@Suite struct DescentCertificateTests {
  /// A lazy model is proved, and the training keeps both promises at every step.
  @Test(arguments: [1, 2]) func aLazyModelKeepsItsPromise(seed: UInt64) throws {
    let problem = CertificateProblem(seed: seed)
    let scale = try smallestLazyScale(try problem.start(), for: .descent, options: CertificateProblem.options)
    #expect(scale.lower.value > 0 && scale.lower.value <= scale.upper.value && scale.isProved)
    let start = try problem.start(scale: scale.upper.value)
    let certificate = try DescentCertificate(start, options: CertificateProblem.options)
    #expect(certificate.verdict == .proved, "\(certificate.conditions)")
    #expect(certificate.conditions.map(\.name) == ["(a)", "(b)", "(c)"])
    let run = try certificate.run(start, steps: 60)
    #expect(run.isKept && run.steps.count > 40)
    #expect(run.steps.last!.residualNorm < run.steps[0].residualNorm)
    // The promise says something: it falls, and the distance is not far below its bound.
    #expect(run.steps.last!.promisedResidualNorm < 0.999 * run.steps[0].promisedResidualNorm)
    // Far below the bracket the condition is refuted.
    let low = try DescentCertificate(
      try problem.start(scale: scale.lower.value / 2), options: CertificateProblem.options)
    #expect(low.verdict == .refuted && low.conditions[2].verdict == .refuted)
  }

  /// The narrow network itself is far from what the theorem asks, and the failing inequality is named.
  @Test func aNarrowNetworkIsRefuted() throws {
    let start = try CertificateProblem(seed: 3, width: 12).start()
    let certificate = try DescentCertificate(start, options: CertificateProblem.options)
    #expect(certificate.verdict != .proved)
    let failing = certificate.conditions.filter { $0.verdict != .proved }
    #expect(failing.contains { $0.name == "(c)" && $0.statement.hasPrefix("L ≤") && !$0.reason.isEmpty })
  }

  @Test func tooFewParametersAreRefuted() throws {
    let x = Tensor([[1.0], [2], [3]])
    let start = try TrainingStart(
      of: { (x: Tensor, p: Tensor) in dot(x, p) }, from: Tensor([1.0]), on: x, targets: .zeros([3]))
    let certificate = try DescentCertificate(start, options: CertificateProblem.options)
    #expect(certificate.conditions[0].verdict == .refuted && certificate.verdict == .refuted)
  }

  /// A linear model satisfies everything with L = 0, and its training is known: F falls by (1 − 2hλ)² in each direction.
  @Test func aLinearModelIsProved() throws {
    let x = Tensor([[2.0, 0], [0, 1]])
    let start = try TrainingStart(
      of: { (x: Tensor, p: Tensor) in dot(x, p) }, from: Tensor([0.0, 0]), on: x, targets: Tensor([2.0, 1]))
    let certificate = try DescentCertificate(start)
    #expect(certificate.verdict == .proved && certificate.lipschitz.upper.value < 1e-12)
    #expect(abs(certificate.admissibleStep - 0.2) < 1e-9)
    #expect(abs(certificate.rate(step: 0.2 * (1 - 1e-9)) - 0.8) < 1e-6)
    let run = try certificate.run(start, step: 0.1, steps: 10)
    let second = run.steps[10]
    // Residuals −2 · (1 − 8h)^k and −(1 − 2h)^k.
    let expected = Tensor([0.2, 0.8]).mapped { x in (0..<10).reduce(1) { y, _ in y * x } } * Tensor([2.0, 1])
    #expect(abs(second.residualNorm - expected.norm().scalar) < 1e-12)
    #expect(second.linearizationError < 1e-12 && run.isKept)
  }

  /// relu is linear in a ball where no unit changes its sign, and large enough scales shrink the ball so far.
  @Test func aLazyReluNetworkIsProved() throws {
    let problem = CertificateProblem(seed: 6, count: 2, width: 8)
    let network = { (x: Tensor, p: [Tensor]) in dot(relu(matmul(x, p[0])), p[1]) }
    let itself = try TrainingStart(of: network, from: problem.p, on: problem.x, targets: problem.y)
    let scale = try smallestLazyScale(itself, for: .descent, options: CertificateProblem.options)
    let start = try TrainingStart(
      of: lazyModel(network, around: problem.p, scale: scale.upper.value), from: problem.p, on: problem.x,
      targets: problem.y)
    let certificate = try DescentCertificate(start, options: CertificateProblem.options)
    #expect(certificate.verdict == .proved)
    #expect(try certificate.run(start, steps: 20).isKept)
  }

  /// Where nothing is stated, the verdict says what is missing.
  @Test func aMissingBoundIsNamed() throws {
    let x = Tensor([[1.0, 0.5]])
    let start = try TrainingStart(
      of: { (x: Tensor, p: [Tensor]) in dot(relu(matmul(x, p[0])), p[1]) },
      from: [Tensor([[1.0, 0.1], [0.2, -0.1]]), Tensor([1.0, 1])], on: x, targets: Tensor([30.0]))
    let certificate = try DescentCertificate(start, options: CertificateProblem.options)
    #expect(certificate.verdict != .proved && certificate.conditions[1].verdict == .undecided)
    #expect(certificate.conditions[1].reason.contains("relu"))
  }

  /// No certified run breaks its promise: many seeds, each with the scale that is just certified.
  @Test func noCertifiedRunBreaksItsPromise() throws {
    var certified = 0
    for seed in 10..<20 as Range<UInt64> {
      let problem = CertificateProblem(seed: seed, count: 2, width: 6)
      let options = LipschitzOptions(starts: 1, stepLimit: 0)
      let scale = try smallestLazyScale(try problem.start(), for: .descent, data: 1, options: options).upper.value
      guard scale.isFinite else { continue }
      let start = try problem.start(scale: scale)
      let certificate = try DescentCertificate(start, options: options, data: 1)
      guard certificate.verdict == .proved else { continue }
      certified += 1
      #expect(try certificate.run(start, steps: 20).isKept, "seed \(seed)")
    }
    #expect(certified >= 9)
  }
}

@Suite struct LinearizationCertificateTests {
  @Test(arguments: [1, 2]) func aLazyModelKeepsItsPromise(seed: UInt64) throws {
    let problem = CertificateProblem(seed: seed)
    let scale = try smallestLazyScale(try problem.start(), for: .linearization, options: CertificateProblem.options)
    let start = try problem.start(scale: scale.upper.value)
    let certificate = try LinearizationCertificate(start, options: CertificateProblem.options)
    #expect(certificate.verdict == .proved, "\(certificate.conditions)")
    let run = try certificate.run(start, steps: 60)
    #expect(run.isKept)
    for step in run.steps {
      // Lemma 8.28, beside the rounding of both sides.
      let allowed = certificate.linearizationError(atDistance: step.distance) + run.noise
      #expect(step.linearizationError <= allowed)
    }
    // Theorem 8.33 asks for less than Assumption 11.12.
    let descent = try smallestLazyScale(try problem.start(), for: .descent, options: CertificateProblem.options)
    #expect(scale.upper.value < descent.upper.value)
    let low = try LinearizationCertificate(
      try problem.start(scale: scale.lower.value / 2), options: CertificateProblem.options)
    #expect(low.verdict == .refuted)
  }

  /// (8.73): β/σ² falls like 1/α, at both ends.
  @Test func theRatioFallsWithTheScale() throws {
    let problem = CertificateProblem(seed: 4)
    let options = LipschitzOptions(starts: 1, stepLimit: 0)
    let scales = [1e4, 1e5, 1e6]
    let ratios = try scales.map {
      try LinearizationCertificate(try problem.start(scale: $0), options: options).ratio
    }
    for (a, b) in zip(ratios, ratios.dropFirst()) {
      #expect(abs(b.upper.value / a.upper.value - 0.1) < 0.01)
      #expect(abs(b.lower.value / a.lower.value - 0.1) < 0.01)
    }
  }

  /// The constants belong to the text's: residuals of root mean square 1 give c₀ = 1/16.
  @Test func theLimitIsThatOfTheText() throws {
    let problem = CertificateProblem(seed: 5)
    let certificate = try LinearizationCertificate(try problem.start(scale: 10), options: CertificateProblem.options)
    #expect(certificate.limit.contains(1 / (16.0 * 4)))
    #expect(abs(certificate.minimumNormDistance * 4 / certificate.radius - 1) < 1e-12)
  }
}

@Suite struct SmallNumberTests {
  /// Squares that are too small to be represented prove nothing.
  @Test(arguments: [1e-100, 1e-150, 1e-170, 1e-300]) func underflowProvesNothing(scale: Double) throws {
    let problem = CertificateProblem(seed: 5)
    let start = try problem.start(scale: scale)
    #expect(start.largestEigenvalue.upper.value > 0)
    let certificate = try DescentCertificate(start, options: CertificateProblem.options)
    for condition in certificate.conditions {
      #expect(!condition.right.lower.value.isNaN && !condition.right.upper.value.isNaN)
      #expect(!condition.left.lower.value.isNaN && !condition.left.upper.value.isNaN)
    }
    // Those of the model as it is hold for every scale, as long as numbers do.
    #expect(certificate.conditions[0].verdict != .refuted)
    if scale < 1e-160 { #expect(certificate.conditions[2].verdict != .proved) }
  }
}

@Suite struct WidthConditionTests {
  private func condition(_ width: Int) -> WidthCondition {
    WidthCondition(
      width: width, count: 20, smallestEigenvalue: Bracket(0.5, error: 0.01, .wholeResidual), accuracy: 0.01)
  }

  /// (20/0.5)³ ln(2000)² = 64000 · 57.77 = 3.70e6.
  @Test func isRefutedOrUndecided() {
    #expect(condition(1000).verdict == .refuted)
    #expect(condition(10_000_000).verdict == .undecided)
    #expect(abs(condition(3_697_466).admissibleConstant.estimate - 1) < 1e-3)
    #expect(condition(3_697_466).admissibleConstant.contains(1))
  }

  @Test func aSingularKernelNeedsInfiniteWidth() {
    let found = WidthCondition(
      width: 1 << 40, count: 3, smallestEigenvalue: Bracket(0, error: 0, .derived), accuracy: 0.1)
    #expect(found.verdict == .refuted)
  }
}

/// What certificates say does not depend on units, precision, or on whether there is anything to prove.
@Suite struct CertificateLimitTests {
  /// With f and y c times as large, λ is c² times, U, L and √F are c times as large; with parameters d times as large, λ is
  /// d⁻², U d⁻¹ and L d⁻² times as large. No verdict changes, nor how far a condition is from its limit.
  @Test(arguments: [(1e-145, 1.0), (1e145, 1), (1e-90, 1e50), (1e90, 1e-50)]) func unitsDoNotMatter(
    c: Double, d: Double
  )
    throws
  {
    for seed in 1...2 as ClosedRange<UInt64> {
      let problem = CertificateProblem(seed: seed, count: 2, width: 6)
      func certificates(_ c: Double, _ d: Double, lazy: Double?) throws -> [[CertificateCondition]] {
        let model = { (x: Tensor, p: [Tensor]) in
          let value = CertificateProblem.network(x, p.map { $0 / d })
          guard let lazy else { return value * c }
          return (value - CertificateProblem.network(x, problem.p)) * (lazy * c)
        }
        let start = try TrainingStart(of: model, from: problem.p.map { $0 * d }, on: problem.x, targets: problem.y * c)
        let options = LipschitzOptions(starts: 1, stepLimit: 0)
        return [
          try DescentCertificate(start, options: options, data: 1).conditions,
          try LinearizationCertificate(start, options: options, data: 1).conditions,
        ]
      }
      for lazy in [nil, 1e5] as [Double?] {
        let (plain, scaled) = (try certificates(1, 1, lazy: lazy), try certificates(c, d, lazy: lazy))
        #expect(plain.allSatisfy { $0.last!.verdict == (lazy == nil ? .refuted : .proved) })
        for (a, b) in zip(plain.joined(), scaled.joined()) {
          #expect(a.verdict == b.verdict, "\(a.name) seed \(seed): \(b.reason)")
        }
        for (a, b) in zip(plain.map(\.last!), scaled.map(\.last!)) {
          let (left, right) = (a.left.lower.value / a.right.upper.value, b.left.lower.value / b.right.upper.value)
          #expect(abs(left / right - 1) < 1e-3, "\(a.name) seed \(seed): \(left) and \(right)")
        }
      }
    }
  }

  /// The upper end of the smallest scale is certified, in either precision: the constant f(θ⁰) is rounded, and α enlarges
  /// what it has lost. Below the lower end nothing is.
  @Test(arguments: ScalarType.allCases, TrainingTheorem.allCases) func theScaleIsCertified(
    type: ScalarType, theorem: TrainingTheorem
  ) throws {
    let options = LipschitzOptions(starts: 1, stepLimit: 0)
    var certified = 0
    for seed in 1...5 as ClosedRange<UInt64> {
      let problem = CertificateProblem(seed: seed, count: 2, width: 4)
      // The nearer the examples, the smaller λ_min, and the larger the scale that makes up for it.
      let near = problem.x[0] + (problem.x[1] - problem.x[0]) * pow(2, -Double(seed - 1))
      let (p, x) = (problem.p.map { $0.as(type) }, stack([problem.x[0], near]).as(type))
      let itself = try TrainingStart(of: CertificateProblem.network, from: p, on: x, targets: problem.y)
      func verdict(_ scale: Double) throws -> Verdict {
        let model = lazyModel(CertificateProblem.network, around: p, scale: scale)
        let start = try TrainingStart(of: model, from: p, on: x, targets: problem.y)
        return switch theorem {
        case .descent: try DescentCertificate(start, options: options, data: 1).verdict
        case .linearization: try LinearizationCertificate(start, options: options, data: 1).verdict
        }
      }
      let scale = try smallestLazyScale(itself, for: theorem, data: 1, options: options)
      #expect(try verdict(scale.lower.value * 0.99) != .proved)
      guard scale.upper.value.isFinite else { continue }
      certified += 1
      for factor in [1, 1e3] {
        #expect(try verdict(scale.upper.value * factor) == .proved, "seed \(seed): \(scale) · \(factor)")
      }
    }
    #expect(certified >= 2)
  }

  /// Without curvature or without labels any scale will do.
  @Test(arguments: TrainingTheorem.allCases) func whatNeedsNoScaleHasOne(theorem: TrainingTheorem) throws {
    let problem = CertificateProblem(seed: 4, count: 2)
    let linear = try TrainingStart(
      of: { (x: Tensor, p: Tensor) in dot(x, p) }, from: .zeros([5]), on: problem.x, targets: problem.y)
    let silent = try TrainingStart(
      of: CertificateProblem.network, from: problem.p, on: problem.x, targets: .zeros([2]))
    let kinked = try TrainingStart(
      of: { (x: Tensor, p: Tensor) in relu(dot(x, p) + 1) }, from: .zeros([5]), on: problem.x, targets: problem.y)
    for scale in [
      try smallestLazyScale(linear, for: theorem), try smallestLazyScale(silent, for: theorem),
      try smallestLazyScale(kinked, for: theorem),
    ] {
      #expect(scale.lower.value == 0 && scale.upper.value.isFinite && scale.upper.value > 0)
    }
  }

  /// A model that begins at its labels is proved, and stays.
  @Test func aResidualOfZeroIsProved() throws {
    let labels = Tensor([[1.0, 2]])
    let start = try TrainingStart(
      of: { (_: Tensor, p: Tensor) in p }, from: labels[0], on: .zeros([1, 1]), targets: labels)
    let descent = try DescentCertificate(start, options: CertificateProblem.options)
    #expect(descent.verdict == .proved && descent.radius == 0)
    #expect(descent.gradientNorm.contains(1))
    #expect(try descent.run(start, steps: 3).isKept)
    let linearization = try LinearizationCertificate(start, options: CertificateProblem.options)
    #expect(linearization.verdict == .proved && linearization.radius == 0)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity]) func labelsThatAreNoNumbersAreNamed(value: Double) throws {
    let problem = CertificateProblem(seed: 5)
    let twice = { (x: Tensor, p: [Tensor]) in stack([CertificateProblem.network(x, p), dot(x, x)]) }
    var labels = Tensor.zeros([4, 2])
    labels[2, 1] = Tensor(value)
    let error = #expect(throws: KernelMatrixError.self) {
      _ = try TrainingStart(of: twice, from: problem.p, on: problem.x, targets: labels)
    }
    guard case .labelNotFinite(2, 1, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// Bounds are computed in double precision, where a model of single precision overflows.
  @Test(arguments: [ScalarType.float32]) func overflowIsNamed(type: ScalarType) throws {
    let start = try TrainingStart(
      of: { (x: Tensor, p: Tensor) in exp(p).sum() * x }, from: Tensor([100.0, 1], as: type),
      on: Tensor([1.0], as: type),
      targets: Tensor([1.0]))
    #expect(throws: LipschitzError.valueNotFinite(.infinity)) {
      _ = try DescentCertificate(start, options: CertificateProblem.options)
    }
    #expect(throws: LipschitzError.valueNotFinite(.infinity)) {
      _ = try LinearizationCertificate(start, options: CertificateProblem.options)
    }
  }

  /// Rounding in single precision breaks no promise; a real break is seen.
  @Test func roundingBreaksNoPromise() throws {
    for seed in 1...10 as ClosedRange<UInt64> {
      let problem = CertificateProblem(seed: seed, count: 2)
      let start = try TrainingStart(
        of: { (x: Tensor, p: Tensor) in (dot(x, p) + 1e5) - 1e5 }, from: Tensor.zeros([5], as: .float32),
        on: problem.x.as(.float32), targets: problem.y)
      let certificate = try DescentCertificate(start, options: CertificateProblem.options)
      #expect(certificate.verdict == .proved)
      let run = try certificate.run(start, steps: 200)
      #expect(run.isKept && run.steps.count > 2, "seed \(seed): \(run.firstBroken ?? -1) of \(run.steps.count)")
      // Labels out of reach: what the same numbers would promise is broken, by more than rounding.
      let bent = try TrainingStart(
        of: { (x: Tensor, p: Tensor) in sin(dot(x, p)) }, from: Tensor.zeros([5], as: .float32),
        on: problem.x.as(.float32), targets: problem.y * 5)
      let broken = try DescentCertificate(bent, options: CertificateProblem.options)
      #expect(broken.verdict != .proved)
      let seen = try broken.run(bent, steps: 200)
      #expect(!seen.isKept && seen.firstBroken! > 0)
    }
  }

  /// Where ln m < 1, large C make the condition hold for any λ.
  @Test(arguments: 1...4) func tinyWidthsAreNotRefutedByLargeConstants(width: Int) {
    let found = WidthCondition(
      width: width, count: 20, smallestEigenvalue: Bracket(0.5, error: 0.01, .wholeResidual), accuracy: 0.01)
    #expect(found.verdict == (width < 3 ? .undecided : .refuted))
  }
}
