/// The gradient of ⟨cotangent, output⟩ with respect to an input W as a sum of outer products over positions t,
///
///     G[p, l, r] = Σ_t left[t, p, l] · right[t, p, r].
///
/// Every axis of W belongs to one side: l runs over the entries of the left axes, r over those of the right axes, and p
/// over those of the parallel axes, which both sides have. For a weight behind a matrix product `left` is what the weight
/// was multiplied with and `right` the cotangent of the product, and the positions are the rows.
///
/// The right side depends linearly on the cotangent, the left side not at all. A primitive states it in
/// ``Primitive/outerProducts(_:output:cotangent:argument:)``, written with tensor operations like every rule.
public struct OuterProducts: Sendable {
  /// What the left side is made of.
  public enum Left: Sendable {
    /// [positions, parallel entries, left entries].
    case values(Tensor)
    /// [positions]: rows of the identity, named by whole numbers. There is one left axis and no parallel one.
    case rows(Tensor)
  }

  /// The left side.
  public internal(set) var left: Left
  /// [positions, parallel entries, right entries].
  public internal(set) var right: Tensor
  /// The axes of ``shape`` that each side runs over, in the order in which its entries are numbered.
  public internal(set) var leftAxes: [Int], rightAxes: [Int], parallelAxes: [Int]
  /// The shape in which the axes are counted: that of W, or another one with the same entries in row-major order.
  public internal(set) var shape: [Int]
  /// Multiplies all products.
  package internal(set) var scale = 1.0
  /// Where these entries lie, if they are a part of W: boxes within boxes, the outermost last.
  package internal(set) var boxes: [Box] = []

  /// Entries `starts[k] + i · steps[k]` along every axis of a tensor, all others being zero.
  package struct Box: Sendable, Hashable {
    package var container: [Int]
    package var starts: [Int], counts: [Int], steps: [Int]
  }

  /// Makes outer products. Stops where the shapes do not fit.
  ///
  /// - Parameters:
  ///   - left: [positions, extents of the parallel axes..., extents of the left axes...]
  ///   - right: [positions, extents of the parallel axes..., extents of the right axes...]
  ///   - leftAxes: the axes of W that the left side spans.
  ///   - rightAxes: the axes of W that the right side spans.
  ///   - parallelAxes: the axes of W that both sides have.
  ///   - shape: the shape of W. Every axis must be named once.
  public init(
    left: Tensor, right: Tensor, leftAxes: [Int], rightAxes: [Int], parallelAxes: [Int] = [], shape: [Int]
  ) {
    let (p, l, r) = Self.entries(shape, leftAxes, rightAxes, parallelAxes)
    let parallel = shape.picking(parallelAxes)
    let positions = left.shape.first ?? -1
    guard left.shape == [positions] + parallel + shape.picking(leftAxes),
      right.shape == [positions] + parallel + shape.picking(rightAxes)
    else {
      stop(
        "OuterProducts", "the sides must have the shape [positions, their axes of \(shape)...]",
        got: "left \(left.shape), right \(right.shape)")
    }
    self.left = .values(left.reshaped(to: [positions, p, l]))
    self.right = right.reshaped(to: [positions, p, r])
    (self.leftAxes, self.rightAxes, self.parallelAxes, self.shape) = (leftAxes, rightAxes, parallelAxes, shape)
  }

  /// Makes outer products of rows of the identity, as where entries are picked by an index. Stops where the shapes do not
  /// fit.
  ///
  /// - Parameters:
  ///   - rows: [positions], whole numbers below the extent of the axis.
  ///   - axis: the axis of W along which they pick.
  ///   - right: [positions, extents of all other axes...]
  ///   - shape: the shape of W.
  public init(rows: Tensor, axis: Int, right: Tensor, shape: [Int]) {
    let others = shape.indices.filter { $0 != axis }
    guard shape.indices.contains(axis), rows.rank == 1, right.shape == rows.shape + shape.picking(others) else {
      stop(
        "OuterProducts", "needs an index per position and the right side [positions, other axes of \(shape)...]",
        got: "indices \(rows.shape), axis \(axis), right \(right.shape)")
    }
    left = .rows(rows)
    self.right = right.reshaped(to: [rows.count, 1, shape.picking(others).product])
    (leftAxes, rightAxes, parallelAxes, self.shape) = ([axis], others, [], shape)
  }

  private static func entries(
    _ shape: [Int], _ leftAxes: [Int], _ rightAxes: [Int], _ parallelAxes: [Int]
  ) -> (parallel: Int, left: Int, right: Int) {
    guard (leftAxes + rightAxes + parallelAxes).sorted() == Array(shape.indices) else {
      stop(
        "OuterProducts", "every axis of \(shape) must belong to one side",
        got: "left \(leftAxes), right \(rightAxes), parallel \(parallelAxes)")
    }
    return (shape.picking(parallelAxes).product, shape.picking(leftAxes).product, shape.picking(rightAxes).product)
  }
}

// MARK: - Linear maps of W

extension OuterProducts {
  /// These products times a number.
  public func scaled(by factor: Double) -> OuterProducts {
    var result = self
    result.scale *= factor
    return result
  }

  /// The gradient of W where these are the gradient of W with its axes reordered as by ``Tensor/permuted(_:)``; nil where
  /// the structure does not survive.
  ///
  /// - Parameter reordered: the shape of W after that.
  func undoingPermutation(_ axes: [Int], to reordered: [Int]) -> OuterProducts? {
    var result = self
    if let box = boxes.last {
      // One part of W with its own axes: both are reordered.
      guard boxes.count == 1, box.counts == shape, box.container == reordered else { return nil }
      let inverse = axes.inversePermutation
      result.boxes[0] = Box(
        container: box.container.picking(inverse), starts: box.starts.picking(inverse),
        counts: box.counts.picking(inverse), steps: box.steps.picking(inverse))
    }
    guard !boxes.isEmpty || shape == reordered else { return nil }
    result.shape = shape.picking(axes.inversePermutation)
    result.leftAxes = leftAxes.map { axes[$0] }
    result.rightAxes = rightAxes.map { axes[$0] }
    result.parallelAxes = parallelAxes.map { axes[$0] }
    return result
  }

  /// The gradient of W where these are the gradient of a part of W.
  func undoingSlice(_ box: Box) -> OuterProducts {
    if box.counts == box.container, box.steps.allSatisfy({ $0 == 1 }) { return self }
    var result = self
    result.boxes.append(box)
    return result
  }

  /// The gradient of a part where these are the gradient of a tensor W that holds the part in a box; nil where the
  /// structure does not survive.
  func part(in box: Box) -> OuterProducts? {
    if let mine = boxes.last {
      guard mine.container == box.container, (mine.steps + box.steps).allSatisfy({ $0 == 1 }) else { return nil }
      var isInside = true
      for axis in box.container.indices {
        let (start, end) = (box.starts[axis], box.starts[axis] + box.counts[axis])
        let (first, last) = (mine.starts[axis], mine.starts[axis] + mine.counts[axis])
        if last <= start || end <= first { return .zero(box.counts, right.scalarType) }
        isInside = isInside && start <= first && last <= end
      }
      guard isInside else { return nil }
      var result = self
      let starts = zip(mine.starts, box.starts).map { $0 - $1 }
      result.boxes[boxes.count - 1] = Box(container: box.counts, starts: starts, counts: mine.counts, steps: mine.steps)
      return result
    }
    guard shape == box.container, case .values(let left) = left else { return nil }
    func cut(_ side: Tensor, _ axes: [Int]) -> Tensor {
      let all = parallelAxes + axes
      let wide = side.reshaped(to: [side.shape[0]] + shape.picking(all))
      let positions = side.shape[0]
      let slice = Slice(
        starts: [0] + box.starts.picking(all), counts: [positions] + box.counts.picking(all),
        steps: [1] + box.steps.picking(all))
      return dispatch(slice, .one(wide))
    }
    var result = OuterProducts(
      left: cut(left, leftAxes), right: cut(right, rightAxes), leftAxes: leftAxes, rightAxes: rightAxes,
      parallelAxes: parallelAxes, shape: box.counts)
    result.scale = scale
    return result
  }

  /// The gradient of W where these are the gradient of W repeated along new leading axes and axes of extent 1.
  func undoingBroadcast(of source: [Int], to target: [Int]) -> OuterProducts? {
    if source.product == target.product { return self }
    guard boxes.isEmpty, shape == target, case .values(let left) = left else { return nil }
    let added = target.count - source.count
    let repeated = target.indices.filter { $0 < added || source[$0 - added] != target[$0] }
    // Each side has its axes apart; a repeated one is summed over, and a parallel one joins the positions.
    func sum(_ side: Tensor, _ axes: [Int]) -> Tensor {
      let all = parallelAxes + axes
      var wide = side.reshaped(to: [side.shape[0]] + shape.picking(all))
      let summed = axes.indices.filter { repeated.contains(axes[$0]) }.map { $0 + 1 + parallelAxes.count }
      if !summed.isEmpty { wide = wide.sum(axes: summed, keepingAxes: true) }
      let joined = parallelAxes.indices.filter { repeated.contains(parallelAxes[$0]) }.map { $0 + 1 }
      let rest = (1..<wide.rank).filter { !joined.contains($0) }
      let moved = wide.permuted([0] + joined + rest)
      let positions = moved.shape.prefix(1 + joined.count).reduce(1, *)
      return moved.reshaped(to: [positions] + moved.shape.dropFirst(1 + joined.count))
    }
    let parallel = parallelAxes.filter { !repeated.contains($0) }
    // The repeated axes keep extent 1; those that joined the positions go to the left.
    var reduced = target
    for axis in repeated { reduced[axis] = 1 }
    let gone = parallelAxes.filter { repeated.contains($0) }
    let newLeft = sum(left, leftAxes)
    var result = OuterProducts(
      left: newLeft.reshaped(to: newLeft.shape + gone.map { _ in 1 }), right: sum(right, rightAxes),
      leftAxes: leftAxes + gone, rightAxes: rightAxes, parallelAxes: parallel, shape: reduced)
    result.scale = scale
    return result
  }

  /// The gradient in another scalar type.
  func converted(to type: ScalarType) -> OuterProducts {
    var result = self
    if case .values(let left) = left { result.left = .values(left.as(type)) }
    result.right = right.as(type)
    return result
  }

  /// Of no positions.
  private static func zero(_ shape: [Int], _ type: ScalarType) -> OuterProducts {
    OuterProducts(
      left: .zeros([0] + shape, as: type), right: .zeros([0], as: type), leftAxes: Array(shape.indices), rightAxes: [],
      shape: shape)
  }
}

// MARK: - For those who keep them

extension OuterProducts {
  package init(
    left: Left, right: Tensor, leftAxes: [Int], rightAxes: [Int], parallelAxes: [Int], shape: [Int], boxes: [Box]
  ) {
    (self.left, self.right, self.shape, self.boxes) = (left, right, shape, boxes)
    (self.leftAxes, self.rightAxes, self.parallelAxes) = (leftAxes, rightAxes, parallelAxes)
  }

  /// The same products with the axes of either side in increasing order.
  package var withSortedAxes: OuterProducts {
    // As nearly always.
    if leftAxes.isSorted, rightAxes.isSorted, parallelAxes.isSorted { return self }
    func sorted(_ side: Tensor, _ axes: [Int]) -> Tensor {
      // [positions, parallel axes..., own axes...]
      let parallel = parallelAxes.indices.sorted { parallelAxes[$0] < parallelAxes[$1] }
      let own = axes.indices.sorted { axes[$0] < axes[$1] }
      let order = parallel.map { $0 + 1 } + own.map { $0 + 1 + parallel.count }
      guard order != Array(1..<order.count + 1) else { return side }
      return side.reshaped(to: [side.shape[0]] + shape.picking(parallelAxes + axes)).permuted([0] + order)
        .reshaped(to: side.shape)
    }
    var result = self
    if case .values(let values) = left { result.left = .values(sorted(values, leftAxes)) }
    result.right = sorted(right, rightAxes)
    result.leftAxes.sort()
    result.rightAxes.sort()
    result.parallelAxes.sort()
    return result
  }
}

extension [Int] {
  fileprivate var isSorted: Bool { indices.dropFirst().allSatisfy { self[$0 - 1] < self[$0] } }
}

extension Tensor {
  /// A tensor that is zero but for a box, which holds this tensor's entries; leading axes stay.
  package func placed(in box: OuterProducts.Box, leadingRank: Int) -> Tensor {
    let leading = Array(shape.prefix(leadingRank))
    return bind(
      EmbedInZeros(
        target: leading + box.container, starts: leading.map { _ in 0 } + box.starts,
        steps: leading.map { _ in 1 } + box.steps), .one(self))
  }
}
