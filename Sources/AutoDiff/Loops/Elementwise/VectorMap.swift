/// A function of one number, written for whole vectors.
///
/// A type and not a closure, because the loop over vectors is compiled for every type, and the function then becomes part
/// of the loop. A closure would be called once per vector, with its arguments in memory. Everything else, from threads to
/// incomplete vectors, is compiled once for all functions and calls that loop.
protocol UnaryLaneFunction: Sendable {
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V
  /// The loop y = f(x) over whole vectors. Derived from `value`; call ``VectorMap`` instead.
  func map(_ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, _ count: Int, streamed: Bool)
  /// The same in single precision.
  func map(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, streamed: Bool)
}

/// A function of two numbers, written for whole vectors.
protocol BinaryLaneFunction: Sendable {
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V
  /// The loop y = f(a, b) over whole vectors, where an operand with a step of 0 is a single one. Derived from `value`;
  /// call ``VectorMap`` or ``StridedMap`` instead.
  func map(
    _ a: LaneOperand<Double>, _ b: LaneOperand<Double>, _ y: UnsafeMutablePointer<Double>, _ count: Int, streamed: Bool)
  /// The same in single precision.
  func map(
    _ a: LaneOperand<Float>, _ b: LaneOperand<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, streamed: Bool)
}

/// A function of three numbers, written for whole vectors.
protocol TernaryLaneFunction: Sendable {
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V, _ c: V) -> V
  /// The loop y = f(a, b, c) over whole vectors, where an operand with a step of 0 is a single one. Derived from `value`;
  /// call ``StridedMap`` instead.
  func map(
    _ a: LaneOperand<Double>, _ b: LaneOperand<Double>, _ c: LaneOperand<Double>,
    _ y: UnsafeMutablePointer<Double>, _ count: Int)
  /// The same in single precision.
  func map(
    _ a: LaneOperand<Float>, _ b: LaneOperand<Float>, _ c: LaneOperand<Float>, _ y: UnsafeMutablePointer<Float>,
    _ count: Int)
}

/// Contiguous entries (with a step of 1), or one vector that is used over and over (with a step of 0).
struct LaneOperand<T: LoopScalar> {
  var base: UnsafePointer<T>
  var step = 1

  /// The operand from entry `start` on.
  @inline(__always) func from(_ start: Int) -> Self { Self(base: base + start &* step, step: step) }

  /// The vector at entry `i`.
  @inline(__always) subscript(i: Int) -> T.Lanes { T.Lanes(base + i &* step) }

  /// The same memory under its other name; the type must be that of the entries.
  @inline(__always) func bound<U: LoopScalar>(to type: U.Type) -> LaneOperand<U> {
    LaneOperand<U>(base: UnsafeRawPointer(base).assumingMemoryBound(to: type), step: step)
  }
}

/// Functions applied to every entry of contiguous memory.
///
/// The last, incomplete vector is filled up and computed by the same code as the others, so the result for an entry
/// depends on the entry only: not on its place, and not on the number of threads. The output may be one of the inputs.
///
/// Every function is compiled into exactly one loop per scalar type; more copies would make the module's build slow.
enum VectorMap {
  /// y = f(x).
  static func unary<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, count: Int, _ f: any UnaryLaneFunction
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
  static func value<T: LoopScalar>(_ x: T, _ f: any UnaryLaneFunction) -> T {
    withUnsafeTemporaryAllocation(of: T.self, capacity: T.Lanes.count) { buffer in
      let address = buffer.baseAddress!
      T.Lanes(repeating: x).store(address)
      vectors(address, address, T.Lanes.count, f)
      return address[0]
    }
  }

  /// y = f(a, b).
  static func binary<T: LoopScalar>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, count: Int, _ f: any BinaryLaneFunction
  ) {
    let isStreamed = a != UnsafePointer(y) && b != UnsafePointer(y) && StreamedResult.suits(y, count: count)
    let (a, b) = (LaneOperand(base: a), LaneOperand(base: b))
    forEachPiece(count, T.Lanes.self) { start, whole in
      vectors(a.from(start), b.from(start), y + start, whole, f, streamed: isStreamed)
      if isStreamed { StreamedResult.finish() }
    } tail: { start, size in
      row(a.from(start), b.from(start), y + start, count: size, f)
    }
  }

  /// y = f(a, b) on one thread.
  static func row<T: LoopScalar>(
    _ a: LaneOperand<T>, _ b: LaneOperand<T>, _ y: UnsafeMutablePointer<T>, count: Int, _ f: any BinaryLaneFunction
  ) {
    let size = count % T.Lanes.count
    let whole = count - size
    if whole > 0 { vectors(a, b, y, whole, f) }
    if size == 0 { return }
    withUnsafeTemporaryAllocation(of: T.self, capacity: 2 * T.Lanes.count) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + T.Lanes.count)
      T.Lanes(a.from(whole).base, upTo: size).store(first)
      T.Lanes(b.from(whole).base, upTo: size).store(second)
      vectors(LaneOperand(base: first), LaneOperand(base: second), first, T.Lanes.count, f)
      T.Lanes(first).store(y + whole, upTo: size)
    }
  }

  /// y = f(a, b, c) on one thread.
  static func row<T: LoopScalar>(
    _ a: LaneOperand<T>, _ b: LaneOperand<T>, _ c: LaneOperand<T>, _ y: UnsafeMutablePointer<T>, count: Int,
    _ f: any TernaryLaneFunction
  ) {
    let size = count % T.Lanes.count
    let whole = count - size
    if whole > 0 { vectors(a, b, c, y, whole, f) }
    if size == 0 { return }
    withUnsafeTemporaryAllocation(of: T.self, capacity: 3 * T.Lanes.count) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + T.Lanes.count)
      let third = second + T.Lanes.count
      T.Lanes(a.from(whole).base, upTo: size).store(first)
      T.Lanes(b.from(whole).base, upTo: size).store(second)
      T.Lanes(c.from(whole).base, upTo: size).store(third)
      vectors(
        LaneOperand(base: first), LaneOperand(base: second), LaneOperand(base: third), first, T.Lanes.count, f)
      T.Lanes(first).store(y + whole, upTo: size)
    }
  }

  /// f(a, b) for two numbers, with the bits that it has anywhere in an array.
  static func value<T: LoopScalar>(_ a: T, _ b: T, _ f: any BinaryLaneFunction) -> T {
    withUnsafeTemporaryAllocation(of: T.self, capacity: 2 * T.Lanes.count) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + T.Lanes.count)
      T.Lanes(repeating: a).store(first)
      T.Lanes(repeating: b).store(second)
      vectors(LaneOperand(base: first), LaneOperand(base: second), first, T.Lanes.count, f)
      return first[0]
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

// MARK: - The loops

/// From the one driver for all functions to the loop of one function.
extension VectorMap {
  @inline(__always)
  private static func vectors<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ f: any UnaryLaneFunction,
    streamed: Bool = false
  ) {
    let (x, y) = (UnsafeRawPointer(x), UnsafeMutableRawPointer(y))
    if T.Lanes.isDouble {
      f.map(x.assumingMemoryBound(to: Double.self), y.assumingMemoryBound(to: Double.self), count, streamed: streamed)
    } else {
      f.map(x.assumingMemoryBound(to: Float.self), y.assumingMemoryBound(to: Float.self), count, streamed: streamed)
    }
  }

  @inline(__always)
  private static func vectors<T: LoopScalar>(
    _ a: LaneOperand<T>, _ b: LaneOperand<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ f: any BinaryLaneFunction,
    streamed: Bool = false
  ) {
    let y = UnsafeMutableRawPointer(y)
    if T.Lanes.isDouble {
      f.map(
        a.bound(to: Double.self), b.bound(to: Double.self), y.assumingMemoryBound(to: Double.self), count,
        streamed: streamed)
    } else {
      f.map(
        a.bound(to: Float.self), b.bound(to: Float.self), y.assumingMemoryBound(to: Float.self), count,
        streamed: streamed)
    }
  }

  @inline(__always)
  private static func vectors<T: LoopScalar>(
    _ a: LaneOperand<T>, _ b: LaneOperand<T>, _ c: LaneOperand<T>, _ y: UnsafeMutablePointer<T>, _ count: Int,
    _ f: any TernaryLaneFunction
  ) {
    let y = UnsafeMutableRawPointer(y)
    if T.Lanes.isDouble {
      f.map(
        a.bound(to: Double.self), b.bound(to: Double.self), c.bound(to: Double.self),
        y.assumingMemoryBound(to: Double.self), count)
    } else {
      f.map(
        a.bound(to: Float.self), b.bound(to: Float.self), c.bound(to: Float.self),
        y.assumingMemoryBound(to: Float.self), count)
    }
  }
}

extension UnaryLaneFunction {
  func map(_ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, _ count: Int, streamed: Bool) {
    loop(x, y, count, streamed)
  }

  func map(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, streamed: Bool) {
    loop(x, y, count, streamed)
  }

  @inline(__always)
  private func loop<T: LoopScalar>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ streamed: Bool
  ) {
    var i = 0
    while i < count {
      let value = self.value(T.Lanes(x + i))
      if streamed { value.stream(y + i) } else { value.store(y + i) }
      i &+= T.Lanes.count
    }
  }
}

extension BinaryLaneFunction {
  func map(
    _ a: LaneOperand<Double>, _ b: LaneOperand<Double>, _ y: UnsafeMutablePointer<Double>, _ count: Int, streamed: Bool
  ) {
    loop(a, b, y, count, streamed)
  }

  func map(
    _ a: LaneOperand<Float>, _ b: LaneOperand<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, streamed: Bool
  ) {
    loop(a, b, y, count, streamed)
  }

  @inline(__always)
  private func loop<T: LoopScalar>(
    _ a: LaneOperand<T>, _ b: LaneOperand<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ streamed: Bool
  ) {
    var i = 0
    while i < count {
      let value = self.value(a[i], b[i])
      if streamed { value.stream(y + i) } else { value.store(y + i) }
      i &+= T.Lanes.count
    }
  }
}

extension TernaryLaneFunction {
  func map(
    _ a: LaneOperand<Double>, _ b: LaneOperand<Double>, _ c: LaneOperand<Double>,
    _ y: UnsafeMutablePointer<Double>, _ count: Int
  ) {
    loop(a, b, c, y, count)
  }

  func map(
    _ a: LaneOperand<Float>, _ b: LaneOperand<Float>, _ c: LaneOperand<Float>, _ y: UnsafeMutablePointer<Float>,
    _ count: Int
  ) {
    loop(a, b, c, y, count)
  }

  @inline(__always)
  private func loop<T: LoopScalar>(
    _ a: LaneOperand<T>, _ b: LaneOperand<T>, _ c: LaneOperand<T>, _ y: UnsafeMutablePointer<T>, _ count: Int
  ) {
    var i = 0
    while i < count {
      value(a[i], b[i], c[i]).store(y + i)
      i &+= T.Lanes.count
    }
  }
}
