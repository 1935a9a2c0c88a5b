/// The memory of one run of a program.
///
/// A program keeps the frames of its runs for later ones, so that a run allocates nothing but what it returns and what is large,
/// and several threads may run it at once.
final class ProgramFrame: @unchecked Sendable {
  /// Not a counted reference: the program keeps its frames, and is kept by whoever runs it.
  unowned(unsafe) let program: Program
  /// Where every buffer stands.
  let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let arena: UnsafeMutableRawPointer
  private let arenaBytes: Int
  /// The constants that are single numbers, each in a line of its own.
  private let numbers: UnsafeMutableRawPointer
  /// By input, the tensor that it is; nil where only its memory is known, as in a loop.
  private var inputs: [Tensor?]
  /// What primitives returned, by buffer.
  private var kept: [Int: Tensor] = [:]
  /// Whether large results get their memory when they are computed; otherwise it is there already, as in a loop.
  var allocatesResults = false
  /// That memory, by buffer.
  private var allocated: [Int: Storage] = [:]
  /// What loops have kept, by the buffer of the token.
  private var histories: [Int: HistoryMemory] = [:]
  /// Why a step has no result, the first time; then the run has none. (Not checked for overlapping access, because loops look
  /// at it in every step.)
  @exclusivity(unchecked) private(set) var failure: (any Error)?
  /// For the bodies of loops, in order.
  private(set) var children: [ProgramFrame] = []

  init(_ program: Program) {
    self.program = program
    arenaBytes = max(64, program.arenaBytes)
    arena = BufferPool.takeOrStop(arenaBytes)
    addresses = .allocate(capacity: max(1, program.buffers.count))
    addresses.initialize(repeating: arena, count: max(1, program.buffers.count))
    inputs = Array(repeating: nil, count: program.inputCount)
    numbers = .allocate(byteCount: 64 * max(1, program.buffers.count { $0.isNumber }), alignment: 64)
    var free = numbers
    for (number, buffer) in program.buffers.enumerated() {
      switch buffer.kind {
      case .arena(let offset): addresses[number] = arena + offset
      case .constant(let tensor):
        // The program keeps the constant, and the constant its memory.
        if let storage = tensor.array.storage {
          addresses[number] = storage.base + tensor.array.offset * tensor.scalarType.byteCount
        } else {
          tensor.array.withAddress { free.copyMemory(from: $0, byteCount: tensor.scalarType.byteCount) }
          addresses[number] = free
          free += 64
        }
      case .input, .pooled, .result, .evaluated: break
      }
    }
    children = program.loops.map { ProgramFrame($0) }
  }

  deinit {
    addresses.deallocate()
    numbers.deallocate()
    BufferPool.give(arena, arenaBytes)
  }

  // MARK: Addresses

  @inline(__always)
  func address(_ place: Place) -> UnsafeMutableRawPointer {
    addresses[place.buffer] + place.layout.offset * place.scalarType.byteCount
  }

  @inline(__always)
  func pointer<T: LoopScalar>(_ place: Place, _: T.Type) -> UnsafePointer<T> {
    UnsafePointer(addresses[place.buffer].assumingMemoryBound(to: T.self)) + place.layout.offset
  }

  /// What stands at a place, as a tensor for the time of a step.
  func tensor(_ place: Place) -> Tensor {
    func single<T: LoopScalar>(_: T.Type) -> Tensor {
      Tensor(
        node: ArrayNode(
          shape: place.shape, scalarType: T.scalarType, single: Double(pointer(place, T.self).pointee)))
    }
    if place.shape.product == 1 {
      return perType(place.scalarType, double: single(Double.self), float: single(Float.self))
    }
    if place.isWhole, let tensor = whole(place.buffer) {
      if tensor.shape == place.shape { return tensor }
      let node = tensor.array.contiguous
      return Tensor(node: node.view(shape: place.shape, strides: place.layout.strides, offset: node.offset))
    }
    let storage = Storage(borrowing: addresses[place.buffer], byteCount: program.buffers[place.buffer].byteCount)
    return Tensor(
      node: ArrayNode(
        shape: place.shape, scalarType: place.scalarType, storage: storage, offset: place.layout.offset,
        strides: place.layout.isRowMajor ? nil : place.layout.strides))
  }

  /// The tensor whose memory a buffer is, if it is one's.
  private func whole(_ buffer: Int) -> Tensor? {
    switch program.buffers[buffer].kind {
    case .constant(let tensor): tensor
    case .input(let number): inputs[number]
    case .evaluated: kept[buffer]
    case .arena, .pooled, .result: nil
    }
  }

  func copy(_ tensor: Tensor, to place: Place) {
    func copy<T: LoopScalar>(_: T.Type) {
      tensor.withView(T.self) {
        StridedCopy.copy($0, to: addresses[place.buffer].assumingMemoryBound(to: T.self) + place.layout.offset)
      }
    }
    perType(place.scalarType, double: copy(Double.self), float: copy(Float.self))
  }

  /// Keeps what a primitive returned. A view of borrowed memory is copied, since that memory changes.
  func keep(_ tensor: Tensor, as buffer: Int) {
    var node = tensor.array.contiguous
    if node.storage!.isBorrowed {
      let whole = node
      func copy<T: LoopScalar>(_: T.Type) -> ArrayNode {
        .make(whole.shape, T.self, for: "program") { y in
          whole.withAddress(T.self) { StridedCopy.copyRun($0, to: y, count: whole.shape.product) }
        }
      }
      node = perType(node.scalarType, double: copy(Double.self), float: copy(Float.self))
    }
    kept[buffer] = Tensor(node: node)
    addresses[buffer] = node.storage!.base + node.offset * node.scalarType.byteCount
  }

  func kept(_ buffer: Int) -> Tensor { kept[buffer]! }

  func release(_ buffer: Int) {
    if case .pooled = program.buffers[buffer].kind {
      BufferPool.give(addresses[buffer], program.buffers[buffer].byteCount)
    } else {
      kept[buffer] = nil
    }
  }

  /// Memory from the pool, until the buffer or one that inherits it is released.
  func take(_ buffer: Int) { addresses[buffer] = BufferPool.takeOrStop(program.buffers[buffer].byteCount) }

  /// Gives a large result memory of its own, if the run is to.
  func allocateResult(_ buffer: Int) {
    guard allocatesResults else { return }
    guard let storage = Storage.allocate(byteCount: program.buffers[buffer].byteCount) else {
      let number = program.results.indices.first { program.resultBuffers[$0] == buffer }!
      stopForMemory(program.resultTypes[number].shape, program.resultTypes[number].scalarType, "program")
    }
    allocated[buffer] = storage
    addresses[buffer] = storage.base
  }

  func allocatedResult(_ buffer: Int) -> Storage? { allocated[buffer] }

  /// The history of a loop, which is used again when the loop is.
  func history(_ token: Int, _ make: () -> HistoryMemory) -> HistoryMemory {
    if let known = histories[token] { return known }
    let history = make()
    histories[token] = history
    return history
  }

  // MARK: Running

  /// Says where an input stands, and which tensor it is.
  func setInput(_ number: Int, _ address: UnsafeMutableRawPointer, _ tensor: Tensor) {
    setInput(number, address)
    inputs[number] = tensor
  }

  /// Says where an input stands that is no tensor of its own.
  @inline(__always)
  func setInput(_ number: Int, _ address: UnsafeMutableRawPointer) { addresses[program.inputBuffers[number]] = address }

  /// Says where a result goes that has a buffer of its own.
  func setResult(_ number: Int, _ address: UnsafeMutableRawPointer) {
    let buffer = program.resultBuffers[number]
    if buffer >= 0 { addresses[buffer] = address }
  }

  func run() { program.run(in: self) }

  /// Notes that the run has no result.
  func fail(_ error: any Error) { if failure == nil { failure = error } }

  /// Lets go of what the run has used.
  func finish() {
    failure = nil
    for number in inputs.indices { inputs[number] = nil }
    kept.removeAll(keepingCapacity: true)
    allocated.removeAll(keepingCapacity: true)
    allocatesResults = false
    histories.removeAll(keepingCapacity: true)
  }
}
