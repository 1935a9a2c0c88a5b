/// Something that a program does with memory whose places are known when it is made.
class ProgramStep: @unchecked Sendable {
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

/// A product of matrices.
final class ContractionStep: ProgramStep, @unchecked Sendable {
  private let plan: ContractionPlan
  private let left: Place, right: Place
  private let result: Int
  /// Memory for the factors that have to be copied.
  private let scratch: Int?

  init(_ plan: ContractionPlan, _ left: Place, _ right: Place, result: Int, scratch: Int?) {
    (self.plan, self.left, self.right, self.result, self.scratch) = (plan, left, right, result, scratch)
  }

  override func run(_ frame: ProgramFrame) {
    func run<T: LoopScalar>(_: T.Type) {
      plan.run(
        frame.pointer(left, T.self), frame.pointer(right, T.self),
        into: frame.addresses[result].assumingMemoryBound(to: T.self),
        scratch: scratch.map { frame.addresses[$0].assumingMemoryBound(to: T.self) })
    }
    perType(left.scalarType, double: run(Double.self), float: run(Float.self))
  }
}

/// A sum over some axes.
final class SumStep: ProgramStep, @unchecked Sendable {
  private let nest: LoopNest
  private let place: Place
  private let result: Int
  private let resultBytes: Int

  init(axes: [Int], of place: Place, result: Int) {
    let strides = place.layout.strides
    nest = ReductionLoop<Double>.nest(place.shape, strides, strides, axes: axes)
    resultBytes = place.shape.dropping(axes).product * place.scalarType.byteCount
    (self.place, self.result) = (place, result)
  }

  override func run(_ frame: ProgramFrame) {
    let target = frame.addresses[result]
    // The sum of no entries.
    if nest.count == 0 {
      target.initializeMemory(as: UInt8.self, repeating: 0, count: resultBytes)
      return
    }
    func run<T: LoopScalar>(_: T.Type) {
      let x = frame.pointer(place, T.self)
      ReductionLoop(kind: .sum, a: x, b: x, y: target.assumingMemoryBound(to: T.self)).run(nest)
    }
    perType(place.scalarType, double: run(Double.self), float: run(Float.self))
  }
}

/// A copy into row-major order.
final class CopyStep: ProgramStep, @unchecked Sendable {
  private let place: Place
  private let result: Int

  init(_ place: Place, to result: Int) { (self.place, self.result) = (place, result) }

  override func run(_ frame: ProgramFrame) {
    func run<T: LoopScalar>(_: T.Type) {
      StridedCopy.copy(frame.view(place, T.self), to: frame.addresses[result].assumingMemoryBound(to: T.self))
    }
    perType(place.scalarType, double: run(Double.self), float: run(Float.self))
  }
}

/// Any other primitive, evaluated as without a program.
final class EvaluateStep: ProgramStep, @unchecked Sendable {
  private let primitive: any Primitive
  private let inputs: [Place]
  private let result: Place

  init(_ primitive: any Primitive, _ inputs: [Place], result: Place) {
    (self.primitive, self.inputs, self.result) = (primitive, inputs, result)
  }

  override func run(_ frame: ProgramFrame) {
    let output = primitive.evaluate(Inputs(inputs.map { frame.tensor($0) }))
    if case .evaluated = frame.program.buffers[result.buffer].kind {
      frame.keep(output, as: result.buffer)
    } else {
      frame.copy(output, to: result)
    }
  }
}

/// Frees what primitives returned.
final class ReleaseStep: ProgramStep, @unchecked Sendable {
  private let buffers: [Int]
  init(_ buffers: [Int]) { self.buffers = buffers }
  override func run(_ frame: ProgramFrame) { for buffer in buffers { frame.release(buffer) } }
}
