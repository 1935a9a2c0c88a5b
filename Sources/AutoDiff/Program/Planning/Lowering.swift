/// How a primitive becomes part of a program, where it does better there than to be evaluated.
enum Lowering {
  /// An elementwise function of operands that are seen in the output's shape.
  case elementwise(any ElementwisePrimitive, [Layout])
  /// A step of its own; memory for so many entries is its alone.
  case step(scratchEntries: Int = 0, (_ inputs: [Place], _ result: Int, _ scratch: Int?) -> ProgramStep)
  /// The sum over some axes.
  case sum(axes: [Int])
  /// Inputs written into parts of the output, whose other entries are those of the beginning.
  case assembly(Beginning, [Piece])

  enum Beginning {
    /// Nothing: the pieces cover everything.
    case undefined
    case zeros
    /// Another input, in whose memory the output may stand if nobody needs it any more.
    case input(Int)
  }

  /// An input and where it goes in the output.
  struct Piece {
    let input: Int
    let target: Layout
  }
}

/// A primitive that says what it becomes in a program.
protocol LoweredPrimitive: Primitive {
  /// Nil where it is evaluated as without a program.
  ///
  /// - Parameters:
  ///   - inputs: where the operands' entries stand.
  ///   - output: the output's shape.
  func lowering(of inputs: [Layout], output: [Int]) -> Lowering?
}

/// Writes pieces into memory; see ``Lowering/assembly(_:_:)``.
final class AssemblyStep: ProgramStep, @unchecked Sendable {
  enum Beginning {
    case nothing
    case zeros(byteCount: Int)
    case copy(of: Place)
  }

  /// A copy to entries from some byte on.
  private struct Piece {
    let source: Address
    let byteOffset: Int
    let loop: CopyLoop
    let shape: [Int]

    init(_ place: Place, to target: Layout) {
      (source, shape) = (Address(place), place.shape)
      byteOffset = target.offset * place.scalarType.byteCount
      loop = CopyLoop(scattering: place.shape, target.strides)
    }

    init(wholeOf place: Place) {
      (source, shape, byteOffset) = (Address(place), place.shape, 0)
      loop = CopyLoop(gathering: place.shape, place.layout.strides)
    }
  }

  private let zeroBytes: Int
  /// The copy of the beginning, if there is one, then the pieces.
  private let copies: [Piece]
  private let scalarType: ScalarType
  private let result: Int

  init(_ beginning: Beginning, _ pieces: [(place: Place, target: Layout)], _ scalarType: ScalarType, result: Int) {
    var copies = pieces.filter { $0.place.shape.product > 0 }.map { Piece($0.place, to: $0.target) }
    var zeroBytes = 0
    switch beginning {
    case .nothing: break
    case .zeros(let byteCount): zeroBytes = byteCount
    case .copy(let place): copies.insert(Piece(wholeOf: place), at: 0)
    }
    (self.zeroBytes, self.copies, self.scalarType, self.result) = (zeroBytes, copies, scalarType, result)
  }

  override var listing: [String] { ["assembly of \(copies.map { "\($0.shape)" }.joined(separator: " and "))"] }

  override func run(_ frame: ProgramFrame) {
    let target = frame.addresses[result]
    if zeroBytes > 0 { target.initializeMemory(as: UInt8.self, repeating: 0, count: zeroBytes) }
    func write<T: LoopScalar>(_: T.Type) {
      for piece in copies {
        piece.loop.run(
          from: piece.source.pointer(frame, T.self), to: (target + piece.byteOffset).assumingMemoryBound(to: T.self))
      }
    }
    perType(scalarType, double: write(Double.self), float: write(Float.self))
  }
}
