import AutoDiff
import Testing

@Suite struct CheckDerivativesTests {
  private static func vector(_ type: ScalarType) -> Tensor { Tensor([0.3, -1.2, 0.7, 2.1], as: type) }

  private func faulty(_ fault: FaultySine.Fault) -> (Tensor) -> Tensor { { bind(FaultySine(fault: fault), $0) } }

  // MARK: Right derivatives pass

  @Test(arguments: ScalarType.allCases) func rightDerivativesPass(_ type: ScalarType) throws {
    let x = Self.vector(type)
    try checkDerivatives(of: faulty(.none), at: x, orders: 1...3).requirePassed()
    try checkDerivatives(of: { exp($0 * 0.5) * tanh($0) }, at: x, orders: 1...3).requirePassed()
    try checkDerivatives(of: { logSoftmax($0) }, at: x, orders: 1...3).requirePassed()
    let quotient = { (x: Tensor) -> Tensor in (x * x).sum() / (1 + x * x).mean() }
    try checkDerivatives(of: quotient, at: x, orders: 1...3).requirePassed()
  }

  @Test func remainderOrdersAreTwoAndThree() throws {
    let report = checkDerivatives(of: { exp($0) }, at: Self.vector(.float64))
    #expect(report.passed, "\(report)")
    let first = try #require(report.firstRemainderOrder)
    let second = try #require(report.secondRemainderOrder)
    #expect((1.9...2.1).contains(first))
    #expect((2.9...3.1).contains(second))
    #expect(report.resolution < 1e-8)
  }

  @Test(arguments: ScalarType.allCases) func linearConstantAndFlatFunctionsPass(_ type: ScalarType) throws {
    let x = Self.vector(type)
    let linear = checkDerivatives(of: { $0 * 3 - $0.sum() }, at: x, orders: 1...3)
    #expect(linear.passed, "\(linear)")
    #expect(linear.firstRemainderOrder == nil)
    try checkDerivatives(of: { $0 }, at: x, orders: 1...3).requirePassed()
    try checkDerivatives(of: { _ in Tensor([1, 2], as: type) }, at: x, orders: 1...3).requirePassed()
    try checkDerivatives(of: { sign($0) }, at: x, orders: 1...3).requirePassed()
    try checkDerivatives(of: { square(sin($0)) + square(cos($0)) }, at: x, orders: 1...3).requirePassed()
    try checkDerivatives(of: { square($0) * square($0) }, at: x * 0, orders: 1...3).requirePassed()
    try checkDerivatives(of: { $0 * 1e-3 + 1000 }, at: x).requirePassed()
  }

  @Test func scalesOfTheInputDoNotMatter() throws {
    for scale in [1e-6, 1e-3, 1e3, 1e6] {
      let x = Tensor([0.3, 1.2, 0.7]) * scale
      try checkDerivatives(of: { log($0) }, at: x, orders: 1...3).requirePassed()
      try checkDerivatives(of: { $0 * $0 * $0 }, at: x, orders: 1...3).requirePassed()
      try checkDerivatives(of: { sin($0) }, at: x).requirePassed()
    }
  }

  @Test func emptyTensorsAndTreesPass() throws {
    try checkDerivatives(of: { exp($0) }, at: Tensor.zeros([0, 3]), orders: 1...3).requirePassed()
    try checkDerivatives(of: { $0.sum() }, at: Tensor.zeros([0])).requirePassed()
    try checkDerivatives(of: { (x: [Tensor]) in x }, at: []).requirePassed()
  }

  @Test func treesAndMixedTypesPass() throws {
    let x = ["a": Tensor([1, 2]), "b": Tensor([[0.5, -1], [2, 0.1]])]
    try checkDerivatives(of: { ["y": matmul($0["b"]!, tanh($0["a"]!)), "z": $0["a"]!.sum()] }, at: x, orders: 1...3)
      .requirePassed()
    let mixed = [Tensor([1, 2]), Tensor([0.5, 3], as: .float32)]
    try checkDerivatives(of: { [exp($0[0]), square($0[1]).as(.float64) * $0[0]] }, at: mixed).requirePassed()
  }

  @Test func stepsThatLeaveTheDomainAreNotUsed() throws {
    try checkDerivatives(of: { log($0) }, at: Tensor([1e-3, 5, 0.1]), orders: 1...3).requirePassed()
    try checkDerivatives(of: { sqrt($0) }, at: Tensor([1e-2, 5], as: .float32)).requirePassed()
  }

  // MARK: Wrong derivatives fail

  @Test(arguments: ScalarType.allCases) func aDerivativeOffByATenthOfAPercentIsCaught(_ type: ScalarType) throws {
    for seed in UInt64(0)..<20 {
      let report = checkDerivatives(of: faulty(.derivative), at: Self.vector(type), orders: 1...1, seed: seed)
      let failure = try #require(report.failures.first)
      #expect(failure.law == .difference)
      #expect(failure.order == 1)
      #expect(failure.input?.index == failure.output?.index)
      #expect((failure.computed / failure.expected - 1.001).magnitude < 3e-4)
      #expect(!report.failures.contains { $0.law == .adjoint })
    }
  }

  @Test func aWrongDerivativeShowsInTheOrderOfTheRemainder() throws {
    let report = checkDerivatives(of: faulty(.derivative), at: Self.vector(.float64), orders: 1...1)
    let failure = try #require(report.failures.first { $0.law == .remainder })
    #expect((0.9...1.1).contains(failure.computed))
    #expect(failure.expected == 2)
  }

  @Test(arguments: ScalarType.allCases) func aWrongTransposeIsCaught(_ type: ScalarType) throws {
    for seed in UInt64(0)..<20 {
      let report = checkDerivatives(of: faulty(.transpose), at: Self.vector(type), seed: seed)
      #expect(report.failures.map(\.law) == [.adjoint])
      let failure = try #require(report.failures.first)
      #expect(failure.input != nil)
      #expect((failure.computed / failure.expected - 1.001).magnitude < 1e-5)
    }
  }

  @Test(arguments: ScalarType.allCases) func aWrongSecondDerivativeAloneIsCaught(_ type: ScalarType) throws {
    for seed in UInt64(0)..<20 {
      let x = Self.vector(type)
      try checkDerivatives(of: faulty(.secondDerivative), at: x, orders: 1...1, seed: seed).requirePassed()
      let report = checkDerivatives(of: faulty(.secondDerivative), at: x, seed: seed)
      #expect(!report.passed)
      #expect(report.failures.allSatisfy { $0.order == 2 })
    }
    let report = checkDerivatives(of: faulty(.secondDerivative), at: Self.vector(.float64))
    let failure = try #require(report.failures.first { $0.law == .remainder })
    #expect((1.9...2.1).contains(failure.computed))
  }

  @Test(arguments: ScalarType.allCases) func aWrongThirdDerivativeAloneIsCaught(_ type: ScalarType) throws {
    let x = Self.vector(type)
    try checkDerivatives(of: faulty(.thirdDerivative), at: x).requirePassed()
    let report = checkDerivatives(of: faulty(.thirdDerivative), at: x, orders: 1...3)
    #expect(!report.passed)
    #expect(report.failures.allSatisfy { $0.order == 3 })
  }

  @Test(arguments: ScalarType.allCases) func theEntryToBlameIsNamed(_ type: ScalarType) throws {
    let x = [Tensor.ones([2, 3], as: type) * 0.7, Tensor.linspace(1, 2, count: 6, as: type).reshaped(to: [2, 3])]
    let report = checkDerivatives(of: { bind(FaultyProduct(faultyEntry: 4), $0[0], $0[1]) }, at: x)
    let failure = try #require(report.failures.first)
    #expect(failure.input == .init(leaf: 1, index: [1, 1]))
    #expect(failure.output == .init(leaf: 0, index: [1, 1]))
    #expect((failure.computed - 0.7007).magnitude < 1e-4)
    #expect((failure.expected - 0.7).magnitude < 1e-4)
  }

  @Test func aSmallLeafIsNotDrownedByALargeOne() {
    let x = [Tensor([1e6, 2e6]), Tensor([1e-2, 2e-2])]
    let report = checkDerivatives(of: { $0[0] + bind(FaultySine(fault: .derivative), $0[1]) }, at: x, orders: 1...1)
    #expect(!report.passed)
  }

  @Test func kinksFail() {
    #expect(!checkDerivatives(of: { abs($0) }, at: Tensor([0.5, 0])).passed)
    #expect(!checkDerivatives(of: { relu($0) }, at: Tensor([0.5, 0], as: .float32)).passed)
  }

  @Test func jumpsFail() {
    #expect(!checkDerivatives(of: { sign($0) }, at: Tensor([0.5, 0])).passed)
  }

  @Test func notANumberFailsWithAClearMessage() throws {
    let value = checkDerivatives(of: { log($0) }, at: Tensor([1, -1]))
    #expect(value.failures.map(\.law) == [.finite])
    #expect(value.failures.first?.output == .init(leaf: 0, index: [1]))
    #expect("\(value)".contains("the value is nan"))
    let derivative = checkDerivatives(of: faulty(.notANumber), at: Tensor([1, 2]))
    #expect(derivative.failures.map(\.law) == [.finite])
    #expect("\(derivative)".contains("the forward derivative is nan"))
    #expect(!checkDerivatives(of: { sqrt($0) }, at: Tensor([0, 1])).passed)
  }

  @Test func errorsOfTheFunctionAreThrown() {
    struct Refusal: Error {}
    #expect(throws: Refusal.self) {
      try checkDerivatives(of: { (_: Tensor) -> Tensor in throw Refusal() }, at: Tensor(1))
    }
  }

  @Test func theReportIsAParagraphAndTheSeedRepeatsIt() throws {
    let check = { checkDerivatives(of: faulty(.derivative), at: Self.vector(.float64), seed: 7) }
    let report = check()
    #expect("\(report)" == "\(check())")
    #expect("\(report)".contains("seed 7"))
    #expect(!"\(report)".contains("\n"))
    let error = #expect(throws: DerivativeReport.self) { try report.requirePassed() }
    #expect(error?.failures.isEmpty == false)
    #expect(
      "\(checkDerivatives(of: { exp($0) }, at: Self.vector(.float32)))".hasPrefix(
        "Derivatives of orders 1 to 2 are right"))
  }
}
