/// One position of a tensor's subscript: an index, a range, a range with a step, everything, or the ellipsis.
public enum TensorIndex: Sendable, ExpressibleByIntegerLiteral {
  /// One entry; negative counts from the end. The axis disappears.
  case at(Int)
  /// Entries from a lower bound (nil: the first) up to but not including an upper one (nil: the end), negative bounds
  /// counted from the end, every `step`-th. A negative step walks down from the upper bound minus one.
  case range(Int?, Int?, step: Int)
  /// As many whole axes as are left over; at most once.
  case ellipsis
  /// A new axis of extent 1; written `.newAxis`.
  case insertedAxis

  /// One entry.
  public init(integerLiteral value: Int) { self = .at(value) }
}

/// What can stand in a tensor's subscript: `t[0, 1..<5, ...]`.
public protocol TensorIndexConvertible {
  /// The position that this value means.
  var tensorIndex: TensorIndex { get }
}

extension TensorIndex: TensorIndexConvertible {
  /// Itself.
  public var tensorIndex: TensorIndex { self }
}
extension Int: TensorIndexConvertible {
  /// One entry.
  public var tensorIndex: TensorIndex { .at(self) }
}
extension Range<Int>: TensorIndexConvertible {
  /// The entries of the range.
  public var tensorIndex: TensorIndex { .range(lowerBound, upperBound, step: 1) }
}
extension ClosedRange<Int>: TensorIndexConvertible {
  /// The entries of the range.
  public var tensorIndex: TensorIndex { .range(lowerBound, saturatingSum(upperBound, 1), step: 1) }
}
extension PartialRangeFrom<Int>: TensorIndexConvertible {
  /// The entries from the bound on.
  public var tensorIndex: TensorIndex { .range(lowerBound, nil, step: 1) }
}
extension PartialRangeUpTo<Int>: TensorIndexConvertible {
  /// The entries before the bound.
  public var tensorIndex: TensorIndex { .range(nil, upperBound, step: 1) }
}
extension PartialRangeThrough<Int>: TensorIndexConvertible {
  /// The entries up to and with the bound.
  public var tensorIndex: TensorIndex { .range(nil, saturatingSum(upperBound, 1), step: 1) }
}
extension StrideTo<Int>: TensorIndexConvertible {
  /// The entries of the stride.
  public var tensorIndex: TensorIndex { strideIndex(self, isThrough: false) }
}
extension StrideThrough<Int>: TensorIndexConvertible {
  /// The entries of the stride.
  public var tensorIndex: TensorIndex { strideIndex(self, isThrough: true) }
}

/// The positions of a stride, of which there may be more than could be listed. It tells its bounds only to a mirror.
private func strideIndex(_ positions: some Sequence<Int>, isThrough: Bool) -> TensorIndex {
  let parts = Mirror(reflecting: positions).children.compactMap { $0.value as? Int }
  guard parts.count == 3 else { stop("subscript", "a stride must have two bounds and a step", got: "\(positions)") }
  let (first, end, step) = (parts[0], parts[1], parts[2])
  let isEmpty = step > 0 ? first > end : first < end
  if isEmpty || !isThrough && first == end { return .range(0, 0, step: 1) }
  // Between opposite ends of the range of numbers lie more positions than there are numbers.
  let distance = saturatingSum(end, first == .min ? .max : -first).magnitude
  let steps = (isThrough ? distance : distance - 1) / step.magnitude
  let last = saturatingSum(first, saturatingProduct(Int(clamping: steps), step))
  return step > 0
    ? .range(first, saturatingSum(last, 1), step: step) : .range(last, saturatingSum(first, 1), step: step)
}

extension TensorIndexConvertible where Self == TensorIndex {
  /// The whole axis: `t[.all, 1]`.
  public static var all: TensorIndex { .range(nil, nil, step: 1) }
  /// A new axis of extent 1: `t[.newAxis, 0]`.
  public static var newAxis: TensorIndex { .insertedAxis }
}

extension Tensor {
  /// A part of the tensor: indices drop their axis, ranges and strides keep it, `.all` stands for a whole axis, `...` for
  /// as many whole axes as are left over, and axes that are not named at the end are kept whole.
  ///
  ///     t[0, 1..<5, ...]
  ///     t[.all, -1]
  ///     t[i, .newAxis, stride(from: 0, to: n, by: 2)]
  ///
  /// Assigning replaces that part by a tensor that broadcasts to it, in place where no other tensor shares the memory: it
  /// costs as much as the part, also under derivatives and inside ``vmap(_:axis:outputAxis:)``.
  public subscript<each Position: TensorIndexConvertible>(positions: repeat each Position) -> Tensor {
    get { part(list(repeat each positions)) }
    set { replacePart(list(repeat each positions), with: newValue) }
    // Written out in all these subscripts, because the compiler (6.3) fails to make it up for packs.
    _modify {
      let positions = list(repeat each positions)
      var piece = part(positions)
      defer { replacePart(positions, with: piece) }
      yield &piece
    }
  }

  /// A part of the tensor, with the ellipsis first: `t[..., 0]`.
  public subscript<each Position: TensorIndexConvertible>(
    _: UnboundedRange, positions: repeat each Position
  ) -> Tensor {
    get { part([.ellipsis] + list(repeat each positions)) }
    set { replacePart([.ellipsis] + list(repeat each positions), with: newValue) }
    _modify {
      let positions: [TensorIndex] = [.ellipsis] + list(repeat each positions)
      var piece = part(positions)
      defer { replacePart(positions, with: piece) }
      yield &piece
    }
  }

  /// A part of the tensor, with the ellipsis after one position: `t[0, ...]`.
  public subscript<A: TensorIndexConvertible, each Position: TensorIndexConvertible>(
    first: A, _: UnboundedRange, positions: repeat each Position
  ) -> Tensor {
    get { part([first.tensorIndex, .ellipsis] + list(repeat each positions)) }
    set { replacePart([first.tensorIndex, .ellipsis] + list(repeat each positions), with: newValue) }
    _modify {
      let positions: [TensorIndex] = [first.tensorIndex, .ellipsis] + list(repeat each positions)
      var piece = part(positions)
      defer { replacePart(positions, with: piece) }
      yield &piece
    }
  }

  /// A part of the tensor, with the ellipsis after two positions: `t[0, 1..<5, ...]`.
  public subscript<A: TensorIndexConvertible, B: TensorIndexConvertible, each Position: TensorIndexConvertible>(
    first: A, second: B, _: UnboundedRange, positions: repeat each Position
  ) -> Tensor {
    get { part([first.tensorIndex, second.tensorIndex, .ellipsis] + list(repeat each positions)) }
    set {
      replacePart([first.tensorIndex, second.tensorIndex, .ellipsis] + list(repeat each positions), with: newValue)
    }
    _modify {
      let positions: [TensorIndex] = [first.tensorIndex, second.tensorIndex, .ellipsis] + list(repeat each positions)
      var piece = part(positions)
      defer { replacePart(positions, with: piece) }
      yield &piece
    }
  }

  /// A part of the tensor, with the ellipsis after three positions: `t[0, .all, 1, ..., 0]`.
  public subscript<
    A: TensorIndexConvertible, B: TensorIndexConvertible, C: TensorIndexConvertible,
    each Position: TensorIndexConvertible
  >(
    first: A, second: B, third: C, _: UnboundedRange, positions: repeat each Position
  ) -> Tensor {
    get { part([first.tensorIndex, second.tensorIndex, third.tensorIndex, .ellipsis] + list(repeat each positions)) }
    set {
      replacePart(
        [first.tensorIndex, second.tensorIndex, third.tensorIndex, .ellipsis] + list(repeat each positions),
        with: newValue)
    }
    _modify {
      let positions: [TensorIndex] =
        [first.tensorIndex, second.tensorIndex, third.tensorIndex, .ellipsis] + list(repeat each positions)
      var piece = part(positions)
      defer { replacePart(positions, with: piece) }
      yield &piece
    }
  }

  private func list<each Position: TensorIndexConvertible>(_ positions: repeat each Position) -> [TensorIndex] {
    var list: [TensorIndex] = []
    for position in repeat each positions { list.append(position.tensorIndex) }
    return list
  }

  package func part(_ positions: [TensorIndex]) -> Tensor {
    let plan = SubscriptPlan(positions, shape)
    let slice = Slice(starts: plan.starts, counts: plan.counts, steps: plan.steps)
    let whole = plan.counts == shape && plan.steps.allSatisfy { $0 == 1 }
    return (whole ? self : bind(slice, .one(self))).reshaped(to: plan.result)
  }

  package mutating func replacePart(_ positions: [TensorIndex], with value: Tensor) {
    let plan = SubscriptPlan(positions, shape)
    guard broadcastShape(value.shape, plan.result, "subscript") == plan.result else {
      stop(
        "subscript", "what is assigned must broadcast to the part", got: "\(value.shape) for a part of \(plan.result)")
    }
    let piece = value.as(scalarType).broadcast(to: plan.result).reshaped(to: plan.counts)
    let whole = self
    // Given up, so that the memory has no other reference while it is written to.
    self = .zero
    self = replaceSlice(ReplaceSlice(starts: plan.starts, steps: plan.steps), with: piece, in: consume whole)
  }
}

private struct SubscriptPlan {
  var starts: [Int] = [], counts: [Int] = [], steps: [Int] = []
  /// The shape after indexed axes have gone and new axes have come.
  var result: [Int] = []

  init(_ positions: [TensorIndex], _ shape: [Int]) {
    var named = 0
    var ellipses = 0
    for position in positions {
      switch position {
      case .ellipsis: ellipses += 1
      case .insertedAxis: break
      default: named += 1
      }
    }
    guard ellipses <= 1, named <= shape.count else {
      stop("subscript", "at most one ellipsis and one position per axis", got: "\(named) positions for \(shape)")
    }
    var axis = 0
    func keepWhole(_ count: Int) {
      for _ in 0..<count {
        starts.append(0)
        counts.append(shape[axis])
        steps.append(1)
        result.append(shape[axis])
        axis += 1
      }
    }
    for position in positions {
      switch position {
      case .ellipsis: keepWhole(shape.count - named)
      case .insertedAxis: result.append(1)
      case .at(let index):
        let extent = shape[axis]
        let normalized = index < 0 ? index + extent : index
        guard normalized >= 0, normalized < extent else {
          stop("subscript", "an index must lie in \(-extent)..<\(extent)", got: "\(index) on axis \(axis) of \(shape)")
        }
        starts.append(normalized)
        counts.append(1)
        steps.append(1)
        axis += 1
      case .range(let lower, let upper, let step):
        let extent = shape[axis]
        let from = lower.map { $0 < 0 ? $0 + extent : $0 } ?? 0
        let to = upper.map { $0 < 0 ? $0 + extent : $0 } ?? extent
        guard step != 0, from >= 0, from <= to, to <= extent else {
          stop(
            "subscript", "a range must lie in 0...\(extent) and its step not be 0",
            got: "\(from)..<\(to) by \(step) on axis \(axis) of \(shape)")
        }
        let count = to == from ? 0 : Int(UInt(to - from - 1) / step.magnitude) + 1
        starts.append(step > 0 ? from : Swift.max(from, to - 1))
        counts.append(count)
        steps.append(step)
        result.append(count)
        axis += 1
      }
    }
    keepWhole(shape.count - axis)
  }
}
