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
    let operands: ElementwiseStep.Operands
    let sums: [ElementwiseStep.TileSum]
    /// That of one thread, and behind it the sums of all tiles.
    var scratchBytes: Int {
      let tiles = (count * scalarType.byteCount + operands.tileBytes - 1) / max(1, operands.tileBytes)
      return operands.scratchBytes + sums.count * tiles * scalarType.byteCount
    }

    func step(scratch: Int) -> ElementwiseStep {
      ElementwiseStep(scalarType, count: count, operations, loads, sums, operands, scratch: scratch)
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

  /// An operand of a tile before the operands are numbered.
  private enum Operand: Hashable {
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

  /// What is done in a tile, with slots in scratch memory that have a number of their own each.
  private struct Draft {
    var operations: [(function: TileFunction, inputs: [Operand], result: Operand)] = []
    /// What is copied, before which operation, and to which slot.
    var loads: [(place: Place, time: Int, slot: Int, mayRepeat: Bool)] = []
    var operands = ElementwiseStep.Operands()
    var slotCount = 0

    mutating func addSlot() -> Int {
      slotCount += 1
      return slotCount - 1
    }

    mutating func addArray(_ place: Place, isPadded: Bool) -> Operand {
      operands.arrays.append(place)
      operands.isPadded.append(isPadded)
      return .array(operands.arrays.count - 1)
    }

    /// Chooses the size of the tiles.
    ///
    /// What repeats itself soon is copied once, into a tile of whole repetitions. Otherwise, where the strided operands have
    /// rows of one length, tiles consist of rows: what is contiguous along them is read where it stands, and what is the
    /// same in all of a row is a number. What is left is copied tile by tile.
    mutating func chooseTile(count: Int, _ scalarType: ScalarType) {
      let (vector, entry) = (VectorMap.vectorBytes, scalarType.byteCount)
      let longest = ElementwiseStep.longestTile(slots: min(slotCount, 8))
      operands.rowBytes = min(longest, (count * entry + vector - 1) / vector * vector)
      let periods = loads.map { $0.place.layout.period.map { $0 * entry } ?? .max }
      let period = periods.max() ?? vector
      if period <= longest, period % vector == 0, periods.allSatisfy({ period % $0 == 0 }) {
        operands.rowBytes = min(longest - longest % period, operands.rowBytes)
      } else {
        takeRows(entry, longest: longest)
      }
    }

    private mutating func takeRows(_ entry: Int, longest: Int) {
      let vector = VectorMap.vectorBytes
      let length = loads.map { $0.place.shape.last ?? 1 }.min()!
      let rowBytes = length * entry
      // Shorter rows are faster copied.
      guard rowBytes >= 4 * vector, rowBytes % vector == 0 else { return }
      guard loads.allSatisfy({ $0.place.shape.last! % length == 0 }) else { return }
      if rowBytes > longest {
        // A part of a row, as long as it can be.
        guard let part = (1...longest / vector).last(where: { rowBytes % ($0 * vector) == 0 }) else { return }
        if part * vector < 1024 { return }
        operands.rowBytes = part * vector
        return readRows(rowStrides: loads.map { _ in 0 })
      }
      // As many rows as have one distance between neighbors in every operand.
      var (rowStrides, extents): ([Int], [Int]) = ([], [])
      for load in loads {
        let layout = load.place.layout
        var outer = LoopNest(
          layout.shape.dropLast() + [layout.shape.last! / length],
          layout.strides.dropLast() + [layout.strides.last! * length])
        outer.mergeAxes()
        rowStrides.append((outer.axes.last?.strides[1] ?? 0) * entry)
        if outer.axes.count > 1 { extents.append(outer.axes.last!.extent) }
      }
      operands.rowBytes = rowBytes
      operands.rowsPerTile = (1...longest / rowBytes).last { rows in extents.allSatisfy { $0 % rows == 0 } }!
      readRows(rowStrides: rowStrides)
    }

    /// Replaces copies by what stands in rows, for tiles that consist of them.
    private mutating func readRows(rowStrides: [Int]) {
      var found: [Operand: Operand] = [:]
      var others = loads
      others.removeAll()
      for (load, rowStride) in zip(loads, rowStrides) {
        let rows = ElementwiseStep.Rows(
          address: .init(load.place), source: TileSource(load.place.layout), rowStride: rowStride)
        switch load.place.layout.strides.last! {
        case 1:
          operands.parts.append(rows)
          found[.slot(load.slot)] = .part(operands.parts.count - 1)
        case 0 where load.mayRepeat:
          operands.rowNumbers.append(rows)
          found[.slot(load.slot)] = .rowNumber(operands.rowNumbers.count - 1)
        default: others.append(load)
        }
      }
      loads = others
      for k in operations.indices {
        operations[k].inputs = operations[k].inputs.map { found[$0] ?? $0 }
      }
    }
  }

  /// Gives every intermediate result a slot in scratch memory, which others take over after its last use.
  func lowered(isVirtual: [Bool], isPadded: [Bool]) -> Lowered {
    var (draft, operandOfResult) = draft(isVirtual, isPadded)
    draft.chooseTile(count: count, scalarType)
    let perTile = draft.operands.tileBytes / scalarType.byteCount
    // What is the same in every tile is copied once, into a slot that stays.
    let isLasting = draft.loads.map { load in
      load.place.layout.period.map { perTile % $0 == 0 && perTile < count } ?? false
    }
    var lastUse = [Int](repeating: -1, count: draft.slotCount)
    for (k, operation) in draft.operations.enumerated() {
      for case .slot(let slot) in operation.inputs + [operation.result] { lastUse[slot] = k }
    }
    for (load, isLasting) in zip(draft.loads, isLasting) where isLasting { lastUse[load.slot] = .max }
    for sum in sums { if case .slot(let slot) = operandOfResult[sum.member]! { lastUse[slot] = .max } }
    var slotOf = [Int](repeating: -1, count: draft.slotCount)
    var free: [Int] = []
    func place(_ slot: Int) {
      if let known = free.popLast() {
        slotOf[slot] = known
      } else {
        slotOf[slot] = draft.operands.slots
        draft.operands.slots += 1
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
      for case .slot(let slot) in operation.inputs where lastUse[slot] == k && !free.contains(slotOf[slot]) {
        free.append(slotOf[slot])
      }
      if case .slot(let slot) = operation.result {
        place(slot)
        if lastUse[slot] == k { free.append(slotOf[slot]) }
      }
    }
    let operands = draft.operands
    let firstNumber = operands.slots + operands.arrays.count + operands.parts.count
    func number(_ operand: Operand) -> Int {
      switch operand {
      case .slot(let slot): slotOf[slot]
      case .array(let number): operands.slots + number
      case .part(let number): operands.slots + operands.arrays.count + number
      case .number(let number): firstNumber + number
      case .rowNumber(let number): firstNumber + operands.numbers.count + number
      }
    }
    func rowStride(_ operand: Operand) -> Int {
      switch operand {
      case .slot, .array: operands.rowBytes
      case .part(let number): operands.parts[number].rowStride
      case .number: 0
      case .rowNumber: VectorMap.vectorBytes
      }
    }
    let operations = draft.operations.map { operation in
      let inputs = operation.inputs.map { ElementwiseStep.Operand(number: number($0), rowStride: rowStride($0)) }
      let isFlat = operation.inputs.allSatisfy {
        switch $0 {
        case .slot, .array, .number: true
        case .part(let number): operands.parts[number].rowStride == operands.rowBytes
        case .rowNumber: false
        }
      }
      return ElementwiseStep.Operation(
        function: operation.function, a: inputs[0], b: inputs.count > 1 ? inputs[1] : .init(),
        c: inputs.count > 2 ? inputs[2] : .init(), result: number(operation.result),
        isFlat: isFlat || operands.rowsPerTile == 1)
    }
    let loads = zip(draft.loads, isLasting).map { load, isLasting in
      ElementwiseStep.Load(
        address: .init(load.place), source: TileSource(load.place.layout), operand: slotOf[load.slot],
        time: isLasting ? nil : load.time)
    }
    return Lowered(
      scalarType: scalarType, count: count, operations: operations,
      loads: loads.filter { $0.time == nil } + loads.filter { $0.time != nil }, operands: operands,
      sums: sums.map { .init(operand: number(operandOfResult[$0.member]!), result: $0.result) })
  }

  private func draft(_ isVirtual: [Bool], _ isPadded: [Bool]) -> (Draft, operandOfResult: [Int: Operand]) {
    var draft = Draft()
    var operandOfResult: [Int: Operand] = [:]
    var known: [PlaceKey: Operand] = [:]
    func operand(_ place: Place, mayRepeat: Bool) -> Operand {
      if place.isWhole, let operand = operandOfResult[place.buffer] { return operand }
      let key = PlaceKey(place, mayRepeat: mayRepeat)
      if let operand = known[key] { return operand }
      let operand: Operand
      if count > 1, place.layout.repeatsOneEntry, mayRepeat {
        draft.operands.numbers.append(place)
        operand = .number(draft.operands.numbers.count - 1)
      } else if place.layout.isRowMajor {
        // What begins inside a buffer may reach to the end of its padding.
        operand = draft.addArray(place, isPadded: isPadded[place.buffer] && place.layout.offset == 0)
      } else {
        let slot = draft.addSlot()
        draft.loads.append((place, draft.operations.count, slot, mayRepeat))
        operand = .slot(slot)
      }
      known[key] = operand
      return operand
    }
    for member in members {
      let inputs = member.inputs.map { operand($0, mayRepeat: member.function.takesNumbers) }
      let result: Operand
      if isVirtual[member.result] {
        result = .slot(draft.addSlot())
      } else {
        let layout = Layout(shape: [count], strides: [1])
        result = draft.addArray(
          Place(buffer: member.result, layout: layout, scalarType: scalarType, isWhole: true, producer: 0),
          isPadded: true)
      }
      operandOfResult[member.result] = result
      draft.operations.append((member.function, inputs, result))
    }
    return (draft, operandOfResult)
  }
}
