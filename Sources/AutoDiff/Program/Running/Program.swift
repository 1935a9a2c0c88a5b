/// The steps of a recorded function and the places of everything in memory.
///
/// Made by ``ProgramPlanner``; it does not change, and several threads may run it at once.
final class Program: @unchecked Sendable {
  struct Buffer {
    enum Kind {
      case input(Int)
      case constant(Tensor)
      /// Memory of the frame, from so many bytes on.
      case arena(Int)
      /// Memory from the pool, while it is needed.
      case pooled
      /// Memory that whoever runs the program provides.
      case result
      /// What a primitive returned.
      case evaluated
    }
    var kind: Kind
    var byteCount: Int

    /// Whether it is a constant that has no memory of its own.
    var isNumber: Bool { if case .constant(let tensor) = kind { tensor.array.storage == nil } else { false } }
  }

  /// Where a result comes from.
  enum Result {
    case input(Int)
    case constant(Tensor)
    /// A buffer of kind `result` or `evaluated`.
    case buffer(Int)
  }

  private let steps: FixedList<ProgramStep>
  let buffers: [Buffer]
  let inputBuffers: FixedList<Int>
  let results: [Result]
  /// By result, its buffer; −1 for one without.
  let resultBuffers: FixedList<Int>
  let resultTypes: [ProgramGraph.ValueType]
  let arenaBytes: Int
  /// About the most bytes that a run has in use beside inputs, results and what primitives return.
  let mostBytes: Int
  /// The bodies of the loops, in the order of their steps.
  let loops: [Program]

  var inputCount: Int { inputBuffers.count }

  /// Frames that no run uses at the moment.
  private var frames: [ProgramFrame] = []
  private let lock = SpinLock()

  init(
    steps: [ProgramStep], buffers: [Buffer], inputBuffers: [Int], results: [Result],
    resultTypes: [ProgramGraph.ValueType], arenaBytes: Int, mostBytes: Int, loops: [Program]
  ) {
    self.steps = FixedList(steps)
    self.buffers = buffers
    self.inputBuffers = FixedList(inputBuffers)
    (self.results, self.resultTypes, self.loops) = (results, resultTypes, loops)
    (self.arenaBytes, self.mostBytes) = (arenaBytes, mostBytes)
    resultBuffers = FixedList(results.map { if case .buffer(let buffer) = $0 { buffer } else { -1 } })
  }

  /// What the steps do, in lines for people.
  var listing: [String] {
    var lines: [String] = []
    steps.forEach { lines += $0.listing }
    return lines
  }

  /// Takes the steps, in the memory of a frame.
  @inline(__always)
  func run(in frame: ProgramFrame) {
    for k in 0..<steps.count {
      // Without counting a reference, which would be on the way of every small step.
      Unmanaged.passUnretained(steps[k])._withUnsafeGuaranteedRef { $0.run(frame) }
    }
  }

  /// From so many bytes on, memory is taken when it is needed and given back when it is not, which takes a small part of the
  /// time in which it is filled: a program that is not running keeps little, and results take no memory before they are
  /// computed.
  static let leastPooled = 1 << 18

  /// Entries take whole cache lines, so that a vector at their end may be read and written without harm.
  static func padded(_ byteCount: Int) -> Int { max(64, (byteCount + 63) & ~63) }

  /// The results for inputs of the recorded shapes and types.
  ///
  /// - Throws: why a step has none.
  func run(_ inputs: [Tensor]) throws -> [Tensor] {
    let (results, failure) = outcome(inputs)
    if let failure { throw failure }
    return results
  }

  /// The results, and why a step has none, if that is so.
  func outcome(_ inputs: [Tensor]) -> (results: [Tensor], failure: (any Error)?) {
    let frame = takeFrame()
    defer { giveBack(frame) }
    // Single entries have no memory of their own.
    let singles = inputs.count + results.count
    return withUnsafeTemporaryAllocation(byteCount: 64 * max(1, singles), alignment: 64) { memory in
      let slots = memory.baseAddress!
      for (number, input) in inputs.enumerated() {
        let node = input.array.contiguous
        if let storage = node.storage {
          let address = storage.base + node.offset * node.scalarType.byteCount
          frame.setInput(number, address, Tensor(node: node))
        } else {
          let slot = slots + 64 * number
          node.withAddress { slot.copyMemory(from: $0, byteCount: node.scalarType.byteCount) }
          frame.setInput(number, slot)
        }
      }
      var storages: [Storage?] = []
      for (number, result) in results.enumerated() {
        var storage: Storage?
        if case .buffer(let buffer) = result, case .result = buffers[buffer].kind {
          let (shape, type) = resultTypes[number]
          if shape.product == 1 {
            frame.setResult(number, slots + 64 * (inputs.count + number))
          } else if buffers[buffer].byteCount < Self.leastPooled {
            storage = Storage.allocate(byteCount: buffers[buffer].byteCount)
            guard let storage else { stopForMemory(shape, type, "program") }
            frame.setResult(number, storage.base)
          }
        }
        storages.append(storage)
      }
      frame.allocatesResults = true
      frame.run()
      let tensors = results.indices.map { number -> Tensor in
        let (shape, type) = resultTypes[number]
        switch results[number] {
        case .input(let input): return inputs[input]
        case .constant(let tensor): return tensor
        case .buffer(let buffer):
          if case .evaluated = buffers[buffer].kind { return frame.kept(buffer).reshaped(to: shape) }
          if let storage = storages[number] ?? frame.allocatedResult(buffer) {
            return Tensor(node: ArrayNode(shape: shape, scalarType: type, storage: storage, offset: 0, strides: nil))
          }
          let address = frame.addresses[buffer]
          let single = perType(type, double: address.load(as: Double.self), float: Double(address.load(as: Float.self)))
          return Tensor(node: ArrayNode(shape: shape, scalarType: type, single: single))
        }
      }
      return (tensors, frame.failure)
    }
  }

  private func takeFrame() -> ProgramFrame { lock.withLock { frames.popLast() } ?? ProgramFrame(self) }

  private func giveBack(_ frame: ProgramFrame) {
    frame.finish()
    lock.withLock { frames.append(frame) }
  }
}
