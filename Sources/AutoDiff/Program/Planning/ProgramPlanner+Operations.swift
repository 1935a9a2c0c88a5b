/// What the operations of a recording become.
extension ProgramPlanner {
  mutating func add(_ operation: ProgramGraph.Operation) {
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
    if isUniform || primitive.takesMixedTypes, let lowered = primitive as? any LoweredPrimitive,
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
      if terms > 0, sums > 0, ScalarGroup.takesSums(of: terms, count: sums, place.scalarType) {
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
    where graph.values[output].type.shape.product <= mostJoined(inputs):
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
          items.append(.step(AssemblyStep(.nothing, sources, place.scalarType, result: place.buffer)))
          return
        }
        start = .copy(of: place)
      }
      let result = define(output, nil, producer: item)
      let type = graph.values[output].type.scalarType
      items.append(.step(AssemblyStep(start, sources, type, result: result)))
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

  /// The most entries of an array that single numbers are to put together from inputs.
  private func mostJoined(_ inputs: [Place]) -> Int {
    ScalarGroup.mostJoined(areComputed: inputs.contains { scalarGroup($0.producer, $0.scalarType) != nil })
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
    let results = Array(outputs[..<(loop.stateCount + loop.filledCount)])
    let isRead = outputs.count > results.count && lastUses[operation.outputs.last!] >= 0
    let scratch = loop.parts[0].program.resultTypes.map { kind in
      addScratch(bytes: kind.shape.product * kind.scalarType.byteCount)
    }
    let first = loops.count
    loops.append(contentsOf: loop.parts.map(\.program))
    items.append(
      .step(
        LoopStep(
          loop, inputs, results: results, token: isRead ? outputs.last : nil, scratch: scratch, firstProgram: first)))
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
