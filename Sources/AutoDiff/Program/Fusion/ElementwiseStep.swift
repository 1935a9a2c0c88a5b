/// A chain of elementwise functions that runs tile by tile, so that what passes from one function to the next stays in the
/// first-level cache.
///
/// Each function is the loop that evaluates it on its own, hence the same bits as there.
final class ElementwiseStep: ProgramStep, @unchecked Sendable {
  /// One function.
  struct Operation {
    var function: TileFunction
    var a = Operand(), b = Operand(), c = Operand()
    /// A position in the table of operands.
    var result: Int
    /// Whether all of a tile is one row to it, because the rows of its operands follow each other without gaps.
    var isFlat: Bool
  }

  struct Operand {
    /// A position in the table of operands.
    var number = 0
    /// From one row of a tile to the next, in bytes.
    var rowStride = 0
  }

  /// A copy of what an operand that is not contiguous shows of itself in a tile.
  struct Load {
    var address: Address
    var source: TileSource
    var operand: Int
    /// The operation before which it is due; nil if it is the same for all tiles.
    var time: Int?
  }

  /// The sum of all entries of an operand.
  struct TileSum {
    var operand: Int
    /// The buffer of the sum over all tiles.
    var result: Int
  }

  /// An operand that stands in the rows of an array, repeated or strided otherwise than one after the other.
  struct Rows {
    var address: Address
    var source: TileSource
    /// From one row of a tile to the next, in bytes.
    var rowStride: Int

    /// Where a tile begins, by the number of its first entry.
    @inline(__always)
    func start(_ entry: Int, _ entryBytes: Int, _ frame: ProgramFrame) -> UnsafeMutableRawPointer {
      address(frame) + source.offset(ofEntry: entry) * entryBytes
    }
  }

  /// The operands of a tile stand where these say, in this order.
  struct Operands {
    /// How many stand in scratch memory.
    var slots = 0
    /// Arrays in memory.
    var arrays: [Place] = []
    /// Where tiles consist of rows: contiguous parts of them.
    var parts: [Rows] = []
    /// Vectors full of one number.
    var numbers: [Place] = []
    /// Where tiles consist of rows: vectors full of a number, one for each row.
    var rowNumbers: [Rows] = []
    /// By array, whether reading and writing may go beyond its end, up to a whole vector.
    var isPadded: [Bool] = []
    /// The shape of a tile, whose last rows may be missing at the end.
    var rowBytes = 0, rowsPerTile = 1

    var tileBytes: Int { rowBytes * rowsPerTile }
    /// The memory that one thread needs.
    var scratchBytes: Int {
      (slots + arrays.count) * tileBytes + (numbers.count + rowNumbers.count * rowsPerTile) * VectorMap.vectorBytes
    }
  }

  private let scalarType: ScalarType
  private let count: Int
  private let operations: FixedList<Operation>
  private let loads: FixedList<Load>
  private let sums: FixedList<TileSum>
  private let arrays: FixedList<Address>, numbers: FixedList<Address>
  private let parts: FixedList<Rows>, rowNumbers: FixedList<Rows>
  /// The arrays behind which nothing may be read or written.
  private let unpadded: FixedList<Int>
  private let slots: Int, rowsPerTile: Int, rowBytes: Int, tileBytes: Int
  /// What an entry takes, in bytes times the weights of the functions.
  private let work: Int
  /// The memory that one thread needs, and where that for the first one lies.
  private let scratchBytes: Int, scratch: Int

  init(
    _ scalarType: ScalarType, count: Int, _ operations: [Operation], _ loads: [Load], _ sums: [TileSum],
    _ operands: Operands, scratch: Int
  ) {
    (self.scalarType, self.count, self.scratch) = (scalarType, count, scratch)
    (slots, scratchBytes) = (operands.slots, operands.scratchBytes)
    (rowsPerTile, rowBytes, tileBytes) = (operands.rowsPerTile, operands.rowBytes, operands.tileBytes)
    work = scalarType.byteCount * operations.reduce(0) { $0 + $1.function.weight }
    self.operations = FixedList(operations)
    self.loads = FixedList(loads)
    self.sums = FixedList(sums)
    arrays = FixedList(operands.arrays.map { Address($0) })
    numbers = FixedList(operands.numbers.map { Address($0) })
    parts = FixedList(operands.parts)
    rowNumbers = FixedList(operands.rowNumbers)
    unpadded = FixedList(operands.isPadded.indices.filter { !operands.isPadded[$0] })
  }

  /// How long a tile is at most, so that the operands in scratch memory and as many others stay in the first-level cache.
  static func longestTile(slots: Int) -> Int {
    min(4096, max(512, (24 << 10) / max(1, slots)) / VectorMap.vectorBytes * VectorMap.vectorBytes)
  }

  override var listing: [String] {
    var names: [String] = []
    operations.forEach { names.append($0.function.name) }
    sums.forEach { _ in names.append("sum") }
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
    let tileSums = (own + scratchBytes).assumingMemoryBound(to: T.self)
    if count * work < VectorMap.leastSharedWork || tiles < 2 {
      runTiles(0..<tiles, frame, own, tileSums)
    } else {
      // At least four tasks, at most about 64, and of some tiles each: what repeats itself is copied once for a task.
      let cut = Cut(tiles, length: max(1, tiles / 64, min(8, tiles / 4)))
      ThreadTeam.run(cut.count) { task in
        withPooledScratch(UInt8.self, scratchBytes) {
          runTiles(cut[task], frame, UnsafeMutableRawPointer($0), tileSums)
        }
      }
    }
    for k in 0..<sums.count {
      let parts = StridedView(UnsafePointer(tileSums + k * tiles), shape: [tiles])
      Reduction.sum(parts, axes: [0], into: frame.addresses[sums[k].result].assumingMemoryBound(to: T.self))
    }
  }

  private func runTiles<T: LoopScalar>(
    _ tiles: Range<Int>, _ frame: ProgramFrame, _ scratch: UnsafeMutableRawPointer,
    _ tileSums: UnsafeMutablePointer<T>
  ) {
    let stride = MemoryLayout<T>.stride
    let perTile = tileBytes / stride
    let vectorBytes = VectorMap.vectorBytes
    let firstTail = scratch + slots * tileBytes
    let firstVector = firstTail + arrays.count * tileBytes
    let firstNumber = slots + arrays.count + parts.count
    let firstRowNumber = firstNumber + numbers.count
    withUnsafeTemporaryAllocation(
      of: UnsafeMutableRawPointer.self, capacity: firstRowNumber + rowNumbers.count
    ) { table in
      let table = table.baseAddress!
      for k in 0..<slots { table[k] = scratch + k * tileBytes }
      for k in 0..<arrays.count { table[slots + k] = arrays[k](frame) + tiles.lowerBound * tileBytes }
      for k in 0..<numbers.count {
        let vector = firstVector + k * vectorBytes
        T.Lanes(repeating: numbers[k](frame).load(as: T.self)).store(vector.assumingMemoryBound(to: T.self))
        table[firstNumber + k] = vector
      }
      for k in 0..<rowNumbers.count {
        table[firstRowNumber + k] = firstVector + (numbers.count + k * rowsPerTile) * vectorBytes
      }
      for tile in tiles {
        let start = tile * perTile
        let length = min(perTile, count - start)
        let whole = (length + T.Lanes.count - 1) / T.Lanes.count * T.Lanes.count
        let rowCount = length == perTile ? rowsPerTile : whole * stride / rowBytes
        if length < whole {
          unpadded.forEach { k in
            let tail = firstTail + k * tileBytes
            tail.copyMemory(from: table[slots + k], byteCount: length * stride)
            table[slots + k] = tail
          }
        }
        for k in 0..<parts.count { table[slots + arrays.count + k] = parts[k].start(start, stride, frame) }
        for k in 0..<rowNumbers.count {
          let first = rowNumbers[k].start(start, stride, frame)
          for row in 0..<rowCount {
            let number = (first + row * rowNumbers[k].rowStride).load(as: T.self)
            let vector = table[firstRowNumber + k] + row * vectorBytes
            T.Lanes(repeating: number).store(vector.assumingMemoryBound(to: T.self))
          }
        }
        let isFirst = tile == tiles.lowerBound
        runTile(start, length, whole, rowCount, isFirst: isFirst, table, firstNumber: firstNumber, frame, T.self)
        for k in 0..<sums.count {
          tileSums[k * ((count + perTile - 1) / perTile) + tile] = Self.sum(
            UnsafePointer(table[sums[k].operand].assumingMemoryBound(to: T.self)), length)
        }
        for k in 0..<arrays.count { table[slots + k] += tileBytes }
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
    _ start: Int, _ length: Int, _ whole: Int, _ rowCount: Int, isFirst: Bool,
    _ table: UnsafeMutablePointer<UnsafeMutableRawPointer>, firstNumber: Int, _ frame: ProgramFrame, _: T.Type
  ) {
    @inline(__always) func operand(_ x: Operand) -> TileOperand {
      TileOperand(
        base: UnsafeRawPointer(table[x.number]), step: x.number < firstNumber ? 1 : 0, rowStride: x.rowStride)
    }
    let stride = MemoryLayout<T>.stride
    let flat = TileRows(length: whole)
    let rows = TileRows(count: rowCount, length: rowBytes / stride, stride: rowBytes)
    var nextLoad = 0
    /// Copies what is due before an operation.
    @inline(__always) func load(before operation: Int) {
      while nextLoad < loads.count, loads[nextLoad].time ?? 0 <= operation {
        let number = nextLoad
        nextLoad += 1
        // What repeats itself is there already, from the first tile on.
        let repeats = loads[number].time == nil
        if repeats && !isFirst { continue }
        loads[number].source.copy(
          UnsafePointer(loads[number].address(frame).assumingMemoryBound(to: T.self)), from: start,
          count: repeats ? tileBytes / stride : length,
          to: table[loads[number].operand].assumingMemoryBound(to: T.self))
      }
    }
    for k in 0..<operations.count {
      if nextLoad < loads.count { load(before: k) }
      // Without counting a reference: the step holds the function.
      Unmanaged.passUnretained(operations[k].function)._withUnsafeGuaranteedRef {
        $0.run(
          operand(operations[k].a), operand(operations[k].b), operand(operations[k].c), table[operations[k].result],
          operations[k].isFlat ? flat : rows, T.scalarType)
      }
    }
  }
}
