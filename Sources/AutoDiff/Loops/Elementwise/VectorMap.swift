/// A function of one number, written for whole vectors.
///
/// A type and not a closure, because a generic loop is specialized for every type that it is given, and the function then
/// becomes part of the loop. A closure would be called once per vector, with its arguments in memory.
protocol UnaryLaneFunction: Sendable {
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V
}

/// A function of two numbers, written for whole vectors.
protocol BinaryLaneFunction: Sendable {
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V
}

/// A function of three numbers, written for whole vectors.
protocol TernaryLaneFunction: Sendable {
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V, _ c: V) -> V
}

/// Functions applied to every entry of contiguous memory.
///
/// The last, incomplete vector is filled up and computed by the same code as the others, so the result for an entry
/// depends on the entry only: not on its place, and not on the number of threads. The output may be one of the inputs.
///
/// Every function is compiled into exactly one loop per scalar type; more copies would make the module's build slow.
enum VectorMap {
  /// y = f(x).
  static func unary<T: LoopScalar, F: UnaryLaneFunction>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, count: Int, _ f: F
  ) {
    let isStreamed = x != UnsafePointer(y) && StreamedResult.suits(y, count: count)
    forEachPiece(count, T.Lanes.self) { start, whole in
      vectors(x + start, y + start, whole, f, streamed: isStreamed)
      if isStreamed { StreamedResult.finish() }
    } tail: { start, size in
      withUnsafeTemporaryAllocation(of: T.self, capacity: T.Lanes.count) { buffer in
        let last = buffer.baseAddress!
        T.Lanes(x + start, upTo: size).store(last)
        vectors(last, last, T.Lanes.count, f)
        T.Lanes(last).store(y + start, upTo: size)
      }
    }
  }

  /// f(x) for one number, with the bits that it has anywhere in an array.
  static func value<T: LoopScalar, F: UnaryLaneFunction>(_ x: T, _ f: F) -> T {
    withUnsafeTemporaryAllocation(of: T.self, capacity: T.Lanes.count) { buffer in
      let address = buffer.baseAddress!
      T.Lanes(repeating: x).store(address)
      vectors(address, address, T.Lanes.count, f)
      return address[0]
    }
  }

  /// y = f(a, b).
  static func binary<T: LoopScalar, F: BinaryLaneFunction>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, count: Int, _ f: F
  ) {
    let isStreamed = a != UnsafePointer(y) && b != UnsafePointer(y) && StreamedResult.suits(y, count: count)
    forEachPiece(count, T.Lanes.self) { start, whole in
      vectors(a + start, 1, b + start, 1, y + start, whole, f, streamed: isStreamed)
      if isStreamed { StreamedResult.finish() }
    } tail: { start, size in
      lastVector(a + start, b + start, y + start, size, f)
    }
  }

  /// y = f(a, b) on one thread, where an operand with a step of 0 is a single vector, used over and over.
  static func row<T: LoopScalar, F: BinaryLaneFunction>(
    _ a: UnsafePointer<T>, step aStep: Int, _ b: UnsafePointer<T>, step bStep: Int, _ y: UnsafeMutablePointer<T>,
    count: Int, _ f: F
  ) {
    let whole = count - count % T.Lanes.count
    vectors(a, aStep, b, bStep, y, whole, f)
    if whole < count { lastVector(a + whole * aStep, b + whole * bStep, y + whole, count - whole, f) }
  }

  private static func lastVector<T: LoopScalar, F: BinaryLaneFunction>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ size: Int, _ f: F
  ) {
    withUnsafeTemporaryAllocation(of: T.self, capacity: 2 * T.Lanes.count) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + T.Lanes.count)
      T.Lanes(a, upTo: size).store(first)
      T.Lanes(b, upTo: size).store(second)
      vectors(first, 1, second, 1, first, T.Lanes.count, f)
      T.Lanes(first).store(y, upTo: size)
    }
  }

  /// f(a, b) for two numbers, with the bits that it has anywhere in an array.
  static func value<T: LoopScalar, F: BinaryLaneFunction>(_ a: T, _ b: T, _ f: F) -> T {
    withUnsafeTemporaryAllocation(of: T.self, capacity: 2 * T.Lanes.count) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + T.Lanes.count)
      T.Lanes(repeating: a).store(first)
      T.Lanes(repeating: b).store(second)
      vectors(first, 1, second, 1, first, T.Lanes.count, f)
      return first[0]
    }
  }

  /// The loop itself, over whole vectors.
  @inline(never)
  private static func vectors<T: LoopScalar, F: UnaryLaneFunction>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ f: F, streamed: Bool = false
  ) {
    var i = 0
    while i < count {
      let value = f.value(T.Lanes(x + i))
      if streamed { value.stream(y + i) } else { value.store(y + i) }
      i &+= T.Lanes.count
    }
  }

  /// The loop itself, over whole vectors.
  @inline(never)
  private static func vectors<T: LoopScalar, F: BinaryLaneFunction>(
    _ a: UnsafePointer<T>, _ aStep: Int, _ b: UnsafePointer<T>, _ bStep: Int, _ y: UnsafeMutablePointer<T>,
    _ count: Int, _ f: F, streamed: Bool = false
  ) {
    var i = 0
    while i < count {
      let value = f.value(T.Lanes(a + i &* aStep), T.Lanes(b + i &* bStep))
      if streamed { value.stream(y + i) } else { value.store(y + i) }
      i &+= T.Lanes.count
    }
  }

  /// Calls `body` with the start and length of runs of whole vectors, and `tail` with that of an incomplete one.
  ///
  /// Long arrays are divided into pieces for several threads, by their length only. A piece is worth some microseconds
  /// even of the cheapest functions, and fits the second-level cache.
  private static func forEachPiece<V: LaneVector>(
    _ count: Int, _: V.Type, _ body: (_ start: Int, _ count: Int) -> Void, tail: (_ start: Int, _ size: Int) -> Void
  ) {
    let whole = count - count % V.count
    let piece = count < 32768 ? whole : max(8192, (count / 64 + 63) & ~63)
    if whole <= piece {
      if whole > 0 { body(0, whole) }
    } else {
      ThreadTeam.run((whole + piece - 1) / piece) { task in body(task * piece, min(piece, whole - task * piece)) }
    }
    if whole < count { tail(whole, count - whole) }
  }
}
