/// Makes a program of a recording: what is not needed is left out, views cost nothing, neighboring elementwise functions
/// become one step, and memory is shared by values that do not live at the same time.
struct ProgramPlanner {
  private let graph: ProgramGraph
  private let results: [Int]

  /// What will be a step.
  private enum Item {
    case group(ElementwiseGroup)
    case scalars(ScalarGroup)
    case step(ProgramStep)
  }

  /// What is known of a buffer before it has its memory.
  private struct Plan {
    var kind: Program.Buffer.Kind?
    var byteCount: Int
    /// The item that writes it; −1 for what is there from the beginning.
    var producer: Int
    /// The last item that reads it in memory; nil if none does.
    var lastUse: Int?
    /// Whether it is used in its group alone and never stands in memory.
    var isVirtual = false
  }

  private var items: [Item] = []
  private var plans: [Plan] = []
  /// By value, where it stands.
  private var places: [Place?]
  private var groups: [GroupKey: [Int]] = [:]
  private var scalarGroups: [ScalarType: [Int]] = [:]
  private var loops: [Program] = []
  /// By value, the one of which it is a view (itself, if it is none).
  private var roots: [Int]
  /// By value, the first output of the last operation that uses it or a view of it; `Int.max` for results.
  private var lastUses: [Int]

  private struct GroupKey: Hashable {
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
      arenaBytes: arenaBytes, loops: loops)
  }

  // MARK: Buffers and places

  private mutating func addBuffer(_ kind: Program.Buffer.Kind?, bytes: Int, producer: Int) -> Int {
    plans.append(Plan(kind: kind, byteCount: Program.padded(bytes), producer: producer, lastUse: nil))
    return plans.count - 1
  }

  /// Gives a value a buffer of its own.
  @discardableResult
  private mutating func define(_ value: Int, _ kind: Program.Buffer.Kind?, producer: Int) -> Int {
    let (shape, type) = graph.values[value].type
    let buffer = addBuffer(kind, bytes: shape.product * type.byteCount, producer: producer)
    places[value] = Place(
      buffer: buffer, layout: Layout(shape: shape, strides: shape.rowMajorStrides), scalarType: type, isWhole: true,
      producer: producer)
    return buffer
  }

  /// Where a value stands; a constant gets its buffer when it is first asked for.
  private mutating func place(of value: Int) -> Place {
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

  private mutating func noteUse(of place: Place, by item: Int) {
    plans[place.buffer].lastUse = max(plans[place.buffer].lastUse ?? -1, item)
  }

  /// A place for the same entries in row-major order, behind a copy if need be.
  private mutating func rowMajor(_ place: Place) -> Place {
    if place.layout.isRowMajor { return place }
    let buffer = addBuffer(nil, bytes: place.shape.product * place.scalarType.byteCount, producer: items.count)
    noteUse(of: place, by: items.count)
    items.append(.step(CopyStep(place, to: buffer)))
    return Place(
      buffer: buffer, layout: Layout(shape: place.shape, strides: place.shape.rowMajorStrides),
      scalarType: place.scalarType, isWhole: true, producer: items.count - 1)
  }

  // MARK: Operations

  private mutating func add(_ operation: ProgramGraph.Operation) {
    switch operation.kind {
    case .loop(let loop): add(loop, operation)
    case .primitive(let primitive): add(primitive, operation)
    }
  }

  private mutating func add(_ primitive: any Primitive, _ operation: ProgramGraph.Operation) {
    let inputs = operation.inputs.map { place(of: $0) }
    let output = operation.firstOutput
    let (shape, type) = graph.values[output].type
    if let view = primitive as? any ViewPrimitive {
      var place = inputs[0]
      if let layout = view.view(of: place.layout) {
        places[output] = shown(place, layout)
        return
      }
      place = rowMajor(place)
      if let layout = view.view(of: place.layout) {
        places[output] = shown(place, layout)
        return
      }
    }
    let isUniform = inputs.allSatisfy { $0.scalarType == type }
    if isUniform, primitive is any ElementwisePrimitive, let function = TileFunction.make(primitive) {
      return join(primitive, function, inputs, output)
    }
    if isUniform, let lowered = primitive as? any LoweredPrimitive,
      let lowering = lowered.lowering(of: inputs.map(\.layout), output: shape)
    {
      return add(lowering, inputs, operation)
    }
    for place in inputs { noteUse(of: place, by: items.count) }
    let isSingle = shape.product == 1
    define(output, isSingle ? nil : .evaluated, producer: items.count)
    items.append(.step(EvaluateStep(primitive, inputs, result: places[output]!)))
  }

  private mutating func add(_ lowering: Lowering, _ inputs: [Place], _ operation: ProgramGraph.Operation) {
    let output = operation.firstOutput
    switch lowering {
    case .elementwise(let primitive, let layouts):
      join(primitive, TileFunction.make(primitive)!, zip(inputs, layouts).map { shown($0, $1) }, output)
    case .step(let scratchEntries, let make):
      for place in inputs { noteUse(of: place, by: items.count) }
      let result = define(output, nil, producer: items.count)
      let entryBytes = graph.values[output].type.scalarType.byteCount
      let scratch = scratchEntries > 0 ? addScratch(bytes: scratchEntries * entryBytes) : nil
      items.append(.step(make(inputs, result, scratch)))
    case .sum(let axes):
      let place = inputs[0]
      let (terms, sums) = (place.shape.picking(axes).product, place.shape.dropping(axes).product)
      if terms > 0, sums > 0, ScalarGroup.takesSums(of: terms, count: sums) {
        var rows = place
        let axes = place.shape.indices.filter { !axes.contains($0) } + axes
        rows.layout = Layout(
          shape: place.shape.picking(axes), strides: place.layout.strides.picking(axes), offset: place.layout.offset)
        return joinScalars([rows], output) { $0.addSum(rows, each: terms, result: $1) }
      }
      if axes.count == place.shape.count, let group = group(computing: place), group.count >= ElementwiseGroup.leastSum
      {
        let result = define(output, nil, producer: place.producer)
        return group.sums.append((place.buffer, result))
      }
      noteUse(of: place, by: items.count)
      let result = define(output, nil, producer: items.count)
      items.append(.step(SumStep(axes: axes, of: place, result: result)))
    case .assembly(let beginning, let pieces)
    where graph.values[output].type.shape.product <= ScalarGroup.mostJoined:
      var whole: Place?
      if case .input(let number) = beginning { whole = inputs[number] }
      let parts = pieces.map { (place: inputs[$0.input], target: $0.target) }
      let count = graph.values[output].type.shape.product
      joinScalars(inputs, output) { $0.addAssembly(whole, parts, count: count, result: $1) }
    case .assembly(let beginning, let pieces):
      let sources = pieces.map { piece in
        let place = inputs[piece.input]
        return (place: rowMajor(place), target: piece.target)
      }
      let item = items.count
      for (place, _) in sources { noteUse(of: place, by: item) }
      let byteCount = operation.byteCount(in: graph)
      let start: AssemblyStep.Beginning
      switch beginning {
      case .undefined: start = .nothing
      case .zeros: start = .zeros(byteCount: byteCount)
      case .input(let number):
        let place = inputs[number]
        noteUse(of: place, by: item)
        // A piece of the same memory must not be overwritten before it is read.
        let isApart = sources.allSatisfy { $0.place.buffer != place.buffer }
        if isApart, isUnneededAfter(operation, operation.inputs[number], place) {
          places[output] = place
          places[output]!.producer = item
          items.append(.step(AssemblyStep(.nothing, sources, result: place.buffer)))
          return
        }
        start = .copy(of: place)
      }
      let result = define(output, nil, producer: item)
      items.append(.step(AssemblyStep(start, sources, result: result)))
    }
  }

  /// Whether a value's memory is the program's own, and neither it nor a view of it is used behind an operation.
  private func isUnneededAfter(_ operation: ProgramGraph.Operation, _ value: Int, _ place: Place) -> Bool {
    place.isWhole && plans[place.buffer].kind == nil && place.producer >= 0
      && lastUses[roots[value]] == operation.firstOutput
  }

  /// What a view of a place shows.
  private func shown(_ place: Place, _ layout: Layout) -> Place {
    var layout = layout
    layout.offset += place.layout.offset
    let isWhole = place.isWhole && layout.isRowMajor && layout.shape.product == place.shape.product
    return Place(
      buffer: place.buffer, layout: layout, scalarType: place.scalarType, isWhole: isWhole, producer: place.producer)
  }

  /// Memory for the next item alone.
  private mutating func addScratch(bytes: Int) -> Int {
    let buffer = addBuffer(nil, bytes: bytes, producer: items.count)
    plans[buffer].lastUse = items.count
    return buffer
  }

  /// Adds an operation on few entries to the first group of such where everything that it needs is known, or to a new one.
  private mutating func joinScalars(_ inputs: [Place], _ output: Int, add: (ScalarGroup, _ result: Int) -> Void) {
    let type = graph.values[output].type.scalarType
    var earliest = 0
    for place in inputs {
      let producer = place.producer
      earliest = max(earliest, scalarGroup(producer, type) != nil ? producer : producer + 1)
    }
    var item = items.count
    if let known = scalarGroups[type]?.first(atLeast: earliest), scalarGroup(known, type)!.hasRoom {
      item = known
    } else {
      items.append(.scalars(ScalarGroup(type)))
      scalarGroups[type, default: []].append(item)
    }
    for place in inputs where place.producer != item { noteUse(of: place, by: item) }
    let result = define(output, nil, producer: item)
    let group = scalarGroup(item, type)!
    for place in inputs {
      if case .constant(let tensor) = plans[place.buffer].kind { group.addConstant(tensor, buffer: place.buffer) }
    }
    add(group, result)
  }

  private func scalarGroup(_ item: Int, _ type: ScalarType) -> ScalarGroup? {
    guard item >= 0, case .scalars(let group) = items[item], group.scalarType == type else { return nil }
    return group
  }

  /// Adds an elementwise function to the first group where everything that it needs is known, or to a new one.
  private mutating func join(_ primitive: any Primitive, _ function: TileFunction, _ inputs: [Place], _ output: Int) {
    let (shape, type) = graph.values[output].type
    if shape.product <= ScalarGroup.mostEntries(primitive) {
      return joinScalars(inputs, output) {
        $0.add(primitive, function, inputs, count: shape.product, result: $1)
      }
    }
    let key = GroupKey(count: shape.product, scalarType: type)
    var earliest = 0
    for place in inputs {
      let producer = place.producer
      // What a group computes, the group itself may go on with, entry by entry.
      let isDirect = place.isWhole && producer >= 0 && isGroup(producer, key)
      earliest = max(earliest, isDirect ? producer : producer + 1)
    }
    let item: Int
    if let known = groups[key]?.first(atLeast: earliest) {
      item = known
    } else {
      item = items.count
      items.append(.group(ElementwiseGroup(scalarType: type, count: key.count)))
      groups[key, default: []].append(item)
    }
    guard case .group(let group) = items[item] else { fatalError("ProgramPlanner: item \(item) is no group.") }
    for place in inputs where place.producer != item { noteUse(of: place, by: item) }
    let result = define(output, nil, producer: item)
    group.members.append(.init(function: function, inputs: inputs, result: result))
  }

  /// The group that computes all of what stands at a place.
  private func group(computing place: Place) -> ElementwiseGroup? {
    guard place.isWhole, place.producer >= 0, case .group(let group) = items[place.producer],
      group.count == place.shape.product, group.scalarType == place.scalarType
    else { return nil }
    return group
  }

  private func isGroup(_ item: Int, _ key: GroupKey) -> Bool {
    guard case .group(let group) = items[item] else { return false }
    return group.count == key.count && group.scalarType == key.scalarType
  }

  private mutating func add(_ loop: RecordedLoop, _ operation: ProgramGraph.Operation) {
    let inputs = operation.inputs.map { value in
      let known = place(of: value)
      return rowMajor(known)
    }
    for place in inputs { noteUse(of: place, by: items.count) }
    let outputs = operation.outputs.map { define($0, nil, producer: items.count) }
    let results = Array(outputs[..<loop.stateCount])
    let isRead = outputs.count > results.count && lastUses[operation.outputs.last!] >= 0
    let scratch = results.map { buffer in
      let bytes = plans[buffer].byteCount
      return addScratch(bytes: bytes)
    }
    let first = loops.count
    loops.append(contentsOf: loop.parts.map(\.program))
    items.append(
      .step(
        LoopStep(
          loop, inputs, results: results, token: isRead ? outputs.last : nil, scratch: scratch, firstProgram: first)))
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

  private var arenaBytes = 0

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
      case nil, .arena, .result: true
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
      case .evaluated where plan.lastUse != .max:
        ending[plan.lastUse ?? plan.producer].append(buffer)
      default: break
      }
    }
    var arena = ArenaLayout()
    var all: [ProgramStep] = []
    for item in items.indices {
      for buffer in starting[item] {
        plans[buffer].kind = .arena(arena.take(plans[buffer].byteCount))
      }
      all.append(steps[item])
      var released: [Int] = []
      for buffer in ending[item] {
        if case .arena(let offset) = plans[buffer].kind {
          arena.give(offset, plans[buffer].byteCount)
        } else {
          released.append(buffer)
        }
      }
      if !released.isEmpty { all.append(ReleaseStep(released)) }
    }
    arenaBytes = arena.byteCount
    return all
  }
}

extension [Int] {
  /// The first element, of elements in increasing order, that is not less than a number.
  fileprivate func first(atLeast least: Int) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < least { low = middle + 1 } else { high = middle }
    }
    return low < count ? self[low] : nil
  }
}
