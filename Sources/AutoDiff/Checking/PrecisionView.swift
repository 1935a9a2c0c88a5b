/// A function of a list of tensors.
typealias TensorsFunction = ([Tensor]) throws -> [Tensor]

/// A function between lists of tensors as a check sees it: numbers in, numbers out, computed in a chosen precision.
///
/// All evaluations return nil where the function throws.
struct PrecisionView {
  /// How the numbers of `.float32` tensors are computed.
  enum Precision {
    /// As the function does.
    case own
    /// In double precision beneath; see ``DoublePrecision``.
    case double
  }

  let f: TensorsFunction
  /// The types that the inputs show.
  let types: [ScalarType]
  let precision: Precision

  /// f(x).
  func value(at x: [Tensor]) -> [Tensor]? { run([x]) { try f($0[0]) } }

  /// f(x) in the types and the precision of the function itself.
  func shown(at x: [Tensor]) -> [Tensor]? { try? f(dress(x, types, nil)) }

  /// J d, after f(x).
  func tangent(at x: [Tensor], along d: [Tensor]) -> (value: [Tensor], tangent: [Tensor])? {
    let both = run([x, d]) {
      let (value, tangent) = try jvp(of: f, at: $0[0], along: $0[1])
      return value + tangent
    }
    return both.map { (Array($0[..<($0.count / 2)]), Array($0[($0.count / 2)...])) }
  }

  /// f(x), and the map ȳ ↦ Jᵀȳ.
  func pullback(at x: [Tensor]) -> (value: [Tensor], pullback: ([Tensor]) -> [Tensor])? {
    let trace = precision == .double ? DoublePrecision() : nil
    guard let (value, pullback) = try? vjp(of: f, at: dress(x, types, trace)) else { return nil }
    let outputTypes = value.map(\.scalarType)
    return (
      value.map { undress($0, trace) },
      { cotangent in pullback(dress(cotangent, outputTypes, trace)).map { undress($0, trace) } }
    )
  }

  private func run(_ lists: [[Tensor]], _ body: ([[Tensor]]) throws -> [Tensor]) -> [Tensor]? {
    let trace = precision == .double ? DoublePrecision() : nil
    return (try? body(lists.map { dress($0, types, trace) }))?.map { undress($0, trace) }
  }

  private func dress(_ leaves: [Tensor], _ types: [ScalarType], _ trace: DoublePrecision?) -> [Tensor] {
    zip(leaves, types).map { leaf, type in trace?.follow(leaf, as: type) ?? leaf.as(type) }
  }

  private func undress(_ tensor: Tensor, _ trace: DoublePrecision?) -> Tensor {
    trace?.plain(tensor) ?? tensor.as(.float64)
  }
}

/// Where the entries of a list of tensors stand when they are written one after the other.
struct EntryLayout {
  let shapes: [[Int]]
  /// The entries of every leaf.
  let ranges: [Range<Int>]

  init(of leaves: [Tensor]) {
    shapes = leaves.map(\.shape)
    var start = 0
    ranges = leaves.map { leaf in
      defer { start += leaf.count }
      return start..<start + leaf.count
    }
  }

  var count: Int { ranges.last?.upperBound ?? 0 }

  /// The leaf to which an entry belongs.
  func leaf(of entry: Int) -> Int { ranges.firstIndex { $0.contains(entry) } ?? 0 }

  /// The name of an entry.
  func place(_ entry: Int) -> DerivativeReport.Place {
    let leaf = leaf(of: entry)
    return .init(leaf: leaf, index: index(of: entry - ranges[leaf].lowerBound, in: shapes[leaf]))
  }

  /// The list of tensors, in double precision, that has these entries.
  func tensors(_ entries: [Double]) -> [Tensor] {
    zip(shapes, ranges).map { Tensor(Array(entries[$1]), shape: $0) }
  }
}

/// All entries of a list of tensors one after the other.
func entries(of leaves: [Tensor]) -> [Double] { leaves.flatMap(\.scalars) }
