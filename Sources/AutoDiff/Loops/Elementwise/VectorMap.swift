/// What functions of vectors have in common.
protocol LaneFunction: Sendable {
  /// About how many times as long as an addition it takes; it decides from which size on threads are worth while.
  var weight: Int { get }
}

extension LaneFunction {
  var weight: Int { 1 }
}

/// A function that takes an exponential, a logarithm or the like.
protocol TranscendentalFunction: LaneFunction {}

extension TranscendentalFunction {
  var weight: Int { 6 }
}

/// A function of one number, written for whole vectors.
///
/// A type and not a closure, because the loop over vectors is compiled for every type, and the function then becomes part
/// of the loop. A closure would be called once per vector, with its arguments in memory. Everything else, from threads to
/// incomplete vectors, is compiled once for all functions and calls that loop.
protocol UnaryLaneFunction: LaneFunction {
  @inline(__always) func value<V: LaneVector>(_ x: V) -> V
  /// The loop y = f(x) over whole vectors. Derived from `value`; call ``VectorMap`` instead.
  func map(_ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, _ count: Int, streamed: Bool)
  /// The same in single precision.
  func map(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, streamed: Bool)
}

/// A function of two numbers, written for whole vectors.
protocol BinaryLaneFunction: LaneFunction {
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V) -> V
  /// The loop y = f(a, b) over whole vectors. Derived from `value`; call ``VectorMap`` or ``StridedMap`` instead.
  func map(_ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutablePointer<Double>, _ count: Int, streamed: Bool)
  /// The same in single precision.
  func map(_ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutablePointer<Float>, _ count: Int, streamed: Bool)
}

/// A function of three numbers, written for whole vectors.
protocol TernaryLaneFunction: LaneFunction {
  @inline(__always) func value<V: LaneVector>(_ a: V, _ b: V, _ c: V) -> V
  /// The loop y = f(a, b, c) over whole vectors. Derived from `value`; call ``StridedMap`` instead.
  func map(_ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutablePointer<Double>, _ count: Int)
  /// The same in single precision.
  func map(_ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutablePointer<Float>, _ count: Int)
}

/// Contiguous entries, or one vector that is used over and over.
struct LaneOperand {
  var base: UnsafeRawPointer
  /// 1, or 0 for a single vector.
  var step = 1

  /// The vector at entry `i`.
  @inline(__always) func lanes<T: LoopScalar>(_ i: Int, _: T.Type) -> T.Lanes {
    T.Lanes(base.assumingMemoryBound(to: T.self) + i &* step)
  }
}

/// Functions applied to every entry of contiguous memory.
///
/// The last, incomplete vector is filled up and computed by the same code as the others, so the result for an entry
/// depends on the entry only: not on its place, and not on the number of threads. The output may be one of the inputs.
///
/// Every function is compiled into exactly one loop per scalar type, and what is here once for all functions and types:
/// more copies would make the module's build slow. Hence the attributes, and memory without its type.
enum VectorMap {
  /// The size of a vector, whatever its entries.
  static var vectorBytes: Int { @inline(__always) get { MemoryLayout<DoubleLanes>.size } }

  /// y = f(x).
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  static func unary<F: UnaryLaneFunction>(
    _ type: ScalarType, _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, count: Int, _ f: F
  ) {
    let stride = type.byteCount
    let isStreamed = x != UnsafeRawPointer(y) && StreamedResult.suits(y, byteCount: count * stride)
    let whole = count - count % (vectorBytes / stride)
    if let pieces = pieces(of: whole, f.weight * stride) {
      ThreadTeam.run(pieces.count) { task in
        let start = pieces[task].lowerBound * stride
        vectors(type, x + start, y + start, pieces[task].count, f, streamed: isStreamed)
        if isStreamed { StreamedResult.finish() }
      }
    } else if whole > 0 {
      vectors(type, x, y, whole, f)
    }
    if whole == count { return }
    withUnsafeTemporaryAllocation(byteCount: vectorBytes, alignment: 16) { buffer in
      let (last, byteCount) = (buffer.baseAddress!, (count - whole) * stride)
      last.initializeMemory(as: UInt8.self, repeating: 0, count: vectorBytes)
      copyFew(byteCount, from: x + whole * stride, to: last)
      vectors(type, UnsafeRawPointer(last), last, vectorBytes / stride, f)
      copyFew(byteCount, from: last, to: y + whole * stride)
    }
  }

  /// f(x) for one number, with the bits that it has anywhere in an array.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  static func value<F: UnaryLaneFunction>(_ type: ScalarType, _ x: Double, _ f: F) -> Double {
    withUnsafeTemporaryAllocation(byteCount: vectorBytes, alignment: 16) { buffer in
      let address = buffer.baseAddress!
      repeatEntry(type, x, address)
      vectors(type, UnsafeRawPointer(address), address, vectorBytes / type.byteCount, f)
      return firstEntry(type, address)
    }
  }

  /// y = f(a, b).
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  static func binary<F: BinaryLaneFunction>(
    _ type: ScalarType, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, count: Int, _ f: F
  ) {
    let stride = type.byteCount
    let result = UnsafeRawPointer(y)
    let isStreamed = a != result && b != result && StreamedResult.suits(y, byteCount: count * stride)
    let whole = count - count % (vectorBytes / stride)
    if let pieces = pieces(of: whole, f.weight * stride) {
      ThreadTeam.run(pieces.count) { task in
        let start = pieces[task].lowerBound * stride
        vectors(
          type, LaneOperand(base: a + start), LaneOperand(base: b + start), y + start, pieces[task].count, f,
          streamed: isStreamed)
        if isStreamed { StreamedResult.finish() }
      }
      if whole < count {
        let start = whole * stride
        row(type, LaneOperand(base: a + start), LaneOperand(base: b + start), y + start, count: count - whole, f)
      }
    } else {
      row(type, LaneOperand(base: a), LaneOperand(base: b), y, count: count, f)
    }
  }

  /// y = f(a, b) on one thread.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  static func row<F: BinaryLaneFunction>(
    _ type: ScalarType, _ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutableRawPointer, count: Int, _ f: F
  ) {
    let stride = type.byteCount
    let lanes = vectorBytes / stride
    let whole = count - count % lanes
    if whole > 0 { vectors(type, a, b, y, whole, f) }
    if whole == count { return }
    withUnsafeTemporaryAllocation(byteCount: 2 * vectorBytes, alignment: 16) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + vectorBytes)
      let byteCount = (count - whole) * stride
      first.initializeMemory(as: UInt8.self, repeating: 0, count: 2 * vectorBytes)
      copyFew(byteCount, from: a.base + whole * a.step * stride, to: first)
      copyFew(byteCount, from: b.base + whole * b.step * stride, to: second)
      vectors(type, LaneOperand(base: first), LaneOperand(base: second), first, lanes, f)
      copyFew(byteCount, from: first, to: y + whole * stride)
    }
  }

  /// y = f(a, b, c) on one thread.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  static func row<F: TernaryLaneFunction>(
    _ type: ScalarType, _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutableRawPointer, count: Int,
    _ f: F
  ) {
    let stride = type.byteCount
    let lanes = vectorBytes / stride
    let whole = count - count % lanes
    if whole > 0 { vectors(type, a, b, c, y, whole, f) }
    if whole == count { return }
    withUnsafeTemporaryAllocation(byteCount: 3 * vectorBytes, alignment: 16) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + vectorBytes)
      let third = second + vectorBytes
      let byteCount = (count - whole) * stride
      first.initializeMemory(as: UInt8.self, repeating: 0, count: 3 * vectorBytes)
      copyFew(byteCount, from: a.base + whole * a.step * stride, to: first)
      copyFew(byteCount, from: b.base + whole * b.step * stride, to: second)
      copyFew(byteCount, from: c.base + whole * c.step * stride, to: third)
      vectors(
        type, LaneOperand(base: first), LaneOperand(base: second), LaneOperand(base: third), first, lanes, f)
      copyFew(byteCount, from: first, to: y + whole * stride)
    }
  }

  /// f(a, b) for two numbers, with the bits that it has anywhere in an array.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  static func value<F: BinaryLaneFunction>(_ type: ScalarType, _ a: Double, _ b: Double, _ f: F) -> Double {
    withUnsafeTemporaryAllocation(byteCount: 2 * vectorBytes, alignment: 16) { buffer in
      let (first, second) = (buffer.baseAddress!, buffer.baseAddress! + vectorBytes)
      repeatEntry(type, a, first)
      repeatEntry(type, b, second)
      vectors(type, LaneOperand(base: first), LaneOperand(base: second), first, vectorBytes / type.byteCount, f)
      return firstEntry(type, first)
    }
  }

  /// From this work on, in bytes times the weights of the functions, several threads are worth while: about fifteen
  /// microseconds, because the others have to be woken and the entries to move between the cores.
  static var leastSharedWork: Int { 1 << 19 }

  /// How `count` entries are divided among several threads, by their number and the work for each, in bytes times weights;
  /// nil where they are not worth it. A piece fits the second-level cache.
  private static func pieces(of count: Int, _ work: Int) -> Cut? {
    if count * work < leastSharedWork { return nil }
    let cut = Cut(count, length: (max(leastSharedWork / (4 * work), count / 64) + 63) & ~63)
    return cut.count > 1 ? cut : nil
  }

  /// Fills a vector with one number.
  @inline(__always)
  private static func repeatEntry(_ type: ScalarType, _ x: Double, _ address: UnsafeMutableRawPointer) {
    switch type {
    case .float64:
      DoubleLanes(repeating: x).store(address.assumingMemoryBound(to: Double.self))
    case .float32:
      FloatLanes(repeating: Float(x)).store(address.assumingMemoryBound(to: Float.self))
    }
  }

  @inline(__always)
  private static func firstEntry(_ type: ScalarType, _ address: UnsafeMutableRawPointer) -> Double {
    perType(type, double: address.load(as: Double.self), float: Double(address.load(as: Float.self)))
  }
}

// MARK: - The loops

extension LaneFunction {
  /// Calls for every vector of entries what computes it and what puts it into memory. `count` is a multiple of a vector.
  ///
  /// For a light function, of which more copies cost nothing, the kind of store is chosen before the loop, and two vectors are
  /// computed at a time, so that most of the instructions are those of the function. (Its weight is known to the compiler.)
  @inline(__always)
  fileprivate func forEachVector<T: LoopScalar>(
    _ count: Int, _: T.Type, streamed: Bool, _ vector: (Int) -> T.Lanes, into stream: (T.Lanes, Int) -> Void,
    or store: (T.Lanes, Int) -> Void
  ) {
    let lanes = T.Lanes.count
    var i = 0
    if weight == 1 && !streamed {
      let pairs = count & -(2 &* lanes)
      while i < pairs {
        let (first, second) = (vector(i), vector(i &+ lanes))
        store(first, i)
        store(second, i &+ lanes)
        i &+= 2 &* lanes
      }
    }
    while i < count {
      let result = vector(i)
      if streamed { stream(result, i) } else { store(result, i) }
      i &+= lanes
    }
  }
}

/// From the drivers to the loop of one type.
extension VectorMap {
  @inline(__always)
  private static func vectors<F: UnaryLaneFunction>(
    _ type: ScalarType, _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int, _ f: F,
    streamed: Bool = false
  ) {
    switch type {
    case .float64:
      f.map(x.assumingMemoryBound(to: Double.self), y.assumingMemoryBound(to: Double.self), count, streamed: streamed)
    case .float32:
      f.map(x.assumingMemoryBound(to: Float.self), y.assumingMemoryBound(to: Float.self), count, streamed: streamed)
    }
  }

  @inline(__always)
  private static func vectors<F: BinaryLaneFunction>(
    _ type: ScalarType, _ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutableRawPointer, _ count: Int, _ f: F,
    streamed: Bool = false
  ) {
    switch type {
    case .float64:
      f.map(a, b, y.assumingMemoryBound(to: Double.self), count, streamed: streamed)
    case .float32:
      f.map(a, b, y.assumingMemoryBound(to: Float.self), count, streamed: streamed)
    }
  }

  @inline(__always)
  private static func vectors<F: TernaryLaneFunction>(
    _ type: ScalarType, _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutableRawPointer,
    _ count: Int, _ f: F
  ) {
    switch type {
    case .float64:
      f.map(a, b, c, y.assumingMemoryBound(to: Double.self), count)
    case .float32:
      f.map(a, b, c, y.assumingMemoryBound(to: Float.self), count)
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
    forEachVector(count, T.self, streamed: streamed) {
      value(T.Lanes(x + $0))
    } into: {
      $0.stream(y + $1)
    } or: {
      $0.store(y + $1)
    }
  }
}

extension BinaryLaneFunction {
  func map(_ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutablePointer<Double>, _ count: Int, streamed: Bool) {
    loop(a, b, y, count, streamed)
  }

  func map(_ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutablePointer<Float>, _ count: Int, streamed: Bool) {
    loop(a, b, y, count, streamed)
  }

  @inline(__always)
  private func loop<T: LoopScalar>(
    _ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutablePointer<T>, _ count: Int, _ streamed: Bool
  ) {
    forEachVector(count, T.self, streamed: streamed) {
      value(a.lanes($0, T.self), b.lanes($0, T.self))
    } into: {
      $0.stream(y + $1)
    } or: {
      $0.store(y + $1)
    }
  }
}

extension TernaryLaneFunction {
  func map(_ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutablePointer<Double>, _ count: Int) {
    loop(a, b, c, y, count)
  }

  func map(_ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    loop(a, b, c, y, count)
  }

  @inline(__always)
  private func loop<T: LoopScalar>(
    _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutablePointer<T>, _ count: Int
  ) {
    forEachVector(count, T.self, streamed: false) {
      value(a.lanes($0, T.self), b.lanes($0, T.self), c.lanes($0, T.self))
    } into: {
      $0.store(y + $1)
    } or: {
      $0.store(y + $1)
    }
  }
}
