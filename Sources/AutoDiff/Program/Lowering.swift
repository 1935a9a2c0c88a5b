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

  private let beginning: Beginning
  private let pieces: [(place: Place, target: Layout)]
  private let result: Int

  init(_ beginning: Beginning, _ pieces: [(place: Place, target: Layout)], result: Int) {
    (self.beginning, self.pieces, self.result) = (beginning, pieces, result)
  }

  override var listing: [String] {
    ["assembly of \(pieces.map { "\($0.place.shape)" }.joined(separator: " and "))"]
  }

  override func run(_ frame: ProgramFrame) {
    let target = frame.addresses[result]
    switch beginning {
    case .nothing: break
    case .zeros(let byteCount): target.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    case .copy(let place):
      func copy<T: LoopScalar>(_: T.Type) {
        StridedCopy.copy(frame.view(place, T.self), to: target.assumingMemoryBound(to: T.self))
      }
      perType(place.scalarType, double: copy(Double.self), float: copy(Float.self))
    }
    for (place, layout) in pieces where place.shape.product > 0 {
      func write<T: LoopScalar>(_: T.Type) {
        let (source, target) = (frame.pointer(place, T.self), target.assumingMemoryBound(to: T.self) + layout.offset)
        if layout.isRowMajor {
          StridedCopy.copyRun(source, to: target, count: place.shape.product)
        } else {
          StridedCopy.scatter(source, shape: place.shape, to: target, strides: layout.strides)
        }
      }
      perType(place.scalarType, double: write(Double.self), float: write(Float.self))
    }
  }
}
