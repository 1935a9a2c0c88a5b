/// The sum of products over paired axes of two tensors: every matrix product, vector product and outer product.
///
/// The output has the batch axes first, then the free axes of the left factor, then those of the right. Both derivatives
/// are contractions again, and so is every batched form; operands are read through their strides, never transposed in
/// memory.
package struct Contraction: BilinearPrimitive, Hashable {
  /// Pairs of axes.
  private struct AxisPairs: Hashable {
    let leftBatch: [Int], rightBatch: [Int]
    let leftSummed: [Int], rightSummed: [Int]
  }

  /// An object, so that a product that is handed on counts one reference and fits into an existential.
  private final class Axes: Sendable {
    let pairs: AxisPairs
    /// The axes of a product over one axis of each factor, without others in parallel.
    let onlyPair: (left: Int, right: Int)?
    /// How many axes are summed, if they are the same of both factors.
    let commonCount: Int?

    init(_ pairs: AxisPairs) {
      self.pairs = pairs
      let (left, right) = (pairs.leftSummed, pairs.rightSummed)
      onlyPair = left.count == 1 && right.count == 1 && pairs.leftBatch.isEmpty ? (left[0], right[0]) : nil
      commonCount = left == right ? left.count : nil
    }
  }

  private let axes: Axes

  package init(leftBatch: [Int] = [], rightBatch: [Int] = [], leftSummed: [Int], rightSummed: [Int]) {
    axes = Axes(
      AxisPairs(leftBatch: leftBatch, rightBatch: rightBatch, leftSummed: leftSummed, rightSummed: rightSummed))
  }

  /// Axes that run in parallel, paired.
  package var leftBatch: [Int] { axes.pairs.leftBatch }
  package var rightBatch: [Int] { axes.pairs.rightBatch }
  /// Axes that are summed over, paired.
  package var leftSummed: [Int] { axes.pairs.leftSummed }
  package var rightSummed: [Int] { axes.pairs.rightSummed }

  package static func == (a: Contraction, b: Contraction) -> Bool { a.axes === b.axes || a.axes.pairs == b.axes.pairs }
  package func hash(into hasher: inout Hasher) { hasher.combine(axes.pairs) }

  /// All products of an entry of the left factor with one of the right.
  static let outer = Contraction(leftSummed: [], rightSummed: [])

  /// The sum over one axis of each factor. Those of vectors and matrices are made once.
  static func over(_ left: Int, _ right: Int) -> Contraction {
    left < 2 && right < 2 ? plain[2 * left + right] : Contraction(leftSummed: [left], rightSummed: [right])
  }
  private static let plain = (0..<4).map { Contraction(leftSummed: [$0 / 2], rightSummed: [$0 % 2]) }

  package var name: String { "contraction" }

  package func leftFree(_ rank: Int) -> [Int] { Array(0..<rank).dropping(leftBatch, leftSummed) }
  package func rightFree(_ rank: Int) -> [Int] { Array(0..<rank).dropping(rightBatch, rightSummed) }

  package func shape(of inputs: Inputs) -> [Int] {
    let (a, b) = (inputs[0].shape, inputs[1].shape)
    // Without lists on the way, since this is called several times for every product.
    if let (left, right) = plainPair(a.count, b.count), left < a.count, right < b.count, a[left] == b[right] {
      switch (a.count, b.count) {
      case (1, 1): return []
      case (2, 1): return [a[1 - left]]
      case (1, 2): return [b[1 - right]]
      default:
        let shape = [a[1 - left], b[1 - right]]
        _ = shape.entryCount(name)
        return shape
      }
    }
    func agree(_ left: [Int], _ right: [Int]) -> Bool {
      if left.count != right.count { return false }
      for k in left.indices where left[k] >= a.count || right[k] >= b.count || a[left[k]] != b[right[k]] {
        return false
      }
      return true
    }
    guard agree(leftBatch, rightBatch), agree(leftSummed, rightSummed) else {
      stop(
        "paired axes must have equal extents",
        got: "axes \(leftBatch + leftSummed) of \(a) and "
          + "\(rightBatch + rightSummed) of \(b)")
    }
    if isInner(a.count, b.count) { return [] }
    if a.isEmpty || b.isEmpty { return a + b }
    var shape: [Int] = []
    shape.reserveCapacity(a.count + b.count)
    for axis in leftBatch { shape.append(a[axis]) }
    for axis in a.indices where !leftBatch.contains(axis) && !leftSummed.contains(axis) { shape.append(a[axis]) }
    for axis in b.indices where !rightBatch.contains(axis) && !rightSummed.contains(axis) { shape.append(b[axis]) }
    _ = shape.entryCount(name)
    return shape
  }

  package func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let (a, b) = (inputs[0], inputs[1])
    if isInner(a.rank, b.rank) { return dispatch(Contraction.outer, .two(cotangent, argument == 0 ? b : a)) }
    if let (left, right) = plainPair(a.rank, b.rank) { return plainVJP(a, b, left, right, cotangent, argument) }
    let batch = leftBatch.count
    let (leftFree, rightFree) = (leftFree(a.rank), rightFree(b.rank))
    let outputBatch = Array(0..<batch)
    if argument == 0 {
      // [batch, left free, right free] with b, summed over the right free axes: [batch, left free, b's summed axes].
      let result = dispatch(
        Contraction(
          leftBatch: outputBatch, rightBatch: rightBatch,
          leftSummed: Array(batch + leftFree.count..<cotangent.rank), rightSummed: rightFree),
        .two(cotangent, b))
      // The summed axes come out in the order of b's axes.
      let summed = rightSummed.indices.sorted { rightSummed[$0] < rightSummed[$1] }.map { leftSummed[$0] }
      return result.permuted((leftBatch + leftFree + summed).inversePermutation)
    }
    let result = dispatch(
      Contraction(
        leftBatch: leftBatch, rightBatch: outputBatch,
        leftSummed: leftFree, rightSummed: Array(batch..<batch + leftFree.count)),
      .two(a, cotangent))
    let summed = leftSummed.indices.sorted { leftSummed[$0] < leftSummed[$1] }.map { rightSummed[$0] }
    return result.permuted((rightBatch + summed + rightFree).inversePermutation)
  }

  /// Whether this is the inner product of two tensors of one shape.
  func isInner(_ leftRank: Int, _ rightRank: Int) -> Bool {
    axes.commonCount.map { $0 == leftRank && $0 == rightRank } ?? false
  }

  /// The summed axes of a product of two matrices, of a matrix and a vector, or of two vectors.
  func plainPair(_ leftRank: Int, _ rightRank: Int) -> (left: Int, right: Int)? {
    (1...2).contains(leftRank) && (1...2).contains(rightRank) ? axes.onlyPair : nil
  }

  /// The same without the lists of axes of the general rule, which take as long as a small product.
  private func plainVJP(
    _ a: Tensor, _ b: Tensor, _ left: Int, _ right: Int, _ cotangent: Tensor, _ argument: Int
  ) -> Tensor {
    let (leftHasFree, rightHasFree) = (a.rank == 2, b.rank == 2)
    if argument == 0 {
      // [left free, right free] with b, summed over the right free axis: [left free, b's summed axis].
      let product = rightHasFree ? Contraction.over(leftHasFree ? 1 : 0, 1 - right) : .outer
      let result = dispatch(product, .two(cotangent, b))
      return leftHasFree && left == 0 ? result.permuted([1, 0]) : result
    }
    let product = leftHasFree ? Contraction.over(1 - left, 0) : .outer
    let result = dispatch(product, .two(a, cotangent))
    return rightHasFree && right == 1 ? result.permuted([1, 0]) : result
  }

  /// The free axes of the other factor are the positions.
  package func outerProducts(
    _ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int
  ) -> OuterProducts? {
    let isRight = argument == 1
    let (mine, other) = isRight ? (inputs[1], inputs[0]) : (inputs[0], inputs[1])
    let (myBatch, otherBatch) = isRight ? (rightBatch, leftBatch) : (leftBatch, rightBatch)
    let (mySummed, otherSummed) = isRight ? (rightSummed, leftSummed) : (leftSummed, rightSummed)
    let myFree = isRight ? rightFree(mine.rank) : leftFree(mine.rank)
    let otherFree = isRight ? leftFree(other.rank) : rightFree(other.rank)
    // The cotangent's axes: batch, free ones of the left factor, free ones of the right factor.
    let batch = Array(0..<myBatch.count)
    let leftCount = isRight ? otherFree.count : myFree.count
    let leftPlaces = Array(batch.count..<batch.count + leftCount)
    let rightPlaces = Array(batch.count + leftCount..<cotangent.rank)
    let (myPlaces, otherPlaces) = isRight ? (rightPlaces, leftPlaces) : (leftPlaces, rightPlaces)
    let positions = other.shape.picking(otherFree).product
    return OuterProducts(
      left: other.permuted(otherFree + otherBatch + otherSummed)
        .reshaped(to: [positions] + other.shape.picking(otherBatch + otherSummed)),
      right: cotangent.permuted(otherPlaces + batch + myPlaces)
        .reshaped(to: [positions] + mine.shape.picking(myBatch + myFree)),
      leftAxes: mySummed, rightAxes: myFree, parallelAxes: myBatch, shape: mine.shape)
  }

  package func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    func up(_ axes: [Int]) -> [Int] { axes.map { $0 + 1 } }
    if isBatched[0], isBatched[1] {
      return dispatch(
        Contraction(
          leftBatch: [0] + up(leftBatch), rightBatch: [0] + up(rightBatch),
          leftSummed: up(leftSummed), rightSummed: up(rightSummed)), inputs)
    }
    let batch = leftBatch.count
    if isBatched[0] {
      // The examples become the first free axis of the left factor.
      let product =
        axes.onlyPair.map { Contraction.over($0.left + 1, $0.right) }
        ?? Contraction(
          leftBatch: up(leftBatch), rightBatch: rightBatch, leftSummed: up(leftSummed), rightSummed: rightSummed)
      return dispatch(product, inputs).movingAxis(batch, to: 0)
    }
    // The right factor first, so that the examples become rows of the product: [batch, examples, right free, left free].
    let (a, b) = (inputs[0], inputs[1])
    let swapped = dispatch(
      Contraction(
        leftBatch: up(rightBatch), rightBatch: leftBatch, leftSummed: up(rightSummed), rightSummed: leftSummed),
      .two(b, a))
    let left = leftFree(a.rank).count
    let right = swapped.rank - batch - 1 - left
    let order =
      [batch] + Array(0..<batch) + Array(batch + 1 + right..<swapped.rank) + Array(batch + 1..<batch + 1 + right)
    return swapped.permuted(order)
  }
  package func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (a, b) = (inputs[0], inputs[1])
    let terms = a.shape.picking(leftSummed).product
    return .bilinear(a, b, terms: terms) { argument, other in
      // The other factor as a matrix from the summed axes to its free ones, which meets every free index of the moving one.
      argument == 0
        ? other.matrixNorm(batch: rightBatch, rows: rightSummed, columns: rightFree(other.shape.count))
        : other.matrixNorm(batch: leftBatch, rows: leftSummed, columns: leftFree(other.shape.count))
    } _: {
      dispatch(self, .two($0, $1))
    }
  }
}

// MARK: - Evaluation

extension Contraction {
  package func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let (a, b) = (inputs[0].array, inputs[1].array)
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      if a.storage == nil, b.storage == nil {
        return Tensor(
          node: ArrayNode(shape: shape, scalarType: T.scalarType, single: Double(T(a.single) * T(b.single))))
      }
      // A number times a tensor, as in the gradient of every inner product.
      if a.shape.isEmpty { return scaled(inputs[1], by: a.single) }
      if b.shape.isEmpty { return scaled(inputs[0], by: b.single) }
      return make(shape, T.self) { multiply(a, b, into: $0) }
    }
    return perType(a.scalarType, double: run(Double.self), float: run(Float.self))
  }

  /// With 1, from which every gradient starts, this is the tensor itself.
  private func scaled(_ tensor: Tensor, by factor: Double) -> Tensor {
    factor == 1 ? tensor : dispatch(Scale(factor: factor), .one(tensor))
  }

  package func evaluate(_ inputs: Inputs, addedTo sum: consuming Tensor) -> Tensor {
    var sum = sum
    guard leftBatch.isEmpty, sum.isUniquelyReferenced else {
      sum += evaluate(inputs)
      return sum
    }
    func run<T: LoopScalar>(_: T.Type) {
      multiply(inputs[0].array, inputs[1].array, into: sum.ownMemory(T.self), accumulate: true)
    }
    perType(sum.scalarType, double: run(Double.self), float: run(Float.self))
    return sum
  }

  private func multiply<T: LoopScalar>(
    _ a: ArrayNode, _ b: ArrayNode, into c: UnsafeMutablePointer<T>, accumulate: Bool = false
  ) {
    if let product = PlainProduct(self, a, b) {
      return a.withAddress(T.self) { p in b.withAddress(T.self) { q in product.run(p, q, into: c, accumulate) } }
    }
    let plan = ContractionPlan(
      self, Layout(shape: a.shape, strides: a.explicitStrides), Layout(shape: b.shape, strides: b.explicitStrides))
    a.withAddress(T.self) { p in
      b.withAddress(T.self) { q in
        if plan.scratchCount == 0 { return plan.run(p, q, into: c, scratch: nil, accumulate: accumulate) }
        withPooledScratch(T.self, plan.scratchCount) {
          plan.run(p, q, into: c, scratch: $0, accumulate: accumulate)
        }
      }
    }
  }
}
