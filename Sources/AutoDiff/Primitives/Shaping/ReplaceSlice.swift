/// The second input with the entries `starts[k] + i · steps[k]` along every axis k replaced by the first input: assignment
/// to a part.
///
/// The whole comes second, because the last input is the one to which a backward pass gives up its cotangent.
package struct ReplaceSlice: LoweredPrimitive, Hashable {
  let starts: [Int], steps: [Int]
  package var name: String { "replaceSlice" }
  package var residuals: Residuals { [] }

  package func shape(of inputs: Inputs) -> [Int] {
    let (piece, whole) = (inputs[0].shape, inputs[1].shape)
    guard piece.count == whole.count, starts.count == whole.count else {
      stop("ranks must agree", got: "\(piece) and \(whole)")
    }
    for axis in piece.indices where piece[axis] > 0 {
      let last = starts[axis] + (piece[axis] - 1) * steps[axis]
      guard min(starts[axis], last) >= 0, max(starts[axis], last) < whole[axis] else {
        stop("the part must lie within the whole", got: "\(piece) and \(whole)")
      }
    }
    return whole
  }
  package func evaluate(_ inputs: Inputs) -> Tensor {
    _ = shape(of: inputs)
    return write(inputs[0], into: inputs[1])
  }
  func lowering(of inputs: [Layout], output: [Int]) -> Lowering? {
    .assembly(.input(1), [.init(input: 0, target: Layout(inputs[0].shape, in: output, starts: starts, steps: steps))])
  }
  package func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    if tangents[1] == nil, let piece = tangents[0] {
      return dispatch(EmbedInZeros(target: inputs[1].shape, starts: starts, steps: steps), .one(piece))
    }
    return tangents[1].map { dispatch(self, .two(tangents[0] ?? Tensor.zeros(like: inputs[0]), $0)) }
  }
  package func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    argument == 0
      ? dispatch(Slice(starts: starts, counts: inputs[0].shape, steps: steps), .one(cotangent))
      : dispatch(self, .two(.zeros(like: inputs[0]), cotangent))
  }
  /// The cotangent of the whole is that of the output with zeros in the part, which are written in place.
  package func accumulateVJP(
    _ inputs: Inputs, output: Tensor, cotangent: consuming Tensor, argument: Int, into sum: inout Tensor?
  ) {
    guard argument == 1 else {
      return accumulate(&sum, vjp(inputs, output: output, cotangent: cotangent, argument: argument)!)
    }
    accumulate(&sum, replaceSlice(self, with: .zeros(like: inputs[0]), in: cotangent))
  }
  package func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(batched, inputs.aligned(isBatched, size: size))
  }

  /// The same part of every example.
  var batched: ReplaceSlice { ReplaceSlice(starts: [0] + starts, steps: [1] + steps) }

  /// Writes a piece into a tensor that the caller gives up: in place, or into a copy where others refer to the memory.
  fileprivate func write(_ piece: Tensor, into whole: consuming Tensor) -> Tensor {
    func run<T: LoopScalar>(_: T.Type, _ whole: consuming Tensor) -> Tensor {
      var target = whole
      if !target.isUniquelyReferenced {
        let shape = target.shape
        target = make(shape, T.self) { y in
          target.withEntries(T.self) { StridedCopy.copyRun($0, to: y, count: shape.product) }
        }
      }
      if piece.count == 0 { return target }
      // A single entry has no memory of its own, but then it is replaced by one.
      if target.array.storage == nil { return piece.reshaped(to: target.shape) }
      let memory = target.ownMemory(T.self)
      let strides = target.shape.rowMajorStrides
      let start = zip(starts, strides).map { $0 * $1 }.reduce(0, +)
      piece.withEntries(T.self) {
        StridedCopy.scatter(
          $0, shape: piece.shape, to: memory + start, strides: zip(strides, steps).map { $0 * $1 })
      }
      return target
    }
    switch whole.scalarType {
    case .float64: return run(Double.self, consume whole)
    case .float32: return run(Float.self, consume whole)
    }
  }
  package func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (piece, whole) = (inputs[0], inputs[1])
    let embed = EmbedInZeros(target: whole.shape, starts: starts, steps: steps)
    let kept = write(.zeros(piece.shape), into: .ones(whole.shape))
    func replaced(_ piece: Tensor, _ whole: Tensor) -> Tensor { write(piece, into: whole + 0) }
    func enclosure(_ piece: Enclosure, _ whole: Enclosure) -> Enclosure {
      Enclosure(lower: replaced(piece.lower, whole.lower), upper: replaced(piece.upper, whole.upper))
    }
    let parts = [
      piece.slopes.mapValues { $0.rearranged { dispatch(embed, .one($0)) } }, whole.slopes.mapValues { $0.times(kept) },
    ]
    return ValueBounds(
      initial: enclosure(piece.initial, whole.initial), range: enclosure(piece.range, whole.range),
      slopes: ValueBounds.joined(parts))
  }
}

/// Replaces a part of a tensor that the caller gives up, in place where nobody else refers to its memory, whatever traces
/// follow it. Otherwise it is ``dispatch(_:_:)`` of the primitive.
func replaceSlice(_ primitive: ReplaceSlice, with piece: Tensor, in whole: consuming Tensor) -> Tensor {
  let level = max(piece.node.level, whole.node.level)
  if level <= 0 { return primitive.write(piece, into: consume whole) }
  // Only the trace: another reference to the node would be one to the memory.
  let trace = unsafeDowncast(whole.node.level == level ? whole.node : piece.node, to: TracedNode.self).trace
  if !trace.acceptsOperations { trace.requireRunningAgain(primitive.name) }
  return trace.replaceSlice(primitive, with: piece, in: consume whole)
}
