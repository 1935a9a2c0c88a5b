/// Carries tensors that are sums of outer products by their sides, Σ_t left[t] ⊗ right[t].
///
/// A direction of the parameters that is a gradient has this form. A contraction with it is done side by side, which for one
/// position and an m by m weight takes 2 m multiplications per row instead of m²; whatever else meets it gets the evaluated
/// tensor, computed once.
package final class UnevaluatedProducts: Trace, @unchecked Sendable {
  /// The tensor that outer products add up to, not yet added up; nil where that would not pay, because the sides are no
  /// smaller than what they make, or where they have parallel axes, rows of the identity or boxes.
  package func tensor(_ products: OuterProducts) -> Tensor? {
    guard case .values(let left) = products.left, products.parallelAxes.isEmpty, products.boxes.isEmpty,
      left.count + products.right.count < products.shape.product
    else { return nil }
    return Tensor(node: UnevaluatedNode(self, products))
  }

  package override func process(_ primitive: any Primitive, _ inputs: Inputs) -> Tensor {
    if let bilinear = primitive as? any ProductReassociation {
      for argument in 0..<2 {
        if let node = node(inputs[argument], UnevaluatedNode.self),
          let result = bilinear.applied(to: node.products, as: argument, other: plain(inputs[1 - argument]))
        {
          return result
        }
      }
    }
    return dispatch(primitive, inputs.map { plain($0) })
  }

  private func plain(_ tensor: Tensor) -> Tensor { node(tensor, UnevaluatedNode.self)?.primal ?? tensor }
}

/// A value of ``UnevaluatedProducts``.
final class UnevaluatedNode: TracedNode, @unchecked Sendable {
  let products: OuterProducts
  private lazy var evaluated = products.evaluated

  init(_ trace: UnevaluatedProducts, _ products: OuterProducts) {
    self.products = products
    super.init(trace: trace, shape: products.shape, scalarType: products.right.scalarType)
  }

  override var primal: Tensor { evaluated }

  override func replacingPrimal(_ replace: (Tensor) -> Tensor) -> Tensor { replace(primal) }
}

/// A bilinear map that can be applied to a sum of outer products without adding them up.
protocol ProductReassociation: Primitive {
  /// The value with the products as one argument, or nil where adding them up comes first.
  func applied(to products: OuterProducts, as argument: Int, other: Tensor) -> Tensor?
}

extension OuterProducts {
  /// Σ_t left[t] ⊗ right[t] in the order of ``shape``'s axes. For left sides in numbers, without parallel axes and boxes.
  fileprivate var evaluated: Tensor {
    guard case .values(let left) = left, parallelAxes.isEmpty, boxes.isEmpty else {
      stop("OuterProducts", "only plain products can be evaluated", got: "axes \(parallelAxes), \(boxes.count) boxes")
    }
    let matrix = dispatch(
      Contraction(leftSummed: [0, 1], rightSummed: [0, 1]), .two(left, right))
    let sides = leftAxes + rightAxes
    let ordered = matrix.reshaped(to: shape.picking(sides)).permuted(sides.inversePermutation)
    return scale == 1 ? ordered : ordered * scale
  }

  /// Either side with its axes apart: [positions, extents of its axes...].
  fileprivate func side(_ values: Tensor, _ axes: [Int]) -> Tensor {
    values.reshaped(to: [values.shape[0]] + shape.picking(axes))
  }
}

extension Contraction: ProductReassociation {
  func applied(to products: OuterProducts, as argument: Int, other: Tensor) -> Tensor? {
    guard case .values(let left) = products.left, leftBatch.isEmpty else { return nil }
    let (mySummed, otherSummed) = argument == 0 ? (leftSummed, rightSummed) : (rightSummed, leftSummed)
    // The sides, that with summed axes first.
    var sides = [
      (values: products.side(left, products.leftAxes), axes: products.leftAxes),
      (values: products.side(products.right, products.rightAxes), axes: products.rightAxes),
    ]
    func isSummed(_ axis: Int) -> Bool { mySummed.contains(axis) }
    if !sides[0].axes.contains(where: isSummed) { sides.swapAt(0, 1) }
    guard sides[0].axes.contains(where: isSummed) else { return nil }

    // The axes of the running result: those of the other factor, then free ones of the sides; −1 is the position.
    var result = other
    var owners: [(isOther: Bool, axis: Int)] = other.shape.indices.map { (true, $0) }
    for (number, side) in sides.enumerated() {
      var (mine, theirs): ([Int], [Int]) = ([], [])
      if number == 1 {
        mine.append(owners.firstIndex { !$0.isOther && $0.axis == -1 }!)
        theirs.append(0)
      }
      for (position, axis) in side.axes.enumerated() where isSummed(axis) {
        let partner = otherSummed[mySummed.firstIndex(of: axis)!]
        mine.append(owners.firstIndex { $0.isOther && $0.axis == partner }!)
        theirs.append(position + 1)
      }
      result = dispatch(Contraction(leftSummed: mine, rightSummed: theirs), .two(result, side.values))
      owners = owners.indices.filter { !mine.contains($0) }.map { owners[$0] }
      let free = ([-1] + side.axes).indices.filter { !theirs.contains($0) }
      owners += free.map { (false, ([-1] + side.axes)[$0]) }
    }
    // The left factor's free axes come first, each factor's in their order.
    let order = owners.indices.sorted { a, b in
      let (x, y) = (owners[a], owners[b])
      if x.isOther != y.isOther { return x.isOther == (argument == 1) }
      return x.axis < y.axis
    }
    result = result.permuted(order)
    return products.scale == 1 ? result : result * products.scale
  }
}
