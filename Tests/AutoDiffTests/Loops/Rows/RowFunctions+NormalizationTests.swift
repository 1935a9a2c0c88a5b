import Testing

@testable import AutoDiff

@Suite struct RowNormalizationTests {
  private func expected(_ x: [Double], _ v: [Double], _ columns: Int, _ epsilon: Double) -> (
    normalized: [Double], product: [Double], factors: [Double]
  ) {
    var (normalized, product, factors): ([Double], [Double], [Double]) = ([], [], [])
    for start in stride(from: 0, to: x.count, by: columns) {
      let (x, v) = (x[start..<start + columns], v[start..<start + columns])
      func mean(_ y: [Double]) -> Double { exactSum(y).sum / Double(columns) }
      let center = mean(Array(x))
      let factor = 1 / (mean(x.map { ($0 - center) * ($0 - center) }) + epsilon).squareRoot()
      let n = x.map { ($0 - center) * factor }
      let (plain, weighted) = (mean(Array(v)), mean(zip(n, v).map { $0 * $1 }))
      normalized += n
      product += zip(n, v).map { factor * ($1 - plain - $0 * weighted) }
      factors.append(factor)
    }
    return (normalized, product, factors)
  }

  private func check<T: LoopScalar>(_ x: [T], _ v: [T], rows: Int, columns: Int, tolerance: Double) {
    let epsilon = 0.25
    let exact = expected(x.map { Double($0) }, v.map { Double($0) }, columns, epsilon)
    func isClose(_ result: (entries: [T], isIntact: Bool), _ exact: [Double]) -> Bool {
      result.isIntact && zip(result.entries, exact).allSatisfy { abs(Double($0) - $1) <= tolerance * max(1, abs($1)) }
    }
    let normalized = withGuardedOutput(x.count) {
      RowFunctions.normalize(x, rows: rows, columns: columns, epsilon: T(epsilon), into: $0)
    }
    #expect(isClose(normalized, exact.normalized), "\(rows) x \(columns)")
    let product = withGuardedOutput(x.count) {
      RowFunctions.normalizationProduct(x, v, rows: rows, columns: columns, epsilon: T(epsilon), into: $0)
    }
    #expect(isClose(product, exact.product), "product, \(rows) x \(columns)")
    let factors = withGuardedOutput(rows) {
      RowFunctions.inverseDeviation(x, rows: rows, columns: columns, epsilon: T(epsilon), into: $0)
    }
    #expect(isClose(factors, exact.factors), "factor, \(rows) x \(columns)")
  }

  @Test(arguments: [
    (1, 1), (3, 2), (5, 7), (4, 8), (70, 10), (7, 16), (2, 17), (9, 100), (3, 1000), (0, 4), (700, 60), (2, 20_001),
  ])
  func randomRows(rows: Int, columns: Int) {
    var generator = StridedNoise(14)
    // Far from zero: means of squares minus squares of means would have no correct digit.
    let x = (0..<rows * columns).map { _ in 1e6 + Double.random(in: -1...1, using: &generator) }
    let v = x.map { _ in Double.random(in: -1...1, using: &generator) }
    check(x, v, rows: rows, columns: columns, tolerance: 1e-9)
    check(x.map { Float($0 - 999_900) }, v.map { Float($0) }, rows: rows, columns: columns, tolerance: 1e-4)
  }

  @Test func threadsDoNotMatter() {
    var generator = StridedNoise(15)
    let x = (0..<60_000).map { _ in Float.random(in: -9...9, using: &generator) }
    for columns in [3, 10, 1000, 30_000] {
      let rows = x.count / columns
      func all() -> [[Float]] {
        [
          withGuardedOutput(x.count) {
            RowFunctions.normalize(x, rows: rows, columns: columns, epsilon: 1e-5, into: $0)
          }.entries,
          withGuardedOutput(x.count) {
            RowFunctions.normalizationProduct(x, x, rows: rows, columns: columns, epsilon: 1e-5, into: $0)
          }.entries,
        ]
      }
      #expect(all() == withThreadLimit(1) { all() })
    }
  }
}
