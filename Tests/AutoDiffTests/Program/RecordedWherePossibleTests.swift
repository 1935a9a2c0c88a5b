import Testing

@testable import AutoDiff

@Suite struct RecordedWherePossibleTests {
  private struct Negative: Error, Equatable {
    let value: Double
  }

  private let points = [Tensor([0.3, -0.2]), Tensor([2, 1]), Tensor([-1, 0.5])]

  @Test func aPureFunctionRunsOnce() throws {
    var runs = 0
    let f = { (x: Tensor) -> Tensor in
      runs += 1
      return gradient(of: { dot(tanh($0), $0) }, at: x)
    }
    let recorded = RecordedWherePossible(f)
    let values = try points.map { try recorded($0) }
    #expect(runs == 1)
    for (x, value) in zip(points, values) { expectClose(value, f(x), .exact) }
  }

  /// Reading numbers gives those of this call, wherever the branch leads.
  @Test func readingNumbersGivesTheRecordingUp() throws {
    let f = { (x: Tensor) -> Pair<Tensor, [Tensor]> in
      let y = exp(x)
      let slope = gradient(of: { x in x.sum().scalar > 0 ? dot(x, x) : sin(x).sum() }, at: x)
      return y.max().scalar > 2 ? Pair(y * 2, [slope]) : Pair(y - 1, [slope, slope])
    }
    let recorded = RecordedWherePossible(f)
    for x in points + points {
      let (value, expected) = (try recorded(x), f(x))
      #expect(value.second.count == expected.second.count)
      for (a, b) in zip(value.leaves, expected.leaves) { expectClose(a, b, .exact) }
    }
  }

  @Test func whatItThrowsIsPassedOn() throws {
    let root = RecordedWherePossible { (x: Tensor) throws -> Tensor in
      let least = x.min().scalar
      if least < 0 { throw Negative(value: least) }
      return sqrt(x)
    }
    #expect(throws: Negative(value: -0.2)) { try root(points[0]) }
    expectClose(try root(points[1]), sqrt(points[1]), .exact)
    #expect(throws: Negative(value: -1)) { try root(points[2]) }
  }

  /// What is caught leads where it leads without a recording.
  @Test func failuresMayBeCaught() throws {
    let f = { (a: Tensor) in (try? cholesky(a)) ?? a * 2 }
    let recorded = RecordedWherePossible(f)
    for a in [Tensor([[1, 2], [2, 1]]), .eye(2), Tensor([[4, 0], [0, -1]])] {
      expectClose(try recorded(a), f(a), .exact)
    }
    let g = { (p: Tensor) in (try? root(of: { (z: Tensor, p: Tensor) in z * z * p - 1 }, from: p, at: p)) ?? p }
    let searched = RecordedWherePossible(g)
    for p in [0.0, 1, 4].map({ Tensor([$0]) }) { expectClose(try searched(p), g(p), .exact) }
  }

  /// Loops may be such that no program could hold them.
  @Test func loopsAreThoseOfSwift() throws {
    let growing = { (p: Tensor) in square(repeated(3, p) { concatenate([$0, $0 * 0.5]) }).sum() }
    let twice = { (p: Tensor) in
      gradient(of: { q in repeated(while: { $0.sum() .< 9 }, q) { $0 * $0 + 1 }.sum() }, at: p).sum()
    }
    for f in [growing, twice] {
      let slope = { (p: Tensor) in gradient(of: f, at: p) }
      let recorded = RecordedWherePossible(slope)
      for x in points { expectClose(try recorded(x), slope(x), .exact) }
    }
  }

  /// Many numbers are read about as fast as without a recording.
  @Test func manyReadings() throws {
    var runs = 0
    let f = { (x: Tensor) -> Tensor in
      var y = x
      for _ in 0..<2000 { y = y.sum().scalar > 0 ? sin(y) : cos(y) }
      runs += 1
      return y
    }
    let recorded = RecordedWherePossible(f)
    for x in points { expectClose(try recorded(x), f(x), .exact) }
    #expect(runs == 2 * points.count)
  }

  /// A function that uses what a transform outside follows is differentiated with respect to it.
  @Test func aCapturedValueMayBeFollowed() throws {
    let loss = { (scale: Tensor) throws -> Tensor in
      let move = RecordedWherePossible { (x: Tensor) in x - scale * gradient(of: { dot(sin($0), $0) }, at: x) }
      var x = points[0]
      for _ in 0..<3 { x = try move(x) }
      return dot(x, x)
    }
    let plain = { (scale: Tensor) -> Tensor in
      var x = points[0]
      for _ in 0..<3 { x = x - scale * gradient(of: { dot(sin($0), $0) }, at: x) }
      return dot(x, x)
    }
    let at = Tensor(0.4)
    expectClose(try gradient(of: loss, at: at), gradient(of: plain, at: at), .exact)
    expectClose(
      try jvp(of: loss, at: at, along: Tensor(1)).tangent, jvp(of: plain, at: at, along: Tensor(1)).tangent, .exact)
    let several = Tensor([0.1, 0.4, 0.9])
    expectClose(try vmap(loss)(several), vmap(plain)(several), .exact)
  }

  /// Inputs that are followed themselves, or have another structure, are not those of the recording.
  @Test func otherInputsAreComputedAsTheyAre() throws {
    let f = { (x: Tensor) in dot(tanh(x), x) }
    let recorded = RecordedWherePossible(f)
    _ = try recorded(points[0])
    expectClose(try gradient(of: { try recorded($0) }, at: points[1]), gradient(of: f, at: points[1]), .exact)
    let longer = Tensor([1, 2, 3])
    expectClose(try recorded(longer), f(longer), .exact)
    expectClose(try recorded(points[2]), f(points[2]), .exact)
  }
}
