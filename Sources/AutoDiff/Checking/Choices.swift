import Foundation

/// The random choices from which an input of a property test is built.
///
/// Every choice is recorded, and an input is made smaller by making a choice smaller and building it again. Whatever a
/// generator builds is therefore valid when it is shrunk, too: shapes that must fit each other still do.
public struct Choices {
  enum Choice: Equatable {
    case integer(Int, excess: Int)
    case numbers([Double], in: ClosedRange<Double>)
    case seed(UInt64)
  }

  /// What has been chosen.
  private(set) var record: [Choice] = []
  private var random: RandomGenerator
  /// The choices to repeat, or nil to choose at random.
  private let script: [Choice]?
  private var position = 0

  init(seed: UInt64) {
    random = RandomGenerator(seed: seed)
    script = nil
  }

  init(repeating script: [Choice]) {
    random = RandomGenerator(seed: 0)
    self.script = script
  }

  /// The next scripted choice of a kind; others in between belong to something that is no longer built.
  private mutating func next<T>(_ match: (Choice) -> T?) -> T? {
    guard let script else { return nil }
    for index in position..<max(position, script.count) {
      if let value = match(script[index]) {
        position = index + 1
        return value
      }
    }
    return nil
  }

  /// An integer; the lower bound is the simplest. One in four is the lower bound or its neighbor.
  public mutating func integer(in range: ClosedRange<Int>) -> Int {
    var value = range.lowerBound
    if script != nil {
      let scripted = next { if case .integer(let value, _) = $0 { value } else { nil } }
      value = Swift.min(Swift.max(scripted ?? value, range.lowerBound), range.upperBound)
    } else if random.next() % 4 == 0 {
      value = Swift.min(range.lowerBound + Int(random.next() & 1), range.upperBound)
    } else {
      value = Int.random(in: range, using: &random)
    }
    record.append(.integer(value, excess: value - range.lowerBound))
    return value
  }

  /// Numbers of a range, uniform; 0 is the simplest if it lies in the range, then come integers and short decimals.
  public mutating func numbers(_ count: Int, in range: ClosedRange<Double>) -> [Double] {
    var values: [Double]
    if script != nil {
      let scripted: [Double] = next { if case .numbers(let values, _) = $0 { values } else { nil } } ?? []
      values = scripted.prefix(count).map { Swift.min(Swift.max($0, range.lowerBound), range.upperBound) }
      values += [Double](repeating: range.simplest, count: count - values.count)
    } else {
      let width = range.upperBound - range.lowerBound
      values = (0..<count).map { _ in range.lowerBound + width * random.uniform() }
    }
    record.append(.numbers(values, in: range))
    return values
  }

  /// A number of a range; see ``numbers(_:in:)``.
  public mutating func number(in range: ClosedRange<Double>) -> Double { numbers(1, in: range)[0] }

  /// One of the elements, the first being the simplest. Stops if there is none.
  public mutating func element<T>(of elements: [T]) -> T {
    if elements.isEmpty { stop("element", "there must be an element to choose") }
    return elements[integer(in: 0...elements.count - 1)]
  }

  /// A shape: a rank and as many extents.
  public mutating func shape(rank: ClosedRange<Int> = 0...3, extents: ClosedRange<Int> = 0...4) -> [Int] {
    let rank = integer(in: rank)
    return (0..<rank).map { _ in integer(in: extents) }
  }

  /// A tensor of a shape.
  ///
  /// - Parameters:
  ///   - shape: its shape.
  ///   - range: of its entries.
  ///   - kink: a number from which entries keep away by a twentieth of the range, for functions that have no
  ///     derivative there.
  ///   - scalarType: of its entries.
  public mutating func tensor(
    _ shape: [Int], in range: ClosedRange<Double> = -2...2, awayFrom kink: Double? = nil,
    as scalarType: ScalarType = .float64
  ) -> Tensor {
    var entries = numbers(shape.reduce(1, *), in: range)
    if let kink {
      let margin = (range.upperBound - range.lowerBound) / 20
      for k in entries.indices where (entries[k] - kink).magnitude < margin {
        entries[k] = entries[k] < kink && kink - margin >= range.lowerBound ? kink - margin : kink + margin
      }
    }
    return Tensor(entries, shape: shape, as: scalarType)
  }

  /// A generator for what is not built from choices. What it gives is repeated but not shrunk.
  public mutating func randomGenerator() -> RandomGenerator {
    let seed = next { if case .seed(let seed) = $0 { seed } else { nil } } ?? random.next()
    record.append(.seed(seed))
    return RandomGenerator(seed: seed)
  }
}

extension ClosedRange<Double> {
  /// The number of this range that reads most easily: 0, else the integer nearest to it, else the bound nearest to it.
  var simplest: Double {
    if contains(0) { return 0 }
    let rounded = lowerBound > 0 ? lowerBound.rounded(.up) : upperBound.rounded(.down)
    return contains(rounded) ? rounded : lowerBound > 0 ? lowerBound : upperBound
  }
}
