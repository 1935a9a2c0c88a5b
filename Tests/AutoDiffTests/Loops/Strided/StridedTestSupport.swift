@testable import AutoDiff

/// A small seeded generator (splitmix64), so that a failure can be repeated.
struct StridedNoise: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}

/// A strided array that owns its memory.
final class StridedArray<T: LoopScalar> {
  let memory: UnsafeMutableBufferPointer<T>
  let view: StridedView<T>

  /// Fills the memory that `shape` and `strides` reach with numbers from -1 to 1.
  init(shape: [Int], strides: [Int], using generator: inout StridedNoise) {
    var lowest = 0
    var highest = 0
    for (extent, stride) in zip(shape, strides) where extent > 1 {
      if stride < 0 { lowest += stride * (extent - 1) } else { highest += stride * (extent - 1) }
    }
    memory = .allocate(capacity: highest - lowest + 1)
    memory.initialize(repeating: 0)
    let numbers = (0..<min(memory.count, 1009)).map { _ in T(Double.random(in: -1...1, using: &generator)) }
    for i in memory.indices { memory[i] = numbers[(i + i / 1009) % numbers.count] }
    view = StridedView(base: UnsafePointer(memory.baseAddress!) - lowest, shape: shape, strides: strides)
  }

  deinit { memory.deallocate() }

  /// The entries in row-major order, found by plain index arithmetic.
  var entries: [T] {
    StridedArray.offsets(view.shape, view.strides).map { view.base[$0] }
  }

  /// The offset of every entry in row-major order.
  static func offsets(_ shape: [Int], _ strides: [Int]) -> [Int] {
    var offsets = [0]
    for (extent, stride) in zip(shape, strides) {
      var longer: [Int] = []
      longer.reserveCapacity(offsets.count * extent)
      for offset in offsets { for i in 0..<extent { longer.append(offset + i * stride) } }
      offsets = longer
    }
    return offsets
  }
}

extension StridedArray {
  /// An array of the given shape whose axes lie in memory in a random order, with random gaps, directions and
  /// repetitions.
  static func random(
    shape: [Int], allowingRepetition: Bool = true, using generator: inout StridedNoise
  ) -> StridedArray {
    var strides = shape
    var stride = [1, 1, 1, 2].randomElement(using: &generator)!
    let isOrdered = Bool.random(using: &generator)
    let order = isOrdered ? shape.indices.reversed() : shape.indices.shuffled(using: &generator)
    for axis in order {
      let kind = Int.random(in: 0..<8, using: &generator)
      strides[axis] = kind == 0 ? -stride : kind == 1 && allowingRepetition ? 0 : stride
      if strides[axis] != 0 { stride = stride * max(1, shape[axis]) + (kind == 2 ? 1 : 0) }
    }
    return StridedArray(shape: shape, strides: strides, using: &generator)
  }
}

/// Shapes with what is special: rank 0, extents 0 and 1, shorter and longer than a vector, several blocks.
func randomStridedShape(using generator: inout StridedNoise) -> [Int] {
  switch Int.random(in: 0..<10, using: &generator) {
  case 0: return [Int.random(in: 0...5000, using: &generator)]
  case 1: return [Int.random(in: 1...150, using: &generator), Int.random(in: 1...150, using: &generator)]
  case 2: return [2, Int.random(in: 1...40, using: &generator), Int.random(in: 1...70, using: &generator)]
  default:
    let rank = Int.random(in: 0...5, using: &generator)
    let longest = [5, 40, 40, 12, 7, 5][rank]
    return (0..<rank).map { _ in
      Int.random(in: 0..<12, using: &generator) == 0 ? 0 : Int.random(in: 1...longest, using: &generator)
    }
  }
}

/// Shapes that are large enough to be shared out among threads, with strides as they are met most.
let largeStridedCases: [(shape: [Int], strides: [Int])] = [
  ([70_001], [1]), ([70_001], [-1]), ([70_001], [2]), ([70_001], [0]),
  ([96, 1024], [1024, 1]), ([96, 1024], [0, 1]), ([96, 1024], [1, 0]), ([96, 1024], [1, 96]),
  ([23_001, 3], [3, 1]), ([23_001, 3], [0, 1]), ([23_001, 3], [1, 0]), ([23_001, 3], [1, 23_001]),
  ([3, 23_001], [23_001, 1]), ([3, 23_001], [1, 3]), ([257, 259], [259, 1]), ([257, 259], [1, 257]),
  ([4, 16, 16, 67], [17_152, 1072, 67, 1]), ([4, 16, 16, 67], [17_152, 16, 1, 256]),
  ([40, 42, 41], [1722, 41, 1]), ([40, 42, 41], [1, 40, 1680]), ([40, 42, 41], [42, 1, 1680]),
]

/// Runs `body` with uninitialized memory between two guard bands, and reports whether the bands were kept.
func withGuardedOutput<T: LoopScalar>(_ count: Int, _ body: (UnsafeMutablePointer<T>) -> Void) -> (
  entries: [T], isIntact: Bool
) {
  let band = 32
  var memory = [T](repeating: 12_345, count: count + 2 * band)
  memory.withUnsafeMutableBufferPointer { body($0.baseAddress! + band) }
  let isIntact = memory.prefix(band).allSatisfy { $0 == 12_345 } && memory.suffix(band).allSatisfy { $0 == 12_345 }
  return (Array(memory[band..<band + count]), isIntact)
}

/// Equal bits, any NaN being equal to any other.
func isIdentical<T: LoopScalar>(_ a: [T], _ b: [T]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0 == $1 && $0.sign == $1.sign || $0.isNaN && $1.isNaN }
}

/// The sum with the rounding errors of all additions added in the end (Neumaier's summation), and the sum of the
/// magnitudes.
func exactSum(_ x: [Double]) -> (sum: Double, size: Double) {
  var (sum, error, size) = (0.0, 0.0, 0.0)
  for entry in x {
    let next = sum + entry
    error += sum.magnitude > entry.magnitude ? (sum - next) + entry : (entry - next) + sum
    sum = next
    size += entry.magnitude
  }
  return (sum + error, size)
}

/// The same numbers as `Double`, whichever type they have; a generic conversion would be slow.
func doubles<T: LoopScalar>(_ x: [T]) -> [Double] {
  (x as? [Double]) ?? (x as! [Float]).map { Double($0) }
}
