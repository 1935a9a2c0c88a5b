/// Something that a program does with memory whose places are known when it is made.
class ProgramStep: @unchecked Sendable {
  /// What it does, in lines for people.
  var listing: [String] { [] }

  func run(_ frame: ProgramFrame) { fatalError("ProgramStep.run is abstract.") }
}

/// Where a value stands: in which buffer, and where there.
struct Place {
  var buffer: Int
  var layout: Layout
  var scalarType: ScalarType

  var shape: [Int] { layout.shape }
  /// The whole of a buffer in row-major order.
  var isWhole: Bool
  /// The item of the plan that has written what stands here; −1 for what is there from the beginning.
  var producer: Int
}

/// The first entry of a place, without the lists of its layout, which would be counted references on the way of every run.
struct Address {
  let buffer: Int, byteOffset: Int

  init(_ place: Place) {
    (buffer, byteOffset) = (place.buffer, place.layout.offset * place.scalarType.byteCount)
  }

  @inline(__always)
  func callAsFunction(_ frame: ProgramFrame) -> UnsafeMutableRawPointer { frame.addresses[buffer] + byteOffset }

  @inline(__always)
  func pointer<T>(_ frame: ProgramFrame, _: T.Type) -> UnsafePointer<T> {
    UnsafePointer(self(frame).assumingMemoryBound(to: T.self))
  }
}

/// A product of matrices.
final class ContractionStep: ProgramStep, @unchecked Sendable {
  private let plan: ContractionPlan
  private let left: Address, right: Address
  private let shapes: [[Int]]
  private let scalarType: ScalarType
  private let result: Int
  /// Memory for the factors that have to be copied.
  private let scratch: Int?

  init(_ plan: ContractionPlan, _ left: Place, _ right: Place, result: Int, scratch: Int?) {
    (self.plan, self.left, self.right) = (plan, Address(left), Address(right))
    (shapes, scalarType, self.result, self.scratch) = ([left.shape, right.shape], left.scalarType, result, scratch)
  }

  override var listing: [String] { ["product of \(shapes[0]) and \(shapes[1])"] }

  override func run(_ frame: ProgramFrame) {
    func run<T: LoopScalar>(_: T.Type) {
      plan.run(
        left.pointer(frame, T.self), right.pointer(frame, T.self),
        into: frame.addresses[result].assumingMemoryBound(to: T.self),
        scratch: scratch.map { frame.addresses[$0].assumingMemoryBound(to: T.self) })
    }
    perType(scalarType, double: run(Double.self), float: run(Float.self))
  }
}

/// A sum over some axes, of the entries or of their squares.
class SumStep: ProgramStep, @unchecked Sendable {
  private let nest: LoopNest
  private let kind: ReductionKind
  let place: Place
  private let address: Address
  let result: Int
  let resultCount: Int

  init(_ kind: ReductionKind = .sum, axes: [Int], of place: Place, result: Int) {
    let strides = place.layout.strides
    nest = ReductionLoop<Double>.nest(place.shape, strides, strides, axes: axes)
    resultCount = place.shape.dropping(axes).product
    (self.kind, self.place, self.result) = (kind, place, result)
    address = Address(place)
  }

  override var listing: [String] { ["sum of \(place.shape), \(resultCount) in all"] }

  override func run(_ frame: ProgramFrame) {
    perType(place.scalarType, double: sum(frame, Double.self), float: sum(frame, Float.self))
  }

  private func sum<T: LoopScalar>(_ frame: ProgramFrame, _: T.Type) {
    let y = frame.addresses[result].assumingMemoryBound(to: T.self)
    // The sum of no entries.
    if nest.count == 0 { return y.update(repeating: 0, count: resultCount) }
    let x = address.pointer(frame, T.self)
    ReductionLoop(kind: kind, a: x, b: x, y: y).run(nest)
  }
}

/// Euclidean norms over some axes.
final class NormStep: SumStep, @unchecked Sendable {
  private let norm: Norm
  private let layout: Layout

  init(_ norm: Norm, of place: Place, result: Int) {
    self.norm = norm
    let shape = place.shape.dropping(norm.axes)
    layout = Layout(shape: shape, strides: shape.rowMajorStrides)
    super.init(.dot, axes: norm.axes, of: place, result: result)
  }

  override var listing: [String] { ["norm of \(place.shape), \(resultCount) in all"] }

  override func run(_ frame: ProgramFrame) {
    super.run(frame)
    func finish<T: LoopScalar>(_: T.Type) {
      let y = frame.addresses[result].assumingMemoryBound(to: T.self)
      var isRegular = true
      for k in 0..<resultCount {
        y[k] = y[k].squareRoot()
        isRegular = isRegular && Norm.isRegular(Double(y[k]), place.scalarType)
      }
      if isRegular { return }
      frame.copy(
        norm.evaluate(.one(frame.tensor(place))),
        to: Place(buffer: result, layout: layout, scalarType: place.scalarType, isWhole: true, producer: 0))
    }
    perType(place.scalarType, double: finish(Double.self), float: finish(Float.self))
  }
}

/// A copy into row-major order.
final class CopyStep: ProgramStep, @unchecked Sendable {
  private let source: Address
  private let shape: [Int]
  private let scalarType: ScalarType
  private let loop: CopyLoop
  private let result: Int

  init(_ place: Place, to result: Int) {
    (source, shape, scalarType, self.result) = (Address(place), place.shape, place.scalarType, result)
    loop = CopyLoop(gathering: place.shape, place.layout.strides)
  }

  override var listing: [String] { ["copy of \(shape)"] }

  override func run(_ frame: ProgramFrame) {
    func run<T: LoopScalar>(_: T.Type) {
      loop.run(from: source.pointer(frame, T.self), to: frame.addresses[result].assumingMemoryBound(to: T.self))
    }
    perType(scalarType, double: run(Double.self), float: run(Float.self))
  }
}

/// Any other primitive, evaluated as without a program.
final class EvaluateStep: ProgramStep, @unchecked Sendable {
  private let primitive: any Primitive
  private let checked: (any CheckedPrimitive)?
  private let inputs: [Place]
  private let result: Place

  init(_ primitive: any Primitive, _ inputs: [Place], result: Place) {
    (self.primitive, self.inputs, self.result) = (primitive, inputs, result)
    checked = primitive as? any CheckedPrimitive
  }

  override var listing: [String] {
    ["\(primitive.name) of \(inputs.map { "\($0.shape)" }.joined(separator: " and "))"]
  }

  override func run(_ frame: ProgramFrame) {
    let operands = Inputs(inputs.map { frame.tensor($0) })
    let output = primitive.evaluate(operands)
    do { try checked?.check(output, of: operands) } catch { frame.fail(error) }
    if case .evaluated = frame.program.buffers[result.buffer].kind {
      frame.keep(output, as: result.buffer)
    } else {
      frame.copy(output, to: result)
    }
  }
}

/// Provides the memory of large buffers that the next step writes.
final class MemoryStep: ProgramStep, @unchecked Sendable {
  struct Needs {
    /// From the pool.
    var taken: [Int] = []
    /// From operands that nobody needs any more.
    var inherited: [(buffer: Int, operand: Int)] = []
    /// Of their own.
    var results: [Int] = []

    var isEmpty: Bool { taken.isEmpty && inherited.isEmpty && results.isEmpty }
  }

  private let needs: Needs
  init(_ needs: Needs) { self.needs = needs }

  override func run(_ frame: ProgramFrame) {
    for buffer in needs.taken { frame.take(buffer) }
    for (buffer, operand) in needs.inherited { frame.addresses[buffer] = frame.addresses[operand] }
    for buffer in needs.results { frame.allocateResult(buffer) }
  }
}

/// Frees what primitives returned, and what was taken from the pool.
final class ReleaseStep: ProgramStep, @unchecked Sendable {
  private let buffers: [Int]
  init(_ buffers: [Int]) { self.buffers = buffers }
  override func run(_ frame: ProgramFrame) { for buffer in buffers { frame.release(buffer) } }
}
