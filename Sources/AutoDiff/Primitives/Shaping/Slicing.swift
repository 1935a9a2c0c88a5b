/// Entries `starts[k] + i · steps[k]` for i in 0..<counts[k] along every axis k. A large part is a view, a small one a copy.
struct Slice: ViewPrimitive, Hashable {
  let starts: [Int], counts: [Int], steps: [Int]
  var name: String { "slice" }

  func shape(of inputs: Inputs) -> [Int] {
    let source = inputs[0].shape
    guard source.count == counts.count else { stop("one range per axis", got: "\(counts.count) for \(source)") }
    for axis in source.indices where counts[axis] > 0 {
      let last = saturatingSum(starts[axis], saturatingProduct(counts[axis] - 1, steps[axis]))
      guard starts[axis] >= 0, starts[axis] < source[axis], last >= 0, last < source[axis] else {
        stop("the range must lie within the axis", got: "\(starts[axis]) to \(last) on axis \(axis) of \(source)")
      }
    }
    return counts
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let x = inputs[0].array
    let strides = x.explicitStrides
    let count = shape.product
    var start = 0
    if count > 0 { for axis in shape.indices { start += starts[axis] * strides[axis] } }
    let partStrides = zip(strides, steps).map(saturatingProduct)
    if count > 1, let storage = x.storage, count * x.scalarType.byteCount <= storage.byteCount / Self.wholePerCopy {
      func copy<T: LoopScalar>(_: T.Type) -> Tensor {
        make(shape, T.self) { y in
          x.withAddress(T.self) {
            StridedCopy.copy(StridedView(base: $0 + start, shape: shape, strides: partStrides), to: y)
          }
        }
      }
      return perType(x.scalarType, double: copy(Double.self), float: copy(Float.self))
    }
    return Tensor(node: x.view(shape: shape, strides: partStrides, offset: x.offset + start))
  }

  func view(of layout: Layout) -> Layout? {
    var start = 0
    if counts.product > 0 { for axis in counts.indices { start += starts[axis] * layout.strides[axis] } }
    return Layout(shape: counts, strides: zip(layout.strides, steps).map(saturatingProduct), offset: start)
  }

  /// How many times smaller than the memory behind it a part must be to be copied. A view keeps all of that memory alive
  /// and shared, so that the next assignment to another part has to copy the whole: as much as this many parts.
  static let wholePerCopy = 16
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(EmbedInZeros(target: inputShape, starts: starts, steps: steps), .one(cotangent))
  }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.undoingSlice(.init(container: inputs[0].shape, starts: starts, counts: counts, steps: steps))
  }
  /// Adds to the part alone: the gradients of all rows cost as much as that of the whole.
  func accumulateVJP(
    _ inputs: Inputs, output: Tensor, cotangent: consuming Tensor, argument: Int, into sum: inout Tensor?
  ) {
    guard let old = sum.take() else {
      sum = transpose(cotangent, inputShape: inputs[0].shape)
      return
    }
    let part = dispatch(self, .one(old)) + cotangent
    sum = replaceSlice(ReplaceSlice(starts: starts, steps: steps), with: part, in: consume old)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Slice(starts: [0] + starts, counts: [size] + counts, steps: [1] + steps), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    inputs[0].rearranged { dispatch(self, .one($0)) }
  }
}

/// Writes the input into zeros of the target shape, at `starts[k] + i · steps[k]` along every axis: the adjoint of ``Slice``.
struct EmbedInZeros: LinearPrimitive, LoweredPrimitive, Hashable {
  let target: [Int], starts: [Int], steps: [Int]
  var name: String { "embedInZeros" }

  func shape(of inputs: Inputs) -> [Int] {
    let source = inputs[0].shape
    guard source.count == target.count else { stop("ranks must agree", got: "\(source) and \(target)") }
    for axis in source.indices where source[axis] > 0 {
      let last = saturatingSum(starts[axis], saturatingProduct(source[axis] - 1, steps[axis]))
      guard Swift.min(starts[axis], last) >= 0, Swift.max(starts[axis], last) < target[axis] else {
        stop("the input must fit into the target", got: "\(source) and \(target)")
      }
    }
    _ = target.entryCount(name)
    return target
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let strides = shape.rowMajorStrides
    let x = inputs[0]
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        y.initialize(repeating: 0, count: shape.product)
        guard x.count > 0 else { return }
        let start = zip(starts, strides).map { $0 * $1 }.reduce(0, +)
        x.withEntries(T.self) {
          StridedCopy.scatter($0, shape: x.shape, to: y + start, strides: zip(strides, steps).map(saturatingProduct))
        }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }
  func lowering(of inputs: [Layout], output: [Int]) -> Lowering? {
    .assembly(.zeros, [.init(input: 0, target: Layout(inputs[0].shape, in: output, starts: starts, steps: steps))])
  }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(Slice(starts: starts, counts: inputShape, steps: steps), .one(cotangent))
  }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.part(in: .init(container: target, starts: starts, counts: inputs[0].shape, steps: steps))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(EmbedInZeros(target: [size] + target, starts: [0] + starts, steps: [1] + steps), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    inputs[0].rearranged { dispatch(self, .one($0)) }
  }
}

/// Joins tensors along an axis.
struct Concatenate: LoweredPrimitive, Hashable {
  let axis: Int
  var name: String { "concatenate" }

  func shape(of inputs: Inputs) -> [Int] {
    var shape = inputs[0].shape
    guard axis < shape.count else { stop("the axis must exist", got: "axis \(axis) of \(shape)") }
    for input in inputs.dropFirst() {
      guard input.rank == shape.count, input.shape.dropping([axis]) == shape.dropping([axis]) else {
        stop("shapes must agree but for axis \(axis)", got: inputs.map { "\($0.shape)" }.joined(separator: ", "))
      }
      shape[axis] = saturatingSum(shape[axis], input.shape[axis])
    }
    _ = shape.entryCount(name)
    return shape
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let strides = shape.rowMajorStrides
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        var start = 0
        for input in inputs {
          if input.count > 0 {
            input.withEntries(T.self) {
              StridedCopy.scatter($0, shape: input.shape, to: y + start * strides[axis], strides: strides)
            }
          }
          start += input.shape[axis]
        }
      }
    }
    return perType(inputs[0].scalarType, double: run(Double.self), float: run(Float.self))
  }
  func lowering(of inputs: [Layout], output: [Int]) -> Lowering? {
    var start = 0
    var pieces: [Lowering.Piece] = []
    for (number, input) in inputs.enumerated() {
      var starts = output.map { _ in 0 }
      starts[axis] = start
      start += input.shape[axis]
      pieces.append(
        .init(
          input: number, target: Layout(input.shape, in: output, starts: starts, steps: output.map { _ in 1 })))
    }
    return .assembly(.undefined, pieces)
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    dispatch(self, ShortList(inputs.indices.map { tangents[$0] ?? Tensor.zeros(like: inputs[$0]) }))
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    part(of: cotangent, inputs[argument].shape, from: starts(inputs, argument))
  }
  /// All in one call, because where one begins is where those before it end, and there may be thousands.
  func cotangents(_ inputs: Inputs, output: Tensor, cotangent: Tensor, wanted: ShortList<Bool>) -> [Tensor?]? {
    var starts = inputs[0].shape.map { _ in 0 }
    return zip(inputs, wanted).map { input, isWanted in
      defer { starts[axis] += input.shape[axis] }
      return isWanted ? part(of: cotangent, input.shape, from: starts) : nil
    }
  }
  private func part(of cotangent: Tensor, _ counts: [Int], from starts: [Int]) -> Tensor {
    dispatch(Slice(starts: starts, counts: counts, steps: counts.map { _ in 1 }), .one(cotangent))
  }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    let counts = inputs[argument].shape
    return gradient.part(
      in: .init(
        container: shape(of: inputs), starts: starts(inputs, argument), counts: counts, steps: counts.map { _ in 1 }))
  }
  /// Where an input begins in the output.
  private func starts(_ inputs: Inputs, _ argument: Int) -> [Int] {
    var starts = inputs[0].shape.map { _ in 0 }
    starts[axis] = inputs.prefix(argument).map { $0.shape[axis] }.reduce(0, +)
    return starts
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Concatenate(axis: axis + 1), inputs.aligned(isBatched, size: size))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    // Every input embedded in zeros; then they are added, without rounding.
    let target = shape(of: ShortList(inputs.map { Tensor(0).broadcast(to: $0.shape) }))
    var start = 0
    var parts: [[Int: SlopeBounds]] = []
    for input in inputs {
      var starts = target.map { _ in 0 }
      starts[axis] = start
      let embed = EmbedInZeros(target: target, starts: starts, steps: target.map { _ in 1 })
      parts.append(input.slopes.mapValues { $0.rearranged { dispatch(embed, .one($0)) } })
      start += input.shape[axis]
    }
    func joined(_ part: (ValueBounds) -> Tensor) -> Tensor { dispatch(self, ShortList(inputs.map(part))) }
    return ValueBounds(
      initial: Enclosure(lower: joined(\.initial.lower), upper: joined(\.initial.upper)),
      range: Enclosure(lower: joined(\.range.lower), upper: joined(\.range.upper)), slopes: ValueBounds.joined(parts))
  }
}

/// Joins tensors along an existing axis; all other extents must agree.
public func concatenate(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
  guard let first = tensors.first else { stop("concatenate", "needs at least one tensor") }
  if tensors.count == 1 { return first }
  return bind(Concatenate(axis: normalizedAxis(axis, rank: first.rank, "concatenate")), ShortList(tensors))
}

/// Joins tensors of one shape along a new axis.
public func stack(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
  guard let first = tensors.first else { stop("stack", "needs at least one tensor") }
  for tensor in tensors where tensor.shape != first.shape {
    stop("stack", "shapes must agree", got: "\(first.shape) and \(tensor.shape)")
  }
  for tensor in tensors { requireOneScalarType("stack", first, tensor) }
  let axis = normalizedAxis(axis, rank: first.rank + 1, "stack")
  return concatenate(tensors.map { $0.expanded(at: axis) }, axis: axis)
}

extension Tensor {
  /// Surrounds the tensor with zeros: `widths[k]` before and after axis k. Stops at a negative width, and where memory
  /// cannot hold the result.
  public func padded(_ widths: [(before: Int, after: Int)]) -> Tensor {
    guard widths.count == rank, widths.allSatisfy({ $0.before >= 0 && $0.after >= 0 }) else {
      stop("padded", "needs a pair of widths ≥ 0 for every axis", got: "\(widths) for \(shape)")
    }
    let target = zip(shape, widths).map { saturatingSum($0, saturatingSum($1.before, $1.after)) }
    _ = target.entryCount("padded")
    return bind(EmbedInZeros(target: target, starts: widths.map(\.before), steps: shape.map { _ in 1 }), .one(self))
  }
}
