import AutoDiff
import Testing

@Suite struct PropertyTestTests {
  @Test func propertiesThatHoldPass() throws {
    try forAll(.broadcastable(2)) { x in
      try requireClose(x[0] + x[1], x[1] + x[0], tolerance: 0)
    }
    try forAll(.broadcastable(2, as: ScalarType.allCases), .number(in: -1...1)) { x, c in
      try requireClose(exp(x[0] + x[1] * c), exp(x[0]) * exp(x[1] * c))
    }
    try forAll(.tensor(awayFrom: 0), trials: 20) { x in
      try checkDerivatives(of: { relu($0) * $0 }, at: x).requirePassed()
    }
  }

  @Test func randomInputsCoverRanksExtentsAndTypes() throws {
    var ranks: Set<Int> = []
    var extents: Set<Int> = []
    var types: Set<ScalarType> = []
    try forAll(.tensor(as: ScalarType.allCases)) { x in
      ranks.insert(x.rank)
      extents.formUnion(x.shape)
      types.insert(x.scalarType)
      guard x.allSatisfy({ (-2...2).contains($0) }) else { throw Mismatch("out of range") }
    }
    #expect(ranks == [0, 1, 2, 3])
    #expect(extents == [0, 1, 2, 3, 4])
    #expect(types.count == 2)
  }

  @Test func shrinkingFindsTheSmallestTensor() throws {
    // Fails as soon as there is an entry above 1: the smallest such tensor is a single number.
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(.tensor(rank: 0...3, in: -10...10)) { x in
        guard x.allSatisfy({ $0 <= 1 }) else { throw Mismatch("too large") }
      }
    }
    #expect(failure?.arguments == ["2.0"])
  }

  @Test func shrinkingKeepsWhatMatters() throws {
    // Needs an axis of extent 3 or more, at whatever rank.
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(.tensor()) { x in guard x.shape.allSatisfy({ $0 < 3 }) else { throw Mismatch("long") } }
    }
    #expect(failure?.arguments == ["[0.0, 0.0, 0.0]"])
  }

  @Test func shrinkingKeepsInputsValid() throws {
    let factors = InputGenerator { choose in
      let (m, k, n) = (choose.integer(in: 1...5), choose.integer(in: 1...5), choose.integer(in: 1...5))
      return [choose.tensor([m, k]), choose.tensor([k, n])]
    }
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(factors) { x in
        let product = matmul(x[0], x[1])
        guard x[0].shape[1] == x[1].shape[0] else { fatalError("The generator's own shapes never disagree.") }
        guard product.shape[1] < 2 else { throw Mismatch("wide") }
      }
    }
    #expect(failure?.arguments == ["[[[0.0]], [[0.0, 0.0]]]"])
  }

  @Test func everyArgumentIsShrunk() throws {
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(.integer(in: 0...100), .number(in: 0.5...9), .tensor(rank: 1...1, extents: 1...4)) { n, c, x in
        if n > 17, c > 3 { throw Mismatch("both") }
      }
    }
    #expect(failure?.arguments.first == "18")
    #expect(failure?.arguments.last == "[0.0]")
    let c = try #require(failure.flatMap { Double($0.arguments[1]) })
    #expect(c > 3 && c <= 4)
  }

  @Test func aFailureNamesArgumentIndexBothValuesAndSeed() throws {
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(.tensor(rank: 1...2, extents: 1...4, in: -3...3), trials: 50, seed: 100) { x in
        let cubic: Tensor = x * x * x / 6
        try requireClose(bind(FaultySine(), x), x - cubic, tolerance: 0.02)
      }
    }
    let report = try #require(failure)
    let mismatch = try #require(report.reason as? Mismatch)
    #expect(mismatch.leaf == 0)
    #expect(mismatch.index == [0])
    #expect(mismatch.values?.actual != mismatch.values?.expected)
    #expect(report.seed >= 100)
    #expect("\(report)".contains("seed: \(report.seed)"))
    #expect("\(report)".contains("argument 0 = ["))
  }

  @Test func theSeedRepeatsTheFailure() throws {
    func search(trials: Int, seed: UInt64) -> PropertyFailure? {
      do {
        try forAll(.tensors(2, extents: 1...6), trials: trials, seed: seed) { x in
          guard (x[0] * x[1]).sum().scalar < 3 else { throw Mismatch("large") }
        }
        return nil
      } catch { return error }
    }
    let failure = try #require(search(trials: 500, seed: 3))
    let again = try #require(search(trials: 1, seed: failure.seed))
    #expect(again.arguments == failure.arguments)
    #expect(again.firstArguments == failure.firstArguments)
    #expect("\(again.reason)" == "\(failure.reason)")
  }

  @Test func aWrongDerivativeIsFoundAndShrunk() throws {
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(.tensor(as: ScalarType.allCases)) { x in
        try checkDerivatives(of: { bind(FaultySine(fault: .derivative), $0) }, at: x).requirePassed()
      }
    }
    #expect(failure?.arguments == ["0.0"])
    #expect(failure?.reason is DerivativeReport)
  }

  @Test func generatorsOfTheirOwnShrinkInSize() throws {
    let squares = InputGenerator(sizes: 0...9) { random, size in Tensor.normal([size, size], using: &random) }
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(squares) { x in guard x.count < 10 else { throw Mismatch("\(x.shape)") } }
    }
    #expect((failure?.reason as? Mismatch)?.description == "[4, 4]")
  }

  @Test func otherErrorsDoNotReplaceTheFirst() throws {
    struct Other: Error {}
    let failure = #expect(throws: PropertyFailure.self) {
      try forAll(.integer(in: 0...50)) { n in
        if n > 20 { throw Mismatch("n > 20") }
        if n == 0 || n == 20 { throw Other() }
      }
    }
    #expect(failure != nil)
  }

  @Test func closenessComparesStructureShapesAndEntries() throws {
    try requireClose([Tensor(1)], [Tensor(1 + 1e-12)])
    #expect(throws: Mismatch.self) { try requireClose([Tensor(1)], []) }
    #expect(throws: Mismatch.self) { try requireClose(Tensor([1, 2]), Tensor([[1, 2]])) }
    let mismatch = #expect(throws: Mismatch.self) { try requireClose(Tensor([1, 2]), Tensor([1, 3])) }
    #expect(mismatch?.index == [1])
    #expect(mismatch?.values?.actual == 2)
    #expect(mismatch?.values?.expected == 3)
    #expect(throws: Mismatch.self) { try requireClose(Tensor(1), Tensor(.nan)) }
  }
}
