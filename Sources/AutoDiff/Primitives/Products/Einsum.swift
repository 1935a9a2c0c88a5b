/// A sum of products in Einstein's notation.
///
///     let scores = einsum("qhd,khd->hqk", queries, keys)
///     let form = einsum("i,ij,j->", x, a, y)
///     let traces = einsum("...ii->...", matrices)
///
/// Every letter names an axis. Factors are multiplied where they have the same index, and what is not named behind the arrow
/// is summed. A letter that a factor names twice stands for its diagonal. `...` stands for any further axes, which are
/// aligned from the last one and broadcast. Without an arrow the result has the axes of `...` and then the letters that
/// occur once, in alphabetical order.
///
/// Products of two factors are contractions, so kernels of models that are written this way keep their factors. Of several
/// factors the two that take the fewest flops are multiplied first.
///
/// - Parameters:
///   - formula: a term for every factor, separated by commas; spaces are passed over.
///   - factors: tensors of one scalar type.
public func einsum(_ formula: String, _ factors: Tensor...) -> Tensor { einsum(formula, factors) }

/// A sum of products in Einstein's notation; see ``einsum(_:_:)-(_,Tensor...)``.
public func einsum(_ formula: String, _ factors: [Tensor]) -> Tensor {
  EinsteinSum(EinsteinFormula(formula), factors).value
}

/// An axis of all terms that have it: the code of its letter, or for what `...` stands for a number below 0, counted from
/// the last one backwards.
private typealias AxisName = Int

/// A formula such as `ij,jk->ik`.
private struct EinsteinFormula {
  let text: String
  private(set) var terms: [Term] = []
  /// Behind the arrow; nil without one.
  private(set) var result: Term?

  /// The letters of a term, and how many of them stand before `...`, if it has that.
  struct Term {
    var letters: [AxisName] = []
    var ellipsis: Int?

    /// All axes of the term, of which `...` stands for some.
    func axes(further: Int) -> [AxisName] {
      guard let ellipsis, further > 0 else { return letters }
      return letters[..<ellipsis] + (1...further).reversed().map { -$0 } + letters[ellipsis...]
    }
  }

  init(_ text: String) {
    self.text = text
    var rest = text.utf8[...]
    var term = Term()
    var isResult = false
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: " "): break
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
        term.letters.append(AxisName(byte))
      case UInt8(ascii: ".") where term.ellipsis == nil && rest.starts(with: "..".utf8):
        rest.removeFirst(2)
        term.ellipsis = term.letters.count
      case UInt8(ascii: ",") where !isResult:
        terms.append(term)
        term = Term()
      case UInt8(ascii: "-") where !isResult && rest.first == UInt8(ascii: ">"):
        rest.removeFirst()
        terms.append(term)
        (term, isResult) = (Term(), true)
      default:
        stop("einsum", "the formula must consist of letters and ..., as in \"bij,bjk->bik\"", got: "\"\(text)\"")
      }
    }
    if isResult { result = term } else { terms.append(term) }
  }

  /// The axes of the result: where there is no arrow, those of `...` and the letters that occur once.
  func resultAxes(further: Int) -> [AxisName] {
    if let result { return result.axes(further: further) }
    let letters = terms.flatMap(\.letters)
    let single = letters.filter { letter in letters.count { $0 == letter } == 1 }
    return Term(letters: single.sorted(), ellipsis: 0).axes(further: further)
  }

  func fail(_ requirement: String, got: String? = nil) -> Never {
    stop("einsum", "\(requirement) in \"\(text)\"", got: got)
  }

  static func name(_ axis: AxisName) -> String { axis < 0 ? "..." : String(UnicodeScalar(UInt8(axis))) }
}

/// The extents of the axes; there are so few that they are looked up one by one.
private struct AxisExtents {
  private var extents: [(axis: AxisName, extent: Int)] = []

  /// nil where no factor has the axis.
  subscript(axis: AxisName) -> Int? {
    get { extents.first { $0.axis == axis }?.extent }
    set {
      extents.removeAll { $0.axis == axis }
      if let newValue { extents.append((axis, newValue)) }
    }
  }
}

/// The factors of a formula, while they are multiplied.
private struct EinsteinSum {
  private let result: [AxisName]
  private var factors: [Factor] = []
  private var extents = AxisExtents()

  private struct Factor {
    var tensor: Tensor
    var axes: [AxisName]
  }

  init(_ formula: EinsteinFormula, _ tensors: [Tensor]) {
    guard formula.terms.count == tensors.count else {
      formula.fail("needs a tensor for each of the \(formula.terms.count) terms", got: "\(tensors.count)")
    }
    var furthest = 0
    for (term, tensor) in zip(formula.terms, tensors) {
      requireOneScalarType("einsum", tensors[0], tensor)
      let further = tensor.rank - term.letters.count
      guard further == 0 || further > 0 && term.ellipsis != nil else {
        let letters = term.letters.map(EinsteinFormula.name).joined()
        formula.fail("the term \"\(letters)\" needs \(term.letters.count) axes", got: "\(tensor.shape)")
      }
      furthest = max(furthest, further)
      factors.append(Factor(tensor: tensor, axes: term.axes(further: further)))
      for (axis, extent) in zip(factors[factors.count - 1].axes, tensor.shape) {
        let known = extents[axis] ?? extent
        let isBroadcast = axis < 0 && (known == 1 || extent == 1)
        guard known == extent || isBroadcast else {
          formula.fail("the axis \(EinsteinFormula.name(axis)) must have one extent", got: "\(known) and \(extent)")
        }
        extents[axis] = isBroadcast ? known * extent : extent
      }
    }
    result = formula.resultAxes(further: formula.result.map { $0.ellipsis == nil } ?? false ? 0 : furthest)
    for (place, axis) in result.enumerated() {
      if extents[axis] == nil {
        formula.fail("the axis \(EinsteinFormula.name(axis)) of the result must be an axis of a factor")
      }
      if result[..<place].contains(axis) { formula.fail("the axes of the result must be distinct") }
    }
    for k in factors.indices { simplify(&factors[k]) }
  }

  /// Leaves one axis for every name, and none where a factor is broadcast.
  private func simplify(_ factor: inout Factor) {
    for place in factor.axes.indices.reversed() where factor.axes[place] < 0 {
      if factor.tensor.shape[place] == 1, extents[factor.axes[place]] != 1 {
        factor.tensor = factor.tensor.squeezed([place])
        factor.axes.remove(at: place)
      }
    }
    while let second = factor.axes.indices.first(where: { factor.axes[..<$0].contains(factor.axes[$0]) }) {
      let axis = factor.axes.remove(at: second)
      let first = factor.axes.firstIndex(of: axis)!
      factor.axes.remove(at: first)
      factor.tensor = factor.tensor.movingAxis(first, to: -1).movingAxis(second - 1, to: -1).diagonal
      factor.axes.append(axis)
    }
  }
}

extension EinsteinSum {
  /// The sum itself.
  fileprivate var value: Tensor {
    var factors = factors
    while factors.count > 1 {
      let (first, second) = factors.count == 2 ? (0, 1) : cheapestPair(factors)
      let right = factors.remove(at: second)
      let left = factors.remove(at: first)
      factors.append(
        product(left, right) { axis in result.contains(axis) || factors.contains { $0.axes.contains(axis) } })
    }
    let last = summed(factors[0], keeping: result.contains)
    return last.axes == result ? last.tensor : last.tensor.permuted(result.map { last.axes.firstIndex(of: $0)! })
  }

  /// The pair of factors whose product takes the fewest flops.
  private func cheapestPair(_ factors: [Factor]) -> (Int, Int) {
    var best = (0, 1)
    var least = Double.infinity
    for second in factors.indices.dropFirst() {
      for first in 0..<second {
        let others = factors[second].axes.filter { !factors[first].axes.contains($0) }
        let flops = (factors[first].axes + others).reduce(1.0) { $0 * Double(extents[$1]!) }
        if flops < least { (best, least) = ((first, second), flops) }
      }
    }
    return best
  }

  private func product(_ left: Factor, _ right: Factor, keeping isKept: (AxisName) -> Bool) -> Factor {
    let left = summed(left) { right.axes.contains($0) || isKept($0) }
    let right = summed(right) { left.axes.contains($0) || isKept($0) }
    let common = left.axes.filter(right.axes.contains)
    let (batch, contracted) = (common.filter(isKept), common.filter { !isKept($0) })
    let others = right.axes.filter { !common.contains($0) }
    if contracted.isEmpty, !batch.isEmpty || left.axes.isEmpty || right.axes.isEmpty {
      // Entry by entry, with axes of extent 1 where a factor has none.
      let axes = left.axes + others
      let order = axes.compactMap { right.axes.firstIndex(of: $0) }
      let spread = axes.map { right.axes.contains($0) ? extents[$0]! : 1 }
      let first = left.tensor.reshaped(to: left.tensor.shape + others.map { _ in 1 })
      return Factor(tensor: first * right.tensor.permuted(order).reshaped(to: spread), axes: axes)
    }
    func places(_ axes: [AxisName], _ factor: Factor) -> [Int] { axes.map { factor.axes.firstIndex(of: $0)! } }
    let contraction = Contraction(
      leftBatch: places(batch, left), rightBatch: places(batch, right), leftSummed: places(contracted, left),
      rightSummed: places(contracted, right))
    return Factor(
      tensor: bind(contraction, .two(left.tensor, right.tensor)),
      axes: batch + left.axes.filter { !common.contains($0) } + others)
  }

  /// A factor without the axes that nothing else has.
  private func summed(_ factor: Factor, keeping isKept: (AxisName) -> Bool) -> Factor {
    let axes = factor.axes.indices.filter { !isKept(factor.axes[$0]) }
    if axes.isEmpty { return factor }
    return Factor(tensor: factor.tensor.sum(axes: axes), axes: factor.axes.filter(isKept))
  }
}
