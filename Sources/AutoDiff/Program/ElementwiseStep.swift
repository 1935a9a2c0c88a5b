/// A chain of elementwise functions that runs tile by tile, so that what passes from one function to the next stays in the
/// first-level cache.
///
/// Each function is the loop that evaluates it on its own, hence the same bits as there.
final class ElementwiseStep: ProgramStep, @unchecked Sendable {
  enum Function {
    case unary(any UnaryLaneFunction)
    case binary(any BinaryLaneFunction)
    case ternary(any TernaryLaneFunction)
    /// Copies what an operand that is not contiguous shows of itself in a tile.
    case load(Int)

    init?(_ primitive: any Primitive) {
      if let f = primitive as? any UnaryLaneFunction {
        self = .unary(f)
      } else if let f = primitive as? any BinaryLaneFunction {
        self = .binary(f)
      } else if let f = primitive as? any TernaryLaneFunction {
        self = .ternary(f)
      } else {
        return nil
      }
    }
  }

  /// One function; operands and result are positions in the table of rows.
  struct Operation {
    var function: Function
    var a = 0, b = 0, c = 0
    var result: Int
  }

  /// The rows of a tile stand where these say, in this order.
  struct Rows {
    /// How many rows lie in scratch memory.
    var slots = 0
    /// Rows of arrays in memory.
    var arrays: [Place] = []
    /// Vectors full of one number.
    var numbers: [Place] = []
  }

  private let scalarType: ScalarType
  private let count: Int
  private let operations: [Operation]
  private let rows: Rows
  /// What ``Function/load(_:)`` copies.
  private let loads: [Place]
  /// Whether reading and writing an array may go beyond its end, up to a whole vector.
  private let isPadded: [Bool]
  private let tileBytes: Int
  /// Where scratch memory for one thread lies.
  let scratch: Int

  init(
    _ scalarType: ScalarType, count: Int, _ operations: [Operation], rows: Rows, loads: [Place], isPadded: [Bool],
    tileBytes: Int, scratch: Int
  ) {
    (self.scalarType, self.count, self.operations) = (scalarType, count, operations)
    (self.rows, self.loads, self.isPadded, self.tileBytes) = (rows, loads, isPadded, tileBytes)
    self.scratch = scratch
  }

  /// How long a tile is, so that the rows in scratch memory and as many others stay in the first-level cache.
  static func tileBytes(slots: Int, byteCount: Int) -> Int {
    let vector = VectorMap.vectorBytes
    let longest = min(4096, max(512, (24 << 10) / max(1, slots)) / vector * vector)
    return min(longest, (byteCount + vector - 1) / vector * vector)
  }

  /// The memory that one thread needs.
  static func scratchBytes(_ rows: Rows, tileBytes: Int) -> Int {
    (rows.slots + rows.arrays.count) * tileBytes + rows.numbers.count * VectorMap.vectorBytes
  }

  override func run(_ frame: ProgramFrame) {
    if count == 0 { return }
    perType(scalarType, double: run(frame, Double.self), float: run(frame, Float.self))
  }

  @inline(__always)
  private func run<T: LoopScalar>(_ frame: ProgramFrame, _: T.Type) {
    let perTile = tileBytes / MemoryLayout<T>.stride
    let tiles = (count + perTile - 1) / perTile
    if count < 4096 || count * operations.count < 1 << 16 || tiles < 4 {
      return runTiles(0..<tiles, frame, frame.addresses[scratch], T.self)
    }
    let cut = Cut(tiles, length: max(1, tiles / 64))
    let bytes = Self.scratchBytes(rows, tileBytes: tileBytes)
    ThreadTeam.run(cut.count) { task in
      withPooledScratch(UInt8.self, bytes) {
        runTiles(cut[task], frame, UnsafeMutableRawPointer($0), T.self)
      }
    }
  }

  private func runTiles<T: LoopScalar>(
    _ tiles: Range<Int>, _ frame: ProgramFrame, _ scratch: UnsafeMutableRawPointer, _: T.Type
  ) {
    let stride = MemoryLayout<T>.stride
    let perTile = tileBytes / stride
    let (slots, arrays, numbers) = (rows.slots, rows.arrays.count, rows.numbers.count)
    let tails = scratch + slots * tileBytes
    let vectors = tails + arrays * tileBytes
    withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: slots + arrays + numbers) { table in
      for k in 0..<slots { table[k] = scratch + k * tileBytes }
      for k in 0..<numbers {
        let vector = vectors + k * VectorMap.vectorBytes
        T.Lanes(repeating: frame.pointer(rows.numbers[k], T.self).pointee).store(vector.assumingMemoryBound(to: T.self))
        table[slots + arrays + k] = vector
      }
      for tile in tiles {
        let start = tile * perTile
        let length = min(perTile, count - start)
        for k in 0..<arrays {
          table[slots + k] = UnsafeMutableRawPointer(mutating: frame.pointer(rows.arrays[k], T.self) + start)
        }
        let whole = (length + T.Lanes.count - 1) / T.Lanes.count * T.Lanes.count
        if length < whole {
          for k in 0..<arrays where !isPadded[k] {
            let tail = tails + k * tileBytes
            tail.copyMemory(from: table[slots + k], byteCount: length * stride)
            table[slots + k] = tail
          }
        }
        runTile(start, length, whole, table.baseAddress!, firstNumber: slots + arrays, frame, T.self)
      }
    }
  }

  @inline(__always)
  private func runTile<T: LoopScalar>(
    _ start: Int, _ length: Int, _ whole: Int, _ table: UnsafeMutablePointer<UnsafeMutableRawPointer>,
    firstNumber: Int, _ frame: ProgramFrame, _: T.Type
  ) {
    @inline(__always) func operand(_ k: Int) -> LaneOperand {
      LaneOperand(base: UnsafeRawPointer(table[k]), step: k < firstNumber ? 1 : 0)
    }
    operations.withUnsafeBufferPointer { operations in
      for k in operations.indices {
        let result = table[operations[k].result]
        switch operations[k].function {
        case .unary(let f): f.map(table[operations[k].a], result, whole, T.self)
        case .binary(let f): f.map(operand(operations[k].a), operand(operations[k].b), result, whole, T.self)
        case .ternary(let f):
          f.map(
            operand(operations[k].a), operand(operations[k].b), operand(operations[k].c), result, whole, T.self)
        case .load(let number):
          let place = loads[number]
          TileCopy.copy(
            frame.pointer(place, T.self), place.layout, from: start, count: length,
            to: result.assumingMemoryBound(to: T.self))
        }
      }
    }
  }
}

// From a type parameter to the loop of that type.
extension UnaryLaneFunction {
  @inline(__always)
  fileprivate func map<T: LoopScalar>(
    _ x: UnsafeMutableRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int, _: T.Type
  ) {
    if T.self == Double.self {
      map(
        UnsafePointer(x.assumingMemoryBound(to: Double.self)), y.assumingMemoryBound(to: Double.self), count,
        streamed: false)
    } else {
      map(
        UnsafePointer(x.assumingMemoryBound(to: Float.self)), y.assumingMemoryBound(to: Float.self), count,
        streamed: false)
    }
  }
}

extension BinaryLaneFunction {
  @inline(__always)
  fileprivate func map<T: LoopScalar>(
    _ a: LaneOperand, _ b: LaneOperand, _ y: UnsafeMutableRawPointer, _ count: Int, _: T.Type
  ) {
    if T.self == Double.self {
      map(a, b, y.assumingMemoryBound(to: Double.self), count, streamed: false)
    } else {
      map(a, b, y.assumingMemoryBound(to: Float.self), count, streamed: false)
    }
  }
}

extension TernaryLaneFunction {
  @inline(__always)
  fileprivate func map<T: LoopScalar>(
    _ a: LaneOperand, _ b: LaneOperand, _ c: LaneOperand, _ y: UnsafeMutableRawPointer, _ count: Int, _: T.Type
  ) {
    if T.self == Double.self {
      map(a, b, c, y.assumingMemoryBound(to: Double.self), count)
    } else {
      map(a, b, c, y.assumingMemoryBound(to: Float.self), count)
    }
  }
}

/// Copies of a part of a strided array.
enum TileCopy {
  /// The entries with the row-major indices `first ..< first + count`, one after the other.
  static func copy<T: LoopScalar>(
    _ base: UnsafePointer<T>, _ layout: Layout, from first: Int, count: Int, to y: UnsafeMutablePointer<T>
  ) {
    let (shape, strides) = (layout.shape, layout.strides)
    guard let extent = shape.last, let step = strides.last else {
      y.pointee = base.pointee
      return
    }
    var row = first / extent
    var column = first % extent
    var done = 0
    while done < count {
      // Where the row starts.
      var rest = row
      var x = base
      for axis in (0..<shape.count - 1).reversed() {
        x += rest % shape[axis] * strides[axis]
        rest /= shape[axis]
      }
      let length = min(extent - column, count - done)
      x += column * step
      let target = y + done
      switch step {
      case 0: target.update(repeating: x.pointee, count: length)
      case 1: StridedCopy.copyRun(x, to: target, count: length)
      default: for k in 0..<length { target[k] = x[k * step] }
      }
      done += length
      column = 0
      row += 1
    }
  }
}
