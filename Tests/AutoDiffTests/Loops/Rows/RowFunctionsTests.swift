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
