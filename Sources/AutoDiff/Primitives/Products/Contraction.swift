/// The sum of products over paired axes of two tensors: every matrix product, vector product and outer product.
///
/// The output has the batch axes first, then the free axes of the left factor, then those of the right. Both derivatives
/// are contractions again, and so is every batched form; operands are read through their strides, never transposed in
/// memory.
package struct Contraction: BilinearPrimitive, Hashable {
  /// Axes that run in parallel, paired.
  package let leftBatch: [Int], rightBatch: [Int]
  /// Axes that are summed over, paired.
  package let leftSummed: [Int], rightSummed: [Int]

  package init(leftBatch: [Int] = [], rightBatch: [Int] = [], leftSummed: [Int], rightSummed: [Int]) {
    (self.leftBatch, self.rightBatch) = (leftBatch, rightBatch)
    (self.leftSummed, self.rightSummed) = (leftSummed, rightSummed)
  }

  package var name: String { "contraction" }

  package func leftFree(_ rank: Int) -> [Int] { Array(0..<rank).dropping(leftBatch, leftSummed) }
  package func rightFree(_ rank: Int) -> [Int] { Array(0..<rank).dropping(rightBatch, rightSummed) }

  package func shape(of inputs: Inputs) -> [Int] {
    let (a, b) = (inputs[0].shape, inputs[1].shape)
    // Without lists on the way, since this is called several times for every product.
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
    if isPlain(a.rank, b.rank) { return plainVJP(a, b, cotangent, argument) }
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

  /// Whether this is a product of two matrices, of a matrix and a vector, or of two vectors, over one axis of each.
  func isPlain(_ leftRank: Int, _ rightRank: Int) -> Bool {
    leftBatch.isEmpty && leftSummed.count == 1 && (1...2).contains(leftRank) && (1...2).contains(rightRank)
  }

  /// The same without the lists of axes of the general rule, which take as long as a small product.
  private func plainVJP(_ a: Tensor, _ b: Tensor, _ cotangent: Tensor, _ argument: Int) -> Tensor {
    let (leftHasFree, rightHasFree) = (a.rank == 2, b.rank == 2)
    let (left, right) = (leftSummed[0], rightSummed[0])
    if argument == 0 {
      // [left free, right free] with b, summed over the right free axis: [left free, b's summed axis].
      let product = Contraction(
        leftSummed: rightHasFree ? [leftHasFree ? 1 : 0] : [], rightSummed: rightHasFree ? [1 - right] : [])
      let result = dispatch(product, .two(cotangent, b))
      return leftHasFree && left == 0 ? result.permuted([1, 0]) : result
    }
    let product = Contraction(leftSummed: leftHasFree ? [1 - left] : [], rightSummed: leftHasFree ? [0] : [])
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
      return dispatch(
        Contraction(
          leftBatch: up(leftBatch), rightBatch: rightBatch, leftSummed: up(leftSummed), rightSummed: rightSummed),
        inputs
      ).movingAxis(batch, to: 0)
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
