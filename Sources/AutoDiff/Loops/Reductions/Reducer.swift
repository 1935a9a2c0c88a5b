/// What a reduction does.
///
/// Everything but the innermost loops is compiled for these values once, and not for each ``Reducer``.
enum ReductionKind {
  case sum, dot, maximum, minimum

  /// What joins the results of parts.
  var joining: ReductionKind { self == .dot ? .sum : self }

  /// The result for no entries.
  func neutral<T: LoopScalar>(_: T.Type) -> T {
    switch self {
    case .sum, .dot: 0
    case .maximum: MaximumReducer<T>.neutral
    case .minimum: MinimumReducer<T>.neutral
    }
  }

  /// The result for two groups of entries from the results of each.
  @inline(__always)
  func joined<V: LaneVector>(_ x: V, _ y: V) -> V {
    switch self {
    case .sum, .dot: x + y
    case .maximum: .maximum(x, y)
    case .minimum: .minimum(x, y)
    }
  }
}

/// What a reduction does with the entries of one or two operands.
protocol Reducer<T> {
  associatedtype T: LoopScalar
  /// What joins the results of parts.
  associatedtype Joining: Reducer<T>

  /// The result for no entries, with which entries that do not exist are filled up too.
  static var neutral: T { get }
  /// The result for the entries so far and one more of each operand.
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes
  /// The result for the entries of one vector from what it holds for each.
  static func joined(_ results: T.Lanes) -> T
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
  @inline(__always)
  static func joined(_ results: T.Lanes) -> T { results.sum() }
}

/// Σ a b
enum DotReducer<T: LoopScalar>: Reducer {
  typealias Joining = SumReducer<T>
  static var neutral: T { 0 }
  @inline(__always)
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes { result.adding(a, times: b) }
  @inline(__always)
  static func joined(_ results: T.Lanes) -> T { results.sum() }
}

/// The largest entry; NaN if there is one.
enum MaximumReducer<T: LoopScalar>: Reducer {
  typealias Joining = MaximumReducer<T>
  static var neutral: T { -.infinity }
  @inline(__always)
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes { .maximum(result, a) }
  @inline(__always)
  static func joined(_ results: T.Lanes) -> T { results.largest() }
}

/// The smallest entry; NaN if there is one.
enum MinimumReducer<T: LoopScalar>: Reducer {
  typealias Joining = MinimumReducer<T>
  static var neutral: T { .infinity }
  @inline(__always)
  static func including(_ result: T.Lanes, _ a: T.Lanes, _ b: T.Lanes) -> T.Lanes { .minimum(result, a) }
  @inline(__always)
  static func joined(_ results: T.Lanes) -> T { -(-results).largest() }
}
