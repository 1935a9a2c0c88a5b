/// Makes a program of a recording: what is not needed is left out, views cost nothing, neighboring elementwise functions
/// become one step, and memory is shared by values that do not live at the same time.
struct ProgramPlanner {
  let graph: ProgramGraph
  private let results: [Int]

  /// What will be a step.
  enum Item {
    case group(ElementwiseGroup)
    case scalars(ScalarGroup)
    case step(ProgramStep)
  }

  /// What is known of a buffer before it has its memory.
  struct Plan {
    var kind: Program.Buffer.Kind?
    var byteCount: Int
    /// The item that writes it; −1 for what is there from the beginning.
    var producer: Int
    /// The last item that reads it in memory; nil if none does.
    var lastUse: Int?
    /// Whether it is used in its group alone and never stands in memory.
    var isVirtual = false
  }

  var items: [Item] = []
  var plans: [Plan] = []
  /// By value, where it stands.
  var places: [Place?]
  var groups: [GroupKey: [Int]] = [:]
  var scalarGroups: [ScalarType: [Int]] = [:]
  var loops: [Program] = []
  /// By value, the one of which it is a view (itself, if it is none).
  var roots: [Int]
  /// By value, the first output of the last operation that uses it or a view of it; `Int.max` for results.
  var lastUses: [Int]

  struct GroupKey: Hashable {
    let count: Int, scalarType: ScalarType
  }

  /// The program that computes some values of a recording.
  ///
  /// - Parameter ownsResults: whether every result must get memory of its own, even if it is an input.
  static func program(_ graph: ProgramGraph, results: [Int], ownsResults: Bool = false) -> Program {
    var planner = ProgramPlanner(graph, results)
    return planner.plan(ownsResults)
  }

  private init(_ graph: ProgramGraph, _ results: [Int]) {
    (self.graph, self.results) = (graph, results)
    places = Array(repeating: nil, count: graph.values.count)
    roots = Array(graph.values.indices)
    lastUses = Array(repeating: -1, count: graph.values.count)
  }

  private mutating func plan(_ ownsResults: Bool) -> Program {
    var inputBuffers: [Int] = []
    for (number, value) in graph.inputs.enumerated() {
      inputBuffers.append(define(value, .input(number), producer: -1))
    }
    let needed = graph.isNeeded(for: results)
    for (number, operation) in graph.operations.enumerated() where needed[number] {
      if case .primitive(let primitive) = operation.kind, primitive is any ViewPrimitive {
        roots[operation.firstOutput] = roots[operation.inputs[0]]
      }
      for input in operation.inputs { lastUses[roots[input]] = operation.firstOutput }
    }
    for result in results { lastUses[roots[result]] = .max }
    for (number, operation) in graph.operations.enumerated() where needed[number] { add(operation) }
    let origins = results.map { origin(of: $0, ownsResults) }
    return Program(
      steps: finish(), buffers: plans.map { .init(kind: $0.kind ?? .arena(0), byteCount: $0.byteCount) },
      inputBuffers: inputBuffers, results: origins, resultTypes: results.map { graph.values[$0].type },
      arenaBytes: arena.byteCount, mostBytes: mostBytes, loops: loops)
  }

  // MARK: Buffers and places

  mutating func addBuffer(_ kind: Program.Buffer.Kind?, bytes: Int, producer: Int) -> Int {
    plans.append(Plan(kind: kind, byteCount: Program.padded(bytes), producer: producer, lastUse: nil))
    return plans.count - 1
  }

  /// Gives a value a buffer of its own.
  @discardableResult
  mutating func define(_ value: Int, _ kind: Program.Buffer.Kind?, producer: Int) -> Int {
    let (shape, type) = graph.values[value].type
    let buffer = addBuffer(kind, bytes: shape.product * type.byteCount, producer: producer)
    places[value] = Place(
      buffer: buffer, layout: Layout(shape: shape, strides: shape.rowMajorStrides), scalarType: type, isWhole: true,
      producer: producer)
    return buffer
  }

  /// Where a value stands; a constant gets its buffer when it is first asked for.
  mutating func place(of value: Int) -> Place {
    if let place = places[value] { return place }
    guard case .constant(let tensor) = graph.values[value].origin else {
      fatalError("ProgramPlanner: value \(value) is used before it is computed.")
    }
    let node = tensor.array
    if node.storage != nil, !node.isContiguous {
      // The memory as it is, seen through its strides.
      let buffer = addBuffer(.constant(tensor), bytes: node.storage!.byteCount, producer: -1)
      places[value] = Place(
        buffer: buffer, layout: Layout(shape: node.shape, strides: node.explicitStrides), scalarType: node.scalarType,
        isWhole: false, producer: -1)
    } else {
      define(value, .constant(tensor), producer: -1)
    }
    return places[value]!
  }

  mutating func noteUse(of place: Place, by item: Int) {
    plans[place.buffer].lastUse = max(plans[place.buffer].lastUse ?? -1, item)
  }

  /// A place for the same entries in row-major order, behind a copy if need be.
  mutating func rowMajor(_ place: Place) -> Place {
    if place.layout.isRowMajor { return place }
    let buffer = addBuffer(nil, bytes: place.shape.product * place.scalarType.byteCount, producer: items.count)
    noteUse(of: place, by: items.count)
    items.append(.step(CopyStep(place, to: buffer)))
    return Place(
      buffer: buffer, layout: Layout(shape: place.shape, strides: place.shape.rowMajorStrides),
      scalarType: place.scalarType, isWhole: true, producer: items.count - 1)
  }

  // MARK: Results

  private mutating func origin(of value: Int, _ ownsResults: Bool) -> Program.Result {
    let place = place(of: value)
    if !ownsResults {
      switch graph.values[value].origin {
      case .input(let number): return .input(number)
      case .constant(let tensor): return .constant(tensor)
      case .result: break
      }
    }
    let plan = plans[place.buffer]
    if place.isWhole, place.producer >= 0 {
      switch plan.kind {
      case nil:
        plans[place.buffer].kind = .result
        return .buffer(place.buffer)
      case .evaluated where !ownsResults:
        plans[place.buffer].lastUse = .max
        return .buffer(place.buffer)
      default: break
      }
    }
    let bytes = place.shape.product * place.scalarType.byteCount
    let buffer = addBuffer(.result, bytes: bytes, producer: items.count)
    noteUse(of: place, by: items.count)
    items.append(.step(CopyStep(place, to: buffer)))
    return .buffer(buffer)
  }

  // MARK: Memory

  private var arena = ArenaLayout()
  /// The most bytes of the arena and of buffers from the pool that are in use at a time.
  private var mostBytes = 0

  /// Lays out the groups, gives every buffer its memory, and returns the steps.
  private mutating func finish() -> [ProgramStep] {
    for item in items {
      let results: [Int] =
        switch item {
        case .group(let group): group.members.map(\.result)
        case .scalars(let group): Array(group.results)
        case .step: []
        }
      for result in results where plans[result].kind == nil && plans[result].lastUse == nil {
        plans[result].isVirtual = true
      }
    }
    // Tables of their own, since more buffers are added while they are used.
    let isVirtual = plans.map(\.isVirtual)
    let isPadded = plans.map { plan in
      switch plan.kind {
      case nil, .arena, .pooled, .result: true
      case .input, .constant, .evaluated: false
      }
    }
    var steps: [ProgramStep] = []
    for item in items.indices {
      switch items[item] {
      case .step(let step): steps.append(step)
      case .group(let group):
        let layout = group.lowered(isVirtual: isVirtual, isPadded: isPadded)
        let scratch = addBuffer(nil, bytes: layout.scratchBytes, producer: item)
        plans[scratch].lastUse = item
        steps.append(layout.step(scratch: scratch))
      case .scalars(let group):
        let scratch = addBuffer(nil, bytes: group.scratchBytes, producer: item)
        plans[scratch].lastUse = item
        steps.append(group.step(isVirtual: isVirtual, scratch: scratch))
      }
    }
    var starting = [[Int]](repeating: [], count: items.count)
    var ending = [[Int]](repeating: [], count: items.count)
    for (buffer, plan) in plans.enumerated() where plan.producer >= 0 && !plan.isVirtual {
      switch plan.kind {
      case nil:
        starting[plan.producer].append(buffer)
        ending[plan.lastUse ?? plan.producer].append(buffer)
      case .result where plan.byteCount >= Program.leastPooled: starting[plan.producer].append(buffer)
      case .evaluated where plan.lastUse != .max:
        ending[plan.lastUse ?? plan.producer].append(buffer)
      default: break
      }
    }
    var all: [ProgramStep] = []
    var pooledBytes = 0
    for item in items.indices {
      let (needs, inherited) = takeMemory(for: item, starting[item])
      if !needs.isEmpty { all.append(MemoryStep(needs)) }
      for buffer in needs.taken { pooledBytes += plans[buffer].byteCount }
      mostBytes = max(mostBytes, arena.byteCount + pooledBytes)
      all.append(steps[item])
      var released: [Int] = []
      for buffer in ending[item] where !inherited.contains(buffer) {
        if case .arena(let offset) = plans[buffer].kind {
          arena.give(offset, plans[buffer].byteCount)
        } else {
          if case .pooled = plans[buffer].kind { pooledBytes -= plans[buffer].byteCount }
          released.append(buffer)
        }
      }
      if !released.isEmpty { all.append(ReleaseStep(released)) }
    }
    return all
  }

  /// Gives the buffers that an item writes their memory.
  ///
  /// - Returns: what has to be provided before the item's step, and the operands whose memory lives on in a result.
  private mutating func takeMemory(for item: Int, _ buffers: [Int]) -> (MemoryStep.Needs, inherited: Set<Int>) {
    var needs = MemoryStep.Needs()
    var inherited: Set<Int> = []
    let overwritten = overwritten(by: item, buffers.filter { plans[$0].kind == nil })
    for buffer in buffers {
      let bytes = plans[buffer].byteCount
      if plans[buffer].kind != nil {
        needs.results.append(buffer)
      } else if let operand = overwritten[buffer], plans[operand].byteCount == bytes {
        plans[buffer].kind = plans[operand].kind
        inherited.insert(operand)
        if case .pooled = plans[buffer].kind { needs.inherited.append((buffer, operand)) }
      } else if bytes >= Program.leastPooled {
        plans[buffer].kind = .pooled
        needs.taken.append(buffer)
      } else {
        plans[buffer].kind = .arena(arena.take(bytes))
      }
    }
    return (needs, inherited)
  }

  /// By result of an item, the operand in whose memory it may stand.
  private func overwritten(by item: Int, _ results: [Int]) -> [Int: Int] {
    guard case .group(let group) = items[item] else { return [:] }
    return group.overwritten(by: results) { operand in
      switch plans[operand].kind {
      case .arena, .pooled: plans[operand].lastUse == item
      default: false
      }
    }
  }
}
