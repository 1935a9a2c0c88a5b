/// How to build a random input of a property test from ``Choices``.
///
///     let vectors = InputGenerator { choose in
///       let n = choose.integer(in: 0...5)
///       return Pair(choose.tensor([n]), choose.tensor([n]))
///     }
public struct InputGenerator<Value> {
  let build: (inout Choices) -> Value

  /// Makes a generator from a closure.
  public init(_ build: @escaping (inout Choices) -> Value) { self.build = build }

  /// Makes a generator from a closure of a seeded generator and a size, which knows nothing of choices. A failure is
  /// shrunk by building smaller sizes.
  ///
  /// - Parameters:
  ///   - sizes: the sizes to choose from.
  ///   - build: makes the input from a seeded generator and a size.
  public init(sizes: ClosedRange<Int>, _ build: @escaping (_ random: inout RandomGenerator, _ size: Int) -> Value) {
    self.build = { choose in
      let size = choose.integer(in: sizes)
      var random = choose.randomGenerator()
      return build(&random, size)
    }
  }

  /// A generator of the transformed values.
  public func map<T>(_ transform: @escaping (Value) -> T) -> InputGenerator<T> {
    let build = build
    return InputGenerator<T> { transform(build(&$0)) }
  }
}

extension InputGenerator where Value == Int {
  /// Integers of a range.
  public static func integer(in range: ClosedRange<Int>) -> InputGenerator<Int> {
    InputGenerator { $0.integer(in: range) }
  }
}

extension InputGenerator where Value == Double {
  /// Numbers of a range.
  public static func number(in range: ClosedRange<Double> = -2...2) -> InputGenerator<Double> {
    InputGenerator { $0.number(in: range) }
  }
}

extension InputGenerator where Value == ScalarType {
  /// Either type.
  public static var scalarType: InputGenerator<ScalarType> { InputGenerator { $0.element(of: ScalarType.allCases) } }
}

extension InputGenerator where Value == [Int] {
  /// Shapes.
  public static func shape(
    rank: ClosedRange<Int> = 0...3, extents: ClosedRange<Int> = 0...4
  ) -> InputGenerator<[Int]> {
    InputGenerator { $0.shape(rank: rank, extents: extents) }
  }
}

extension InputGenerator where Value == Tensor {
  /// Tensors of any shape, empty ones included.
  ///
  /// - Parameters:
  ///   - rank: the number of axes.
  ///   - extents: of every axis.
  ///   - range: of the entries.
  ///   - kink: a number from which the entries keep away.
  ///   - scalarTypes: the types to choose from.
  public static func tensor(
    rank: ClosedRange<Int> = 0...3, extents: ClosedRange<Int> = 0...4, in range: ClosedRange<Double> = -2...2,
    awayFrom kink: Double? = nil, as scalarTypes: [ScalarType] = [.float64]
  ) -> InputGenerator<Tensor> {
    InputGenerator { choose in
      let type = choose.element(of: scalarTypes)
      return choose.tensor(
        choose.shape(rank: rank, extents: extents), in: range, awayFrom: kink, as: type)
    }
  }
}

extension InputGenerator where Value == [Tensor] {
  /// Several tensors of one shape and type.
  public static func tensors(
    _ count: Int, rank: ClosedRange<Int> = 0...3, extents: ClosedRange<Int> = 0...4,
    in range: ClosedRange<Double> = -2...2, awayFrom kink: Double? = nil, as scalarTypes: [ScalarType] = [.float64]
  ) -> InputGenerator<[Tensor]> {
    InputGenerator { choose in
      let type = choose.element(of: scalarTypes)
      let shape = choose.shape(rank: rank, extents: extents)
      return (0..<count).map { _ in choose.tensor(shape, in: range, awayFrom: kink, as: type) }
    }
  }

  /// Several tensors of one type whose shapes broadcast to a common one: axes in front may be missing and extents be 1.
  public static func broadcastable(
    _ count: Int, rank: ClosedRange<Int> = 0...3, extents: ClosedRange<Int> = 0...4,
    in range: ClosedRange<Double> = -2...2, awayFrom kink: Double? = nil, as scalarTypes: [ScalarType] = [.float64]
  ) -> InputGenerator<[Tensor]> {
    InputGenerator { choose in
      let type = choose.element(of: scalarTypes)
      let shape = choose.shape(rank: rank, extents: extents)
      return (0..<count).map { _ in
        let own = shape.dropFirst(choose.integer(in: 0...shape.count)).map { choose.integer(in: 0...1) == 0 ? $0 : 1 }
        return choose.tensor(own, in: range, awayFrom: kink, as: type)
      }
    }
  }
}
