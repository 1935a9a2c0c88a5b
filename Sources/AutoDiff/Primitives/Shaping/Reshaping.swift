/// The same entries in row-major order under another shape.
struct Reshape: ViewPrimitive, Hashable {
  let target: [Int]
  var name: String { "reshaped" }

  func shape(of inputs: Inputs) -> [Int] {
    guard inputs[0].count == target.entryCount(name) else {
      stop("the number of entries must stay the same", got: "\(inputs[0].shape) and \(target)")
    }
    return target
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let x = inputs[0].array.contiguous
    return Tensor(node: x.view(shape: shape, strides: shape.rowMajorStrides, offset: x.offset))
  }
  func view(of layout: Layout) -> Layout? {
    if layout.isRowMajor { return Layout(shape: target, strides: target.rowMajorStrides) }
    // One entry everywhere, as behind a broadcast number.
    if layout.repeatsOneEntry { return Layout(shape: target, strides: target.map { _ in 0 }) }
    return nil
  }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(Reshape(target: inputShape), .one(cotangent))
  }
  /// The entries and their order stay, and so do the products.
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Reshape(target: [size] + target), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    inputs[0].rearranged { dispatch(self, .one($0)) }
  }
}

/// Reorders the axes: axis k of the output is axis `axes[k]` of the input. A view, nothing is copied.
struct Permute: ViewPrimitive, Hashable {
  let axes: [Int]
  var name: String { "permuted" }

  func shape(of inputs: Inputs) -> [Int] {
    guard axes.sorted() == Array(0..<inputs[0].rank) else {
      stop("the axes must be a permutation of 0..<\(inputs[0].rank)", got: "\(axes)")
    }
    return inputs[0].shape.picking(axes)
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let x = inputs[0].array
    return Tensor(node: x.view(shape: shape, strides: x.explicitStrides.picking(axes), offset: x.offset))
  }
  func view(of layout: Layout) -> Layout? {
    Layout(shape: layout.shape.picking(axes), strides: layout.strides.picking(axes))
  }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(Permute(axes: axes.inversePermutation), .one(cotangent))
  }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.undoingPermutation(axes, to: shape(of: inputs))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(Permute(axes: [0] + axes.map { $0 + 1 }), inputs)
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    inputs[0].rearranged { dispatch(self, .one($0)) }
  }
}

/// Repeats entries along new leading axes and along axes of extent 1. A view, nothing is copied.
struct Broadcast: ViewPrimitive, Hashable {
  let target: [Int]
  var name: String { "broadcast" }

  func shape(of inputs: Inputs) -> [Int] {
    let source = inputs[0].shape
    guard source.count <= target.count, zip(source, target.suffix(source.count)).allSatisfy({ $0 == $1 || $0 == 1 })
    else {
      stop("every extent must be 1 or that of the target, counted from the last axis", got: "\(source) and \(target)")
    }
    _ = target.entryCount(name)
    return target
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let x = inputs[0].array
    return Tensor(
      node: x.view(shape: shape, strides: strides(of: x.shape, x.explicitStrides), offset: x.offset))
  }
  func view(of layout: Layout) -> Layout? {
    Layout(shape: target, strides: strides(of: layout.shape, layout.strides))
  }
  private func strides(of source: [Int], _ strides: [Int]) -> [Int] {
    let added = target.count - source.count
    return target.indices.map { $0 < added || source[$0 - added] == 1 ? 0 : strides[$0 - added] }
  }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    let added = target.count - inputShape.count
    let repeated = target.indices.filter { $0 < added || (inputShape[$0 - added] == 1 && target[$0] != 1) }
    let sum = dispatch(Sum(axes: repeated), .one(cotangent))
    return sum.shape == inputShape ? sum : sum.reshaped(to: inputShape)
  }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.undoingBroadcast(of: inputs[0].shape, to: target)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    let source = Array(inputs[0].shape.dropFirst())
    let padded = [size] + [Int](repeating: 1, count: target.count - source.count) + source
    return dispatch(Broadcast(target: [size] + target), .one(inputs[0].reshaped(to: padded)))
  }
  /// k copies of an entry have a derivative √k times as large.
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let copies = Double(target.product / max(1, x.shape.product)).squareRoot() * Rounding.up
    func repeated(_ y: Tensor) -> Tensor { dispatch(self, .one(y)) }
    return ValueBounds(
      initial: x.initial.rearranged(repeated), range: x.range.rearranged(repeated),
      slopes: x.slopes.mapValues { SlopeBounds(scale: repeated($0.scale * copies), rows: repeated($0.rows)) })
  }
}

extension Tensor {
  /// The same entries, in row-major order, under another shape. At most one extent may be −1: it is inferred.
  public func reshaped(to shape: [Int]) -> Tensor {
    var target = shape
    if let unknown = shape.firstIndex(of: -1) {
      let known = shape.dropping([unknown]).entryCount("reshaped")
      guard known > 0, count % known == 0 else {
        stop("reshaped", "the extent -1 must be inferable", got: "\(self.shape) and \(shape)")
      }
      target[unknown] = count / known
    }
    return target == self.shape ? self : bind(Reshape(target: target), .one(self))
  }

  /// The entries in row-major order as a vector.
  public var flattened: Tensor { reshaped(to: [count]) }

  /// Reorders the axes: axis k of the result is axis `axes[k]` of this tensor.
  public func permuted(_ axes: [Int]) -> Tensor {
    let normalized = axes.map { normalizedAxis($0, rank: rank, "permuted") }
    return normalized == Array(0..<rank) ? self : bind(Permute(axes: normalized), .one(self))
  }

  /// The matrix (or the stack of matrices) with the last two axes exchanged.
  public var transposed: Tensor {
    guard rank >= 2 else { stop("transposed", "the rank must be at least 2", got: "\(shape)") }
    return permuted(Array(0..<rank - 2) + [rank - 1, rank - 2])
  }

  /// Moves one axis to another place.
  public func movingAxis(_ source: Int, to destination: Int) -> Tensor {
    let source = normalizedAxis(source, rank: rank, "movingAxis")
    let destination = normalizedAxis(destination, rank: rank, "movingAxis")
    if source == destination { return self }
    var axes = Array(0..<rank)
    axes.insert(axes.remove(at: source), at: destination)
    return permuted(axes)
  }

  /// Repeats entries, as a view, along new leading axes and along axes of extent 1.
  public func broadcast(to shape: [Int]) -> Tensor {
    shape == self.shape ? self : bind(Broadcast(target: shape), .one(self))
  }

  /// Inserts an axis of extent 1 before the given axis; −1 appends one.
  public func expanded(at axis: Int) -> Tensor {
    var target = shape
    target.insert(1, at: normalizedAxis(axis, rank: rank + 1, "expanded"))
    return reshaped(to: target)
  }

  /// Removes axes of extent 1: the given ones, or all of them.
  public func squeezed(_ axes: [Int]? = nil) -> Tensor {
    let removed = axes.map { normalizedAxes($0, rank: rank, "squeezed") } ?? shape.indices.filter { shape[$0] == 1 }
    if let wrong = removed.first(where: { shape[$0] != 1 }) {
      stop("squeezed", "a removed axis must have extent 1", got: "axis \(wrong) of \(shape)")
    }
    return reshaped(to: shape.dropping(removed))
  }
}
