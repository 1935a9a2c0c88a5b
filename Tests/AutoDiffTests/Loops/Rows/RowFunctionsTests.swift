import Foundation
import Testing

@testable import AutoDiff

@Suite struct RowFunctionsTests {
  private func expected(_ x: [Double], _ columns: Int) -> (soft: [Double], log: [Double], sum: [Double]) {
    var soft: [Double] = []
    var logs: [Double] = []
    var sums: [Double] = []
    for start in stride(from: 0, to: x.count, by: max(1, columns)) {
      let row = x[start..<start + columns]
      let top = row.contains { $0.isNaN } ? .nan : row.max()!
      let weights = row.map { $0 == top ? 1 : exp($0 - top) }
      let total = exactSum(weights).sum
      soft += weights.map { $0 / total }
      logs += row.map { $0 == top ? -log(total) : $0 - top - log(total) }
      sums.append(top.isInfinite ? top : top + log(total))
    }
    return (soft, logs, sums)
  }

  private func check<T: LoopScalar>(_ x: [T], rows: Int, columns: Int, _ comment: Comment) {
    let exact = expected(x.map { Double($0) }, columns)
    func isClose(_ result: (entries: [T], isIntact: Bool), _ exact: [Double], smallest: Double) -> Bool {
      let allAreClose = zip(result.entries, exact).allSatisfy { entry, exact in
        let value = Double(entry)
        if value == exact || value.isNaN && exact.isNaN { return true }
        let tolerance: Double = 8 * Double(T.ulpOfOne) * max(abs(exact), smallest) + Double(T.leastNormalMagnitude)
        return abs(value - exact) <= tolerance
      }
      return result.isIntact && allAreClose
    }
    let soft = withGuardedOutput(x.count) { RowFunctions.softmax(x, rows: rows, columns: columns, into: $0) }
    #expect(isClose(soft, exact.soft, smallest: 1e-4), "softmax \(comment)")
    let logs = withGuardedOutput(x.count) { RowFunctions.logSoftmax(x, rows: rows, columns: columns, into: $0) }
    #expect(isClose(logs, exact.log, smallest: 1), "logSoftmax \(comment)")
    let sums = withGuardedOutput(rows) { RowFunctions.logSumExp(x, rows: rows, columns: columns, into: $0) }
    #expect(isClose(sums, exact.sum, smallest: 1), "logSumExp \(comment)")
    // In place.
    var y = x
    y.withUnsafeMutableBufferPointer { y in
      if let base = y.baseAddress { RowFunctions.softmax(base, rows: rows, columns: columns, into: base) }
    }
    #expect(isIdentical(y, soft.entries), "softmax in place \(comment)")
    y = x
    y.withUnsafeMutableBufferPointer { y in
      if let base = y.baseAddress { RowFunctions.logSoftmax(base, rows: rows, columns: columns, into: base) }
    }
    #expect(isIdentical(y, logs.entries), "logSoftmax in place \(comment)")
  }

  @Test(arguments: [
    (1, 1), (3, 2), (5, 7), (4, 8), (3, 10), (7, 16), (2, 17), (9, 100), (3, 1000), (0, 4), (700, 10), (600, 130),
    (2, 20_001), (4000, 3),
  ])
  func randomRows(rows: Int, columns: Int) {
    for scale in [1.0, 30, 800] {
      var generator = StridedNoise(11)
      let x = (0..<rows * columns).map { _ in scale * Double.random(in: -1...1, using: &generator) }
      check(x, rows: rows, columns: columns, "\(rows) x \(columns), scale \(scale)")
      check(x.map { Float($0 / 10) }, rows: rows, columns: columns, "\(rows) x \(columns), scale \(scale / 10)")
    }
  }

  @Test(arguments: [1, 2, 7, 8, 9, 16, 35, 200]) func specialValues(columns: Int) {
    let inf = Double.infinity
    var generator = StridedNoise(12)
    for special in [[inf], [-inf], [.nan], [inf, -inf], [inf, inf], [.nan, inf], [1e308, -1e308]] {
      for _ in 0..<10 {
        var x = (0..<columns).map { _ in Double.random(in: -1...1, using: &generator) }
        for value in special { x[Int.random(in: 0..<columns, using: &generator)] = value }
        check(x, rows: 1, columns: columns, "\(special)")
        check(x.map { Float($0) }, rows: 1, columns: columns, "\(special)")
      }
    }
    check([Double](repeating: -inf, count: 3 * columns), rows: 3, columns: columns, "only -inf")
    check([Double](repeating: inf, count: 3 * columns), rows: 3, columns: columns, "only +inf")
  }

  @Test func conventions() {
    let inf = Double.infinity
    let x: [Double] = [0, inf, inf, -inf, -inf, -inf, -inf, -inf]
    let soft = withGuardedOutput(8) { RowFunctions.softmax(x, rows: 2, columns: 4, into: $0) }.entries
    #expect(soft == [0, 0.5, 0.5, 0, 0.25, 0.25, 0.25, 0.25])
    let sums = withGuardedOutput(2) { RowFunctions.logSumExp(x, rows: 2, columns: 4, into: $0) }.entries
    #expect(sums == [inf, -inf])
    let empty = withGuardedOutput(3) { RowFunctions.logSumExp(x, rows: 3, columns: 0, into: $0) }.entries
    #expect(empty == [-inf, -inf, -inf])
  }

  /// Products with derivatives of rows of every width: against their definition, in the memory of the direction, and 0 for no
  /// direction even where a row has no numbers.
  @Test(arguments: Array(1...40) + [63, 64, 65, 127, 128, 130, 257, 1100]) func productsOfAllWidths(columns: Int) {
    checkProducts(columns, Double.self)
    checkProducts(columns, Float.self)
  }

  private func checkProducts<T: LoopScalar>(_ columns: Int, _: T.Type) {
    typealias Product = (UnsafePointer<T>, UnsafePointer<T>, UnsafeMutablePointer<T>) -> Void
    var generator = StridedNoise(14)
    let rows = 19
    func noise() -> [T] { (0..<rows * columns).map { _ in T(Double.random(in: -3...3, using: &generator)) } }
    var (x, v) = (noise(), noise())
    // Ties, an entry that is nearly all there is, and rows without numbers, with and without a direction.
    for j in 0..<columns where j % 3 == 0 { x[j] = 5 }
    x[columns + columns / 2] = 60
    x[2 * columns + columns - 1] = .nan
    x[3 * columns] = .nan
    for j in 0..<columns { v[3 * columns + j] = 0 }
    let epsilon: T = 1e-3
    let products: [(String, Product, ([Double], [Double]) -> [Double])] = [
      (
        "softmaxDeviation", { RowFunctions.softmaxDeviation($0, $1, rows: rows, columns: columns, into: $2) },
        { p, v in
          let mean = zip(p, v).reduce(0) { $0 + $1.0 * $1.1 }
          return v.map { $0 - mean }
        }
      ),
      (
        "softmaxDeviationTransposed",
        { RowFunctions.softmaxDeviationTransposed($0, $1, rows: rows, columns: columns, into: $2) },
        { p, v in
          let sum = v.reduce(0, +)
          return zip(p, v).map { $1 - $0 * sum }
        }
      ),
    ]
    func compare(_ name: String, _ run: Product, _ define: (Int) -> (entries: [Double], size: Double)) {
      let found = withGuardedOutput(x.count) { run(x, v, $0) }
      #expect(found.isIntact)
      for row in 0..<rows {
        let range = row * columns..<(row + 1) * columns
        if row == 3 {
          #expect(found.entries[range].allSatisfy { $0 == 0 }, "\(name) of \(columns)")
        } else if row == 2 {
          #expect(found.entries[range].allSatisfy { $0.isNaN }, "\(name) of \(columns)")
        } else {
          let expected = define(row)
          let tolerance: Double = 8 * Double(T.ulpOfOne) * expected.size * Double(columns).squareRoot()
          let distance = zip(found.entries[range], expected.entries).map { abs(Double($0) - $1) }.max()!
          #expect(distance <= tolerance, "\(name) of \(columns), row \(row)")
        }
      }
      var inPlace = v
      inPlace.withUnsafeMutableBufferPointer { run(x, UnsafePointer($0.baseAddress!), $0.baseAddress!) }
      #expect(isIdentical(inPlace, found.entries), "\(name) of \(columns) in place")
    }
    func row(_ entries: [T], _ row: Int) -> [Double] { entries[row * columns..<(row + 1) * columns].map { Double($0) } }
    for (name, run, define) in products {
      compare(name, run) { (define(expected(row(x, $0), columns).soft, row(v, $0)), 6) }
    }
    let normalization: Product = {
      RowFunctions.normalizationProduct($0, $1, rows: rows, columns: columns, epsilon: epsilon, into: $2)
    }
    compare("normalizationProduct", normalization) {
      let (x, v, n) = (row(x, $0), row(v, $0), Double(columns))
      let mean = x.reduce(0, +) / n
      let factor = 1 / (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n + Double(epsilon)).squareRoot()
      let share = zip(x, v).reduce(0) { $0 + ($1.0 - mean) * factor * $1.1 } / n
      let center = v.reduce(0, +) / n
      // Terms of the size of v, which may cancel, times the factor.
      return (zip(x, v).map { ($1 - center - ($0 - mean) * factor * share) * factor }, 6 * max(1, factor))
    }
  }

  @Test func threadsDoNotMatter() {
    var generator = StridedNoise(13)
    let x = (0..<60_000).map { _ in Float.random(in: -9...9, using: &generator) }
    for columns in [3, 10, 1000, 30_000] {
      let rows = x.count / columns
      let parallel = withGuardedOutput(x.count) { RowFunctions.softmax(x, rows: rows, columns: columns, into: $0) }
      let serial = withThreadLimit(1) {
        withGuardedOutput(x.count) { RowFunctions.softmax(x, rows: rows, columns: columns, into: $0) }
      }
      #expect(isIdentical(parallel.entries, serial.entries))
    }
  }
}
