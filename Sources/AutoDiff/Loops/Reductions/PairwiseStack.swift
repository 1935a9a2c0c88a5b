/// The results of equally long parts of a reduction, joined two by two as in a knockout tournament, so that rounding
/// errors grow with the logarithm of the number of parts.
///
/// The stack holds one result for every bit that is set in the number of parts, the largest at the bottom.
///
/// - Source: N. J. Higham, *The accuracy of floating point summation*, SIAM J. Sci. Comput. 14 (1993), section 2.
struct PairwiseStack<T: LoopScalar> {
  private let kind: ReductionKind
  /// Room for `capacity` results.
  private let memory: UnsafeMutablePointer<T>
  /// The number of entries of one result.
  private let width: Int
  private var parts = 0

  /// How many results the stack holds at the most, one that is being made included.
  static func capacity(forParts parts: Int) -> Int { Int.bitWidth - parts.leadingZeroBitCount + 2 }

  @inline(__always)
  init(_ kind: ReductionKind, _ memory: UnsafeMutablePointer<T>, width: Int) {
    self.kind = kind
    self.memory = memory
    self.width = width
  }

  /// Where the result of the next part goes.
  @inline(__always)
  var top: UnsafeMutablePointer<T> { memory + parts.nonzeroBitCount * width }

  /// Takes what was put at `top`.
  mutating func push() {
    var result = top
    for _ in 0..<(parts + 1).trailingZeroBitCount {
      joinWithPrevious(result)
      result -= width
    }
    parts += 1
  }

  /// Joins all that is there and returns the result, neutral if nothing was pushed.
  func joined() -> UnsafeMutablePointer<T> {
    if parts == 0 { memory.update(repeating: kind.neutral(T.self), count: width) }
    for level in stride(from: parts.nonzeroBitCount - 1, to: 0, by: -1) { joinWithPrevious(memory + level * width) }
    return memory
  }

  @inline(never)
  private func joinWithPrevious(_ result: UnsafeMutablePointer<T>) {
    let previous = result - width
    var start = 0
    while start < width {
      let n = min(T.Lanes.count, width - start)
      kind.joined(T.Lanes(previous + start, upTo: n), T.Lanes(result + start, upTo: n)).store(previous + start, upTo: n)
      start += n
    }
  }
}
