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
  let formula = EinsteinFormula(formula)
  return EinsteinSum(formula, factors).value
}

/// Which axis of all terms.
private enum AxisName: Hashable, CustomStringConvertible {
  case named(Character)
  /// One that `...` stands for, counted from the last one backwards.
  case further(Int)

  var description: String {
    switch self {
    case .named(let letter): String(letter)
    case .further: "..."
    }
  }
}

/// A formula such as `ij,jk->ik`.
private struct EinsteinFormula {
  let text: String
  let terms: [Term]
  /// Behind the arrow; nil without one.
  let result: Term?

  /// The letters of a term, and how many of them stand before `...`, if it has that.
  struct Term {
    let letters: [Character]
    let ellipsis: Int?

    /// All axes of the term, of which `...` stands for some.
    func axes(further: Int) -> [AxisName] {
      let named = letters.map { AxisName.named($0) }
      guard let ellipsis else { return named }
      return named[..<ellipsis] + (0..<further).reversed().map { .further($0) } + named[ellipsis...]
    }
  }

  init(_ text: String) {
    self.text = text
    let sides = text.filter { !$0.isWhitespace }.split(separator: "->", omittingEmptySubsequences: false)
    func term(_ text: Substring) -> Term? {
      let parts = text.split(separator: "...", omittingEmptySubsequences: false)
      let letters = Array(parts.joined())
      guard parts.count <= 2, letters.allSatisfy({ $0.isASCII && $0.isLetter }) else { return nil }
      return Term(letters: letters, ellipsis: parts.count == 2 ? parts[0].count : nil)
    }
    let terms = sides[0].split(separator: ",", omittingEmptySubsequences: false).map(term)
    let result = sides.dropFirst().map(term)
    guard sides.count <= 2, !terms.contains(where: { $0 == nil }), !result.contains(where: { $0 == nil }) else {
      stop("einsum", "the formula must consist of letters and ..., as in \"bij,bjk->bik\"", got: "\"\(text)\"")
    }
    self.terms = terms.compactMap { $0 }
    self.result = result.first ?? nil
  }
}

/// The factors of a formula, while they are multiplied.
private struct EinsteinSum {
  private let formula: EinsteinFormula
  private let result: [AxisName]
  private var factors: [Factor]
  private let extents: [AxisName: Int]

  private struct Factor {
    var tensor: Tensor
    var axes: [AxisName]
  }

  init(_ formula: EinsteinFormula, _ tensors: [Tensor]) {
    self.formula = formula
    func fail(_ requirement: String, _ got: String? = nil) -> Never {
      stop("einsum", "\(requirement) in \"\(formula.text)\"", got: got)
    }
    guard formula.terms.count == tensors.count else {
      fail("needs a tensor for each of the \(formula.terms.count) terms", "\(tensors.count)")
    }
    for tensor in tensors { requireOneScalarType("einsum", tensors[0], tensor) }
    var extents: [AxisName: Int] = [:]
    factors = zip(formula.terms, tensors).map { term, tensor in
      let further = tensor.rank - term.letters.count
      guard further == 0 || further > 0 && term.ellipsis != nil else {
        fail("the term \"\(String(term.letters))\" needs \(term.letters.count) axes", "\(tensor.shape)")
      }
      let axes = term.axes(further: further)
      for (axis, extent) in zip(axes, tensor.shape) {
        let known = extents[axis] ?? extent
        if case .further = axis, known == 1 || extent == 1 {
          extents[axis] = known * extent
          continue
        }
        guard known == extent else { fail("the axis \(axis) must have one extent", "\(known) and \(extent)") }
        extents[axis] = extent
      }
      return Factor(tensor: tensor, axes: axes)
    }
    self.extents = extents
    let furthest = extents.keys.reduce(0) {
      if case .further(let place) = $1 { Swift.max($0, place + 1) } else { $0 }
    }
    if let term = formula.result {
      result = term.axes(further: term.ellipsis == nil ? 0 : furthest)
      if let bad = result.first(where: { extents[$0] == nil }) {
        fail("the axis \(bad) of the result must be an axis of a factor")
      }
      guard Set(result).count == result.count else { fail("the axes of the result must be distinct") }
    } else {
      let letters = formula.terms.flatMap(\.letters)
      let single = letters.filter { letter in letters.count { $0 == letter } == 1 }.sorted()
      result = (0..<furthest).reversed().map { .further($0) } + single.map { .named($0) }
    }
    for k in factors.indices { simplify(&factors[k]) }
  }

  /// Leaves one axis for every name, and none where a factor is broadcast.
  private func simplify(_ factor: inout Factor) {
    let broadcast = factor.axes.indices.filter { factor.tensor.shape[$0] == 1 && extents[factor.axes[$0]] != 1 }
    factor.tensor = factor.tensor.squeezed(broadcast)
    factor.axes = factor.axes.indices.filter { !broadcast.contains($0) }.map { factor.axes[$0] }
    while let second = factor.axes.indices.first(where: { factor.axes[..<$0].contains(factor.axes[$0]) }) {
      let axis = factor.axes[second]
      let first = factor.axes.firstIndex(of: axis)!
      factor.tensor = factor.tensor.movingAxis(second, to: -1).movingAxis(first, to: -1).diagonal
      factor.axes.remove(at: second)
      factor.axes.remove(at: first)
      factor.axes.append(axis)
    }
  }

  var value: Tensor {
    var factors = factors
    while factors.count > 1 {
      let (first, second) = cheapestPair(factors)
      let right = factors.remove(at: second)
      let left = factors.remove(at: first)
      factors.append(product(left, right, keeping: Set(result + factors.flatMap(\.axes))))
    }
    let last = summed(factors[0]) { result.contains($0) }
    return last.tensor.permuted(result.map { last.axes.firstIndex(of: $0)! })
  }

  /// The pair of factors whose product takes the fewest flops.
  private func cheapestPair(_ factors: [Factor]) -> (Int, Int) {
    var best = (0, 1)
    var least = Double.infinity
    for second in factors.indices.dropFirst() {
      for first in 0..<second {
        let flops = Set(factors[first].axes + factors[second].axes).reduce(1.0) { $0 * Double(extents[$1]!) }
        if flops < least { (best, least) = ((first, second), flops) }
      }
    }
    return best
  }

  private func product(_ left: Factor, _ right: Factor, keeping kept: Set<AxisName>) -> Factor {
    let left = summed(left) { kept.contains($0) || right.axes.contains($0) }
    let right = summed(right) { kept.contains($0) || left.axes.contains($0) }
    let common = left.axes.filter { right.axes.contains($0) }
    let (batch, contracted) = (common.filter(kept.contains), common.filter { !kept.contains($0) })
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
