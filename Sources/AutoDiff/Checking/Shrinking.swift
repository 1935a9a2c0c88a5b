import Foundation

/// Simpler versions of a list of choices, and an order that says which of two is simpler.
extension [Choices.Choice] {
  /// What to compare first when looking for the smallest input: ranks, extents and other integers, then how many numbers
  /// there are, then how hard they are to read.
  private var complexity: [Double] {
    var result = [0.0, 0.0, 0.0]
    for choice in self {
      switch choice {
      case .integer(_, let excess): result[0] += Double(excess)
      case .numbers(let values, let range):
        result[1] += Double(values.count)
        result[2] += values.reduce(0) { $0 + Self.effort($1, in: range) }
      case .seed: break
      }
    }
    return result
  }

  /// Whether this list describes a simpler input than another one. There are no infinite descents.
  func isSimpler(than other: Self) -> Bool { complexity.lexicographicallyPrecedes(other.complexity) }

  private static func effort(_ value: Double, in range: ClosedRange<Double>) -> Double {
    if value == range.simplest { return 0 }
    let size = log1p(value.magnitude) * 1e-3
    if value == value.rounded() { return 1 + size }
    if value * 10 == (value * 10).rounded() { return 2 + size }
    return 4 + size
  }

  /// Simpler lists to try, the boldest first.
  var simplifications: [Self] {
    var result: [Self] = []
    for (index, choice) in enumerated() {
      func replace(_ new: Choices.Choice, removing removed: Int? = nil) {
        var copy = self
        copy[index] = new
        if let removed { copy.remove(at: removed) }
        result.append(copy)
      }
      switch choice {
      case .integer(let value, let excess) where excess > 0:
        var step = excess
        while step > 0 {
          replace(.integer(value - step, excess: excess - step))
          step /= 2
        }
        // If this is a rank, one of the extents that follow goes with it; which one matters.
        for next in index + 1..<Swift.min(index + 5, count) {
          guard case .integer = self[next] else { break }
          replace(.integer(value - 1, excess: excess - 1), removing: next)
        }
      case .numbers(let values, let range): result += simplified(values, range, at: index)
      default: break
      }
    }
    return result
  }

  /// All numbers of a choice made simple, then blocks of half the length, and so on; then single numbers rounded.
  private func simplified(_ values: [Double], _ range: ClosedRange<Double>, at index: Int) -> [Self] {
    var result: [Self] = []
    func propose(_ new: [Double]) {
      guard new != values else { return }
      var copy = self
      copy[index] = .numbers(new, in: range)
      result.append(copy)
    }
    var block = values.count
    while block > 0 {
      for start in stride(from: 0, to: values.count, by: block) {
        var new = values
        for k in start..<Swift.min(start + block, values.count) { new[k] = range.simplest }
        propose(new)
      }
      block /= 2
    }
    for k in values.indices where Self.effort(values[k], in: range) > 1 {
      let value = values[k]
      let rounded = [1, -1, (value / 2).rounded(.towardZero), value.rounded(.towardZero), value.rounded(.awayFromZero)]
      let others = [value - (value < 0 ? -1 : 1), (value * 10).rounded(.towardZero) / 10]
      for candidate in rounded + others where range.contains(candidate) {
        var new = values
        new[k] = candidate
        propose(new)
      }
    }
    return result
  }
}
