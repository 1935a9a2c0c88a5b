import Foundation

/// Functions of whole rows: x and y are rows x columns, row-major.
enum RowFunctions {
  /// y = eˣ / Σ eˣ in every row.
  static func softmax<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    logSoftmax(x, rows: rows, columns: columns, into: y)
    for i in 0..<rows * columns { y[i] = exp(y[i]) }
  }

  /// y = x - log Σ eˣ in every row.
  static func logSoftmax<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    for r in 0..<rows {
      let row = x + r * columns
      let out = y + r * columns
      let top = maximum(row, columns)
      if top.isInfinite {
        let winners = (0..<columns).reduce(0) { $0 + (row[$1] == top ? 1 : 0) }
        let share = -log(T(winners))
        for j in 0..<columns { out[j] = row[j] == top ? share : -.infinity }
      } else {
        let total = log(sum(row, columns, top))
        for j in 0..<columns { out[j] = row[j] - top - total }
      }
    }
  }

  /// y = log Σ eˣ of every row, y being a vector.
  static func logSumExp<T: LoopScalar>(
    _ x: UnsafePointer<T>, rows: Int, columns: Int, into y: UnsafeMutablePointer<T>
  ) {
    for r in 0..<rows {
      let row = x + r * columns
      let top = maximum(row, columns)
      y[r] = top.isInfinite ? top : top + log(sum(row, columns, top))
    }
  }

  private static func sum<T: LoopScalar>(_ row: UnsafePointer<T>, _ columns: Int, _ top: T) -> T {
    (0..<columns).reduce(0) { $0 + exp(row[$1] - top) }
  }

  private static func maximum<T: LoopScalar>(_ row: UnsafePointer<T>, _ columns: Int) -> T {
    var result = -T.infinity
    for j in 0..<columns where !(row[j] <= result) && !result.isNaN { result = row[j] }
    return result
  }

  private static func exp<T: LoopScalar>(_ x: T) -> T { T(Foundation.exp(Double(x))) }
  private static func log<T: LoopScalar>(_ x: T) -> T { T(Foundation.log(Double(x))) }
}
