/// A chain of elementwise functions that runs tile by tile, so that what passes from one function to the next stays in the
/// first-level cache.
///
/// Each function is the loop that evaluates it on its own, hence the same bits as there.
final class ElementwiseStep: ProgramStep, @unchecked Sendable {
  /// One function; operands and result are positions in the table of rows.
  struct Operation {
    var function: TileFunction
    var a = 0, b = 0, c = 0
    var result: Int
  }

  /// A copy of what an operand that is not contiguous shows of itself in a tile.
  struct Load {
    var address: Address
    var copy: TileCopy
    var row: Int
    /// The operation before which it is due; nil if it is the same for all tiles.
    var time: Int?
  }

  /// The sum of all entries of a row.
  struct TileSum {
    var row: Int
    /// The buffer of the sum over all tiles.
    var result: Int
  }

  /// The rows of a tile stand where these say, in this order.
  struct Rows {
    /// How many rows lie in scratch memory.
    var slots = 0
    /// Rows of arrays in memory.
    var arrays: [Place] = []
    /// Where no tile reaches beyond a row of the operands: parts of a row of an array that is repeated or strided otherwise.
    var parts: [Place] = []
    /// Vectors full of one number.
    var numbers: [Place] = []
    /// Where no tile reaches beyond a row of the operands: vectors full of a number that changes from row to row.
    var rowNumbers: [Place] = []
    /// By array, whether reading and writing may go beyond its end, up to a whole vector.
    var isPadded: [Bool] = []
  }

  private let scalarType: ScalarType
  private let count: Int
  private let operations: [Operation]
  private let loads: [Load]
  private let sums: [TileSum]
  private let rows: Rows
  private let arrays: [Address], numbers: [Address]
  private let tileBytes: Int
  /// What an entry takes, in bytes times the weights of the functions.
  private let work: Int
  /// Where scratch memory for one thread lies.
  private let scratch: Int

  init(
    _ scalarType: ScalarType, count: Int, _ operations: [Operation], _ loads: [Load], _ sums: [TileSum],
    rows: Rows, tileBytes: Int, scratch: Int
  ) {
    (self.scalarType, self.count, self.operations, self.loads) = (scalarType, count, operations, loads)
    (self.sums, self.rows, self.tileBytes, self.scratch) = (sums, rows, tileBytes, scratch)
    work = scalarType.byteCount * operations.reduce(0) { $0 + $1.function.weight }
    arrays = rows.arrays.map { Address($0) }
    numbers = rows.numbers.map { Address($0) }
  }

  /// How long a tile is at most, so that the rows in scratch memory and as many others stay in the first-level cache.
  static func longestTile(slots: Int) -> Int {
    min(4096, max(512, (24 << 10) / max(1, slots)) / VectorMap.vectorBytes * VectorMap.vectorBytes)
  }

  /// The memory that one thread needs.
  static func scratchBytes(_ rows: Rows, tileBytes: Int) -> Int {
    (rows.slots + rows.arrays.count) * tileBytes
      + (rows.numbers.count + rows.rowNumbers.count) * VectorMap.vectorBytes
  }

  override var listing: [String] {
    let names = operations.map { $0.function.name } + sums.map { _ in "sum" }
    return ["\(names.joined(separator: ", ")) of \(count) entries"]
  }

  override func run(_ frame: ProgramFrame) {
    if count == 0 { return }
    perType(scalarType, double: run(frame, Double.self), float: run(frame, Float.self))
  }

  @inline(__always)
  private func run<T: LoopScalar>(_ frame: ProgramFrame, _: T.Type) {
    let perTile = tileBytes / MemoryLayout<T>.stride
    let tiles = (count + perTile - 1) / perTile
    let own = frame.addresses[scratch]
    let bytes = Self.scratchBytes(rows, tileBytes: tileBytes)
    let tileSums = (own + bytes).assumingMemoryBound(to: T.self)
    if count * work < VectorMap.leastSharedWork || tiles < 2 {
      runTiles(0..<tiles, frame, own, tileSums)
    } else {
      // At least four tasks, at most about 64, and of some tiles each: what repeats itself is copied once for a task.
      let cut = Cut(tiles, length: max(1, tiles / 64, min(8, tiles / 4)))
      ThreadTeam.run(cut.count) { task in
        withPooledScratch(UInt8.self, bytes) { runTiles(cut[task], frame, UnsafeMutableRawPointer($0), tileSums) }
      }
    }
    for (k, sum) in sums.enumerated() {
      let parts = StridedView(UnsafePointer(tileSums + k * tiles), shape: [tiles])
      Reduction.sum(parts, axes: [0], into: frame.addresses[sum.result].assumingMemoryBound(to: T.self))
    }
  }

  private func runTiles<T: LoopScalar>(
    _ tiles: Range<Int>, _ frame: ProgramFrame, _ scratch: UnsafeMutableRawPointer,
    _ tileSums: UnsafeMutablePointer<T>
  ) {
    let stride = MemoryLayout<T>.stride
    let perTile = tileBytes / stride
    let (slots, arrays, numbers) = (rows.slots, self.arrays.count, self.numbers.count)
    let tails = scratch + slots * tileBytes
    let vectors = tails + arrays * tileBytes
    let firstNumber = slots + arrays + rows.parts.count
    let length = firstNumber + numbers + rows.rowNumbers.count
    withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: length) { table in
      let table = table.baseAddress!
      for k in 0..<slots { table[k] = scratch + k * tileBytes }
      for k in 0..<arrays { table[slots + k] = self.arrays[k](frame) }
      for k in 0..<numbers {
        let vector = vectors + k * VectorMap.vectorBytes
        let number = self.numbers[k](frame).load(as: T.self)
        T.Lanes(repeating: number).store(vector.assumingMemoryBound(to: T.self))
        table[firstNumber + k] = vector
      }
      for k in rows.rowNumbers.indices {
        table[firstNumber + numbers + k] = vectors + (numbers + k) * VectorMap.vectorBytes
      }
      for k in 0..<arrays { table[slots + k] += tiles.lowerBound * tileBytes }
      for tile in tiles {
        let start = tile * perTile
        let length = min(perTile, count - start)
        let whole = (length + T.Lanes.count - 1) / T.Lanes.count * T.Lanes.count
        if length < whole {
          for k in 0..<arrays where !rows.isPadded[k] {
            let tail = tails + k * tileBytes
            tail.copyMemory(from: table[slots + k], byteCount: length * stride)
            table[slots + k] = tail
          }
        }
        for k in rows.parts.indices {
          let place = rows.parts[k]
          table[slots + arrays + k] = frame.address(place) + place.layout.offset(ofEntry: start) * stride
        }
        for k in rows.rowNumbers.indices {
          let place = rows.rowNumbers[k]
          let number = (frame.address(place) + place.layout.offset(ofEntry: start) * stride).load(as: T.self)
          T.Lanes(repeating: number).store(table[firstNumber + numbers + k].assumingMemoryBound(to: T.self))
        }
        let isFirst = tile == tiles.lowerBound
        runTile(start, length, whole, isFirst: isFirst, table, firstNumber: firstNumber, frame, T.self)
        for (k, sum) in sums.enumerated() {
          tileSums[k * ((count + perTile - 1) / perTile) + tile] = Self.sum(
            UnsafePointer(table[sum.row].assumingMemoryBound(to: T.self)), length)
        }
        for k in 0..<arrays { table[slots + k] += tileBytes }
      }
    }
  }

  /// The sum of the entries of a tile, in four vectors.
  private static func sum<T: LoopScalar>(_ x: UnsafePointer<T>, _ count: Int) -> T {
    let lanes = T.Lanes.count
    let zero = T.Lanes(repeating: 0)
    var (a, b, c, d) = (zero, zero, zero, zero)
    var i = 0
    while i + 4 * lanes <= count {
      a = a + T.Lanes(x + i)
      b = b + T.Lanes(x + (i + lanes))
      c = c + T.Lanes(x + (i + 2 * lanes))
      d = d + T.Lanes(x + (i + 3 * lanes))
      i += 4 * lanes
    }
    var total = ((a + b) + (c + d)).sum()
    while i < count {
      total += x[i]
      i += 1
    }
    return total
  }

  @inline(__always)
  private func runTile<T: LoopScalar>(
    _ start: Int, _ length: Int, _ whole: Int, isFirst: Bool,
    _ table: UnsafeMutablePointer<UnsafeMutableRawPointer>, firstNumber: Int, _ frame: ProgramFrame, _: T.Type
  ) {
    @inline(__always) func operand(_ k: Int) -> LaneOperand {
      LaneOperand(base: UnsafeRawPointer(table[k]), step: k < firstNumber ? 1 : 0)
    }
    var nextLoad = 0
    /// Copies what is due before an operation.
    @inline(__always) func load(before operation: Int) {
      while nextLoad < loads.count, loads[nextLoad].time ?? 0 <= operation {
        let number = nextLoad
        nextLoad += 1
        // What repeats itself is there already, from the first tile on.
        let repeats = loads[number].time == nil
        if repeats && !isFirst { continue }
        loads[number].copy.copy(
          UnsafePointer(loads[number].address(frame).assumingMemoryBound(to: T.self)), from: start,
          count: repeats ? tileBytes / MemoryLayout<T>.stride : length,
          to: table[loads[number].row].assumingMemoryBound(to: T.self))
      }
    }
    operations.withUnsafeBufferPointer { operations in
      for k in operations.indices {
        if nextLoad < loads.count { load(before: k) }
        // Without counting a reference: the step holds the function.
        Unmanaged.passUnretained(operations[k].function)._withUnsafeGuaranteedRef {
          $0.run(
            operand(operations[k].a), operand(operations[k].b), operand(operations[k].c), table[operations[k].result],
            whole, T.scalarType)
        }
      }
    }
  }
}
