/// Elementwise functions that will be one step.
final class ElementwiseGroup {
  struct Member {
    var function: TileFunction
    var inputs: [Place]
    var result: Int
  }

  let scalarType: ScalarType
  let count: Int
  var members: [Member] = []
  /// Sums of all entries of members' results, and where they go.
  var sums: [(member: Int, result: Int)] = []

  /// From so many entries on, a sum is formed on the way: tile by tile, and then over the tiles. (Shorter ones have the bits that
  /// they have without a program.)
  static let leastSum = 1 << 14

  init(scalarType: ScalarType, count: Int) { (self.scalarType, self.count) = (scalarType, count) }

  /// What the step needs but its scratch memory.
  struct Lowered {
    let scalarType: ScalarType
    let count: Int
    let operations: [ElementwiseStep.Operation]
    let loads: [ElementwiseStep.Load]
    let rows: ElementwiseStep.Rows
    let tileBytes: Int
    let sums: [ElementwiseStep.TileSum]
    /// That of one thread, and behind it the sums of all tiles.
    var scratchBytes: Int {
      let tiles = (count * scalarType.byteCount + tileBytes - 1) / max(1, tileBytes)
      return ElementwiseStep.scratchBytes(rows, tileBytes: tileBytes) + sums.count * tiles * scalarType.byteCount
    }

    func step(scratch: Int) -> ElementwiseStep {
      ElementwiseStep(
        scalarType, count: count, operations, loads, sums, rows: rows, tileBytes: tileBytes, scratch: scratch)
    }
  }

  /// By result, an operand in whose memory it may stand, since nobody reads that any more.
  ///
  /// All functions that read the operand come before the one that writes the result, or are that one, and they read the
  /// entry that is written: others may be written by other tiles.
  ///
  /// - Parameters:
  ///   - results: those that need memory.
  ///   - isFree: whether a buffer is the program's own and not needed after this step.
  func overwritten(by results: [Int], isFree: (_ operand: Int) -> Bool) -> [Int: Int] {
    var lastRead: [Int: Int] = [:]
    var order: [Int] = []
    for (k, member) in members.enumerated() {
      for place in member.inputs {
        if lastRead[place.buffer] == nil { order.append(place.buffer) }
        lastRead[place.buffer] = place.isWhole ? max(lastRead[place.buffer] ?? 0, k) : .max
      }
    }
    order.removeAll { lastRead[$0] == .max || !isFree($0) }
    var overwritten: [Int: Int] = [:]
    for (k, member) in members.enumerated() where results.contains(member.result) {
      guard let place = order.firstIndex(where: { lastRead[$0]! <= k }) else { continue }
      overwritten[member.result] = order.remove(at: place)
    }
    return overwritten
  }

  /// A row of a tile before the rows are numbered.
  private enum Row: Hashable {
    case slot(Int)
    case array(Int)
    case part(Int)
    case number(Int)
    case rowNumber(Int)
  }

  private struct PlaceKey: Hashable {
    let buffer: Int, layout: [Int], mayRepeat: Bool

    init(_ place: Place, mayRepeat: Bool) {
      buffer = place.buffer
      layout = [place.layout.offset] + place.layout.shape + place.layout.strides
      self.mayRepeat = mayRepeat
    }
  }

  /// What is done in a tile, with rows in scratch memory that have a number of their own each.
  private struct Draft {
    var operations: [(function: TileFunction, operands: [Row], result: Row)] = []
    /// What is copied, before which operation, and to which slot.
    var loads: [(place: Place, time: Int, slot: Int, mayRepeat: Bool)] = []
    var rows = ElementwiseStep.Rows()
    var slotCount = 0

    mutating func addSlot() -> Int {
      slotCount += 1
      return slotCount - 1
    }

    mutating func addArray(_ place: Place, isPadded: Bool) -> Row {
      rows.arrays.append(place)
      rows.isPadded.append(isPadded)
      return .array(rows.arrays.count - 1)
    }

    /// The length of the tiles in bytes.
    ///
    /// Where all strided operands have long rows of one length, no tile reaches beyond a row: what is contiguous along the rows is
    /// then read where it stands, and what is the same in a row is a number. Otherwise these operands are copied tile by
    /// tile, and tiles are multiples of the vectors that repeat themselves.
    mutating func chooseTile(count: Int, _ scalarType: ScalarType) -> Int {
      let (vector, entry) = (VectorMap.vectorBytes, scalarType.byteCount)
      let longest = ElementwiseStep.longestTile(slots: min(slotCount, 8))
      let whole = (count * entry + vector - 1) / vector * vector
      if let length = loads.map({ $0.place.shape.last ?? 1 }).min(), length * entry >= 1024,
        length * entry % vector == 0,
        loads.allSatisfy({ $0.place.shape.last! % length == 0 })
      {
        let multiples = (1...min(longest, length * entry) / vector).map { $0 * vector }
        let tile = multiples.last { length * entry % $0 == 0 }
        if let tile, tile >= 1024 {
          readRows()
          return tile
        }
      }
      // The longest of the vectors that repeat themselves decides; shorter ones mostly divide it.
      let periods = loads.compactMap { $0.place.layout.period }
      if let period = periods.max().map({ $0 * entry }), period % vector == 0, period <= longest {
        return min(longest - longest % period, whole)
      }
      return min(longest, whole)
    }

    /// Replaces copies by rows where they stand, for tiles inside rows.
    private mutating func readRows() {
      var row: [Row: Row] = [:]
      var others = loads
      others.removeAll()
      for load in loads {
        switch load.place.layout.strides.last! {
        case 1:
          rows.parts.append(load.place)
          row[.slot(load.slot)] = .part(rows.parts.count - 1)
        case 0 where load.mayRepeat:
          rows.rowNumbers.append(load.place)
          row[.slot(load.slot)] = .rowNumber(rows.rowNumbers.count - 1)
        default: others.append(load)
        }
      }
      loads = others
      for k in operations.indices {
        operations[k].operands = operations[k].operands.map { row[$0] ?? $0 }
      }
    }
  }

  /// Gives every intermediate result a row in scratch memory, which others take over after its last use.
  func lowered(isVirtual: [Bool], isPadded: [Bool]) -> Lowered {
    var (draft, rowOfResult) = draft(isVirtual, isPadded)
    let tileBytes = draft.chooseTile(count: count, scalarType)
    let perTile = tileBytes / scalarType.byteCount
    // What is the same in every tile is copied once, into a slot that stays.
    let isLasting = draft.loads.map { load in
      load.place.layout.period.map { perTile % $0 == 0 && perTile < count } ?? false
    }
    var lastUse = [Int](repeating: -1, count: draft.slotCount)
    for (k, operation) in draft.operations.enumerated() {
      for case .slot(let slot) in operation.operands + [operation.result] { lastUse[slot] = k }
    }
    for (load, isLasting) in zip(draft.loads, isLasting) where isLasting { lastUse[load.slot] = .max }
    for sum in sums { if case .slot(let slot) = rowOfResult[sum.member]! { lastUse[slot] = .max } }
    var slotOf = [Int](repeating: -1, count: draft.slotCount)
    var free: [Int] = []
    func place(_ slot: Int) {
      if let known = free.popLast() {
        slotOf[slot] = known
      } else {
        slotOf[slot] = draft.rows.slots
        draft.rows.slots += 1
      }
    }
    // Lasting ones first, because nothing may stand in their slots before.
    for (load, isLasting) in zip(draft.loads, isLasting) where isLasting { place(load.slot) }
    var nextLoad = 0
    for (k, operation) in draft.operations.enumerated() {
      while nextLoad < draft.loads.count, draft.loads[nextLoad].time <= k {
        if !isLasting[nextLoad] { place(draft.loads[nextLoad].slot) }
        nextLoad += 1
      }
      // A function may write where it has read.
      for case .slot(let slot) in operation.operands where lastUse[slot] == k && !free.contains(slotOf[slot]) {
        free.append(slotOf[slot])
      }
      if case .slot(let slot) = operation.result {
        place(slot)
        if lastUse[slot] == k { free.append(slotOf[slot]) }
      }
    }
    let rows = draft.rows
    func index(_ row: Row) -> Int {
      switch row {
      case .slot(let slot): slotOf[slot]
      case .array(let number): rows.slots + number
      case .part(let number): rows.slots + rows.arrays.count + number
      case .number(let number): rows.slots + rows.arrays.count + rows.parts.count + number
      case .rowNumber(let number):
        rows.slots + rows.arrays.count + rows.parts.count + rows.numbers.count + number
      }
    }
    let operations = draft.operations.map { operation in
      let operands = operation.operands.map(index)
      return ElementwiseStep.Operation(
        function: operation.function, a: operands[0], b: operands.count > 1 ? operands[1] : 0,
        c: operands.count > 2 ? operands[2] : 0, result: index(operation.result))
    }
    let loads = zip(draft.loads, isLasting).map { load, isLasting in
      ElementwiseStep.Load(
        address: .init(load.place), copy: TileCopy(load.place.layout), row: slotOf[load.slot],
        time: isLasting ? nil : load.time)
    }
    return Lowered(
      scalarType: scalarType, count: count, operations: operations,
      loads: loads.filter { $0.time == nil } + loads.filter { $0.time != nil }, rows: rows, tileBytes: tileBytes,
      sums: sums.map { .init(row: index(rowOfResult[$0.member]!), result: $0.result) })
  }

  private func draft(_ isVirtual: [Bool], _ isPadded: [Bool]) -> (Draft, rowOfResult: [Int: Row]) {
    var draft = Draft()
    var rowOfResult: [Int: Row] = [:]
    var known: [PlaceKey: Row] = [:]
    func row(_ place: Place, mayRepeat: Bool) -> Row {
      if place.isWhole, let row = rowOfResult[place.buffer] { return row }
      let key = PlaceKey(place, mayRepeat: mayRepeat)
      if let row = known[key] { return row }
      let row: Row
      if count > 1, place.layout.repeatsOneEntry, mayRepeat {
        draft.rows.numbers.append(place)
        row = .number(draft.rows.numbers.count - 1)
      } else if place.layout.isRowMajor {
        // What begins inside a buffer may reach to the end of its padding.
        row = draft.addArray(place, isPadded: isPadded[place.buffer] && place.layout.offset == 0)
      } else {
        let slot = draft.addSlot()
        draft.loads.append((place, draft.operations.count, slot, mayRepeat))
        row = .slot(slot)
      }
      known[key] = row
      return row
    }
    for member in members {
      let operands = member.inputs.map { row($0, mayRepeat: member.function.takesNumbers) }
      let result: Row
      if isVirtual[member.result] {
        result = .slot(draft.addSlot())
      } else {
        let layout = Layout(shape: [count], strides: [1])
        result = draft.addArray(
          Place(buffer: member.result, layout: layout, scalarType: scalarType, isWhole: true, producer: 0),
          isPadded: true)
      }
      rowOfResult[member.result] = result
      draft.operations.append((member.function, operands, result))
    }
    return (draft, rowOfResult)
  }
}
