/// What a reduction does with the entries of one or two operands.
protocol Reducer<T> {
  associatedtype T: LoopScalar
  /// What joins the results of parts.
  associatedtype Joining: Reducer<T>

  /// The result for no entries, with which entries that do not exist are filled up too.
  static var neutral: T { get }
  /// The result for the entries so far and one more of each operand.
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes
}

extension Reducer {
  /// The result for two groups of entries from the results of each.
  @inline(__always)
  static func joined(_ x: T.Lanes, _ y: T.Lanes) -> T.Lanes { Joining.including(x, y, y) }
}

/// Σ a
enum SumReducer<T: LoopScalar>: Reducer {
  typealias Joining = SumReducer<T>
  static var neutral: T { 0 }
  @inline(__always)
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes { result + a }
}

/// Σ a b
enum DotReducer<T: LoopScalar>: Reducer {
  typealias Joining = SumReducer<T>
  static var neutral: T { 0 }
  @inline(__always)
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes { result.adding(a, times: b) }
}

/// The largest entry; NaN if there is one.
enum MaximumReducer<T: LoopScalar>: Reducer {
  typealias Joining = MaximumReducer<T>
  static var neutral: T { -.infinity }
  @inline(__always)
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes { .maximum(result, a) }
}

/// The smallest entry; NaN if there is one.
enum MinimumReducer<T: LoopScalar>: Reducer {
  typealias Joining = MinimumReducer<T>
  static var neutral: T { .infinity }
  @inline(__always)
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes { .minimum(result, a) }
}
