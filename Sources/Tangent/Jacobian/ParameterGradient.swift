import AutoDiff

/// The gradients of all outputs for all examples with respect to one parameter: a sum of outer products, grouped by the
/// axes that their sides run over, and of a tensor.
struct ParameterGradient {
  /// The parts that have arrived, grouped by their form. They are joined at the end: one by one would copy all that is
  /// there for every use of the parameter.
  private var groups: [[GradientFactors]] = []
  /// [n, outputs, shape...].
  private(set) var dense: Tensor?

  /// One sum of outer products for each form.
  var factors: [GradientFactors] { groups.map { GradientFactors(joining: $0) } }

  /// The same with the parts joined.
  var joined: ParameterGradient {
    var result = self
    result.groups = factors.map { [$0] }
    return result
  }

  init() {}

  mutating func add(_ part: GradientFactors) {
    guard part.positions > 0 else { return }
    if let index = groups.firstIndex(where: { $0[0].form == part.form }) {
      groups[index].append(part)
    } else {
      groups.append([part])
    }
  }

  mutating func add(dense part: Tensor) {
    guard var sum = dense.take() else {
      dense = part
      return
    }
    sum += part
    dense = sum
  }

  mutating func add(_ other: ParameterGradient) {
    for part in other.groups.joined() { add(part) }
    if let part = other.dense { add(dense: part) }
  }

  /// [n, outputs, entries]: all gradients in memory, or nil where nothing contributes.
  var materialized: Tensor? {
    var sum = dense?.withFlatEntries
    for part in factors { sum = sum.map { $0 + part.dense } ?? part.dense }
    return sum
  }

  // MARK: Inner products

  /// The inner products with other gradients of the same parameter; nil where there are none.
  func gram(_ other: ParameterGradient, _ request: GramRequest) -> Tensor? {
    let isSame = isIdentical(to: other)
    let (mine, theirs) = (factors, isSame ? factors : other.factors)
    if isWorthKeeping(mine, dense, theirs, other.dense, request) {
      var parts: [Tensor] = []
      for a in mine { for b in theirs { if let part = Self.gram(a, b, request) { parts.append(part) } } }
      if let rest = other.dense?.withFlatEntries { parts += mine.map { $0.gram(dense: rest, request) } }
      if let rest = dense?.withFlatEntries {
        parts += theirs.map { request.outputs.exchanged($0.gram(dense: rest, request)) }
        if let others = other.dense { parts.append(request.gram(rest, isSame ? rest : others.withFlatEntries)) }
      }
      return parts.sum
    }
    return denseGram(other, request)
  }

  /// Between two sums of outer products of the same parameter; nil where they have no entries in common.
  private static func gram(_ a: GradientFactors, _ b: GradientFactors, _ request: GramRequest) -> Tensor? {
    if a.form == b.form { return a.gram(b, request) }
    if a.form.isDisjoint(from: b.form) { return nil }
    if a.isTransposed(of: b) { return a.transposedGram(b, request) }
    return a.productsGram(b, request)
  }

  /// Whether it is less work to go through the pairs of parts than to add all parts in memory first.
  private func isWorthKeeping(
    _ mine: [GradientFactors], _ myRest: Tensor?, _ theirs: [GradientFactors], _ theirRest: Tensor?,
    _ request: GramRequest
  ) -> Bool {
    if mine.isEmpty || theirs.isEmpty { return !(mine.isEmpty && theirs.isEmpty) && myRest == nil && theirRest == nil }
    let outputs = request.outputs
    if myRest == nil, theirRest == nil, mine.count == 1, theirs.count == 1, mine[0].form == theirs[0].form {
      return true
    }
    let (n, m) = (Double(mine[0].exampleCount), Double(theirs[0].exampleCount))
    let (a, b) = (Double(mine[0].outputCount), Double(theirs[0].outputCount))
    let meeting = n * m * (outputs.keepsAllPairs ? a * b : a) * Double(mine[0].entryCount)
    var added = meeting
    for x in mine { added += GramExtents(x, x).formingCost(n * a, Double(x.positions)) }
    for y in theirs { added += GramExtents(y, y).formingCost(m * b, Double(y.positions)) }
    var apart = myRest != nil && theirRest != nil ? meeting : 0
    for x in mine {
      for y in theirs {
        let extents = GramExtents(x, y)
        if x.form == y.form {
          let method = request.method == .automatic ? extents.cheapestMethod(outputs) : request.method
          apart += extents.cost(of: method, outputs)
        } else if x.isTransposed(of: y) {
          apart += extents.transposedCost(theirsHaveRows: y.form.hasRows, outputs)
        } else if !x.form.isDisjoint(from: y.form) {
          apart += GramExtents(y, y).formingCost(m * b, Double(y.positions))
          apart += extents.productCost(gradients: m * b, outputs)
        }
      }
      if theirRest != nil { apart += GramExtents(x, theirs[0]).productCost(gradients: m * b, outputs) }
    }
    if myRest != nil {
      for y in theirs { apart += GramExtents(y, mine[0]).productCost(gradients: n * a, outputs) }
    }
    return apart <= added
  }

  /// By gradients in memory, of as many examples at a time as fit.
  private func denseGram(_ other: ParameterGradient, _ request: GramRequest) -> Tensor? {
    guard let shape = leadingShape, let others = other.leadingShape else { return nil }
    func step(_ part: ParameterGradient, _ shape: [Int]) -> Int {
      if part.factors.isEmpty { return shape[0] }
      let bytes = shape[1] * part.factors[0].entryCount * part.factors[0].right.scalarType.byteCount
      return max(1, request.temporaryBytes / max(1, bytes))
    }
    let (rows, columns) = (step(self, shape), step(other, others))
    if rows >= shape[0], columns >= others[0] {
      guard let a = materialized else { return nil }
      // One tensor for both lets the product see that the result is symmetric.
      guard let b = isIdentical(to: other) ? a : other.materialized else { return nil }
      return request.gram(a, b)
    }
    return concatenate(
      stride(from: 0, to: shape[0], by: rows).map { row in
        let mine = examples(row..<min(row + rows, shape[0])).materialized!
        return concatenate(
          stride(from: 0, to: others[0], by: columns).map { column in
            request.gram(mine, other.examples(column..<min(column + columns, others[0])).materialized!)
          }, axis: 1)
      })
  }

  /// The inner products with other gradients of the same parameter and examples, for every example: [n, outputs, other
  /// outputs]; nil where there are none.
  func exampleGram(_ other: ParameterGradient, _ request: GramRequest) -> Tensor? {
    guard let shape = leadingShape, let theirs = other.leadingShape else { return nil }
    let (a, b) = (Alone(self), Alone(other))
    let perExample =
      zip(factors, other.factors).reduce(shape[1] * theirs[1]) { sum, pair in
        let (x, y) = pair
        return sum
          + min(
            (shape[1] + theirs[1]) * x.entryCount,
            x.positions * y.positions * x.parallelCount * (1 + shape[1] * theirs[1]))
      } * a.tensors[0].scalarType.byteCount
    let step = max(1, request.temporaryBytes / max(1, perExample))
    let one = vmap { (mine: [Tensor], theirs: [Tensor]) -> Tensor in
      a.gradient(mine).gram(b.gradient(theirs), request)!.reshaped(to: [a.outputCount, b.outputCount])
    }
    return concatenate(
      stride(from: 0, to: max(1, shape[0]), by: step).map { start in
        let range = start..<min(start + step, shape[0])
        return one(a.tensors.map { $0[range] }, b.tensors.map { $0[range] })
      })
  }

  /// The tensors of gradients, and the gradients of one example that are made of its share of them.
  private struct Alone {
    let tensors: [Tensor]
    let outputCount: Int
    private let factors: [GradientFactors]

    init(_ gradient: ParameterGradient) {
      factors = gradient.factors
      tensors = factors.flatMap { [$0.left, $0.right] } + (gradient.dense.map { [$0] } ?? [])
      outputCount = gradient.leadingShape![1]
    }

    func gradient(_ share: [Tensor]) -> ParameterGradient {
      let alone = share.map { $0.expanded(at: 0) }
      var gradient = ParameterGradient()
      for (k, part) in factors.enumerated() {
        gradient.add(GradientFactors(left: alone[2 * k], right: alone[2 * k + 1], like: part))
      }
      if alone.count > 2 * factors.count { gradient.add(dense: alone[alone.count - 1]) }
      return gradient
    }
  }

  // MARK: Parts

  /// The gradients of some of the examples.
  func examples(_ range: Range<Int>) -> ParameterGradient {
    var result = ParameterGradient()
    result.groups = factors.map { [$0.examples(range)] }
    result.dense = dense?[range]
    return result
  }

  /// The gradients for the examples of several, one after the other.
  init(concatenating parts: [ParameterGradient], counts: [Int], like leaf: Tensor) {
    self.init()
    let first = parts[0].factors
    let isAlike = parts.allSatisfy { part in
      part.factors.count == first.count && (part.dense == nil) == (parts[0].dense == nil)
        && zip(part.factors, first).allSatisfy { $0.form == $1.form && $0.positions == $1.positions }
    }
    if isAlike {
      groups = first.indices.map { k in
        let same = parts.map { $0.factors[k] }
        return [
          GradientFactors(
            left: concatenate(same.map(\.left)), right: concatenate(same.map(\.right)), like: first[k])
        ]
      }
      if parts[0].dense != nil { dense = concatenate(parts.map { $0.dense! }) }
      return
    }
    guard let outputs = parts.compactMap(\.leadingShape).first?[1] else { return }
    dense = concatenate(
      zip(parts, counts).map { part, n in
        part.materialized?.reshaped(to: [n, outputs] + leaf.shape)
          ?? .zeros([n, outputs] + leaf.shape, as: leaf.scalarType)
      })
  }

  /// [n, outputs], or nil where nothing contributes.
  private var leadingShape: [Int]? { dense.map { Array($0.shape.prefix(2)) } ?? groups.first?[0].leadingShape }

  private func isIdentical(to other: ParameterGradient) -> Bool {
    let (mine, theirs) = (
      factors.map(\.right) + [dense].compactMap { $0 }, other.factors.map(\.right) + [other.dense].compactMap { $0 }
    )
    return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.isIdentical(to: $1) }
  }

  // MARK: Products with directions

  /// Times a direction of the parameter: [n, outputs].
  func jvp(_ direction: Tensor) -> Tensor? {
    var parts = factors.map { $0.jvp(direction) }
    if let dense { parts.append(tensordot(dense, direction, axes: (Array(2..<dense.rank), Array(0..<direction.rank)))) }
    return parts.sum
  }

  /// Transposed, times a direction of the outputs [n, outputs]: the parameter's entries in their order.
  func vjp(_ direction: Tensor) -> Tensor? {
    var parts = factors.map { $0.vjp(direction) }
    if let dense { parts.append(tensordot(direction, dense, axes: ([0, 1], [0, 1])).flattened) }
    return parts.sum
  }

  /// [n, outputs], or nil where nothing contributes.
  var squaredNorms: Tensor? {
    let areApart = factors.indices.allSatisfy { i in
      factors[..<i].allSatisfy { $0.form.isDisjoint(from: factors[i].form) }
    }
    if dense == nil, areApart { return factors.map(\.squaredNorms).sum }
    if factors.isEmpty { return dense.map { square($0.withFlatEntries).sum(axes: [2]) } }
    let step = max(1, (1 << 26) / max(1, factors[0].outputCount * factors[0].entryCount * 8))
    return concatenate(
      stride(from: 0, to: max(1, factors[0].exampleCount), by: step).map { start in
        square(examples(start..<min(start + step, factors[0].exampleCount)).materialized!).sum(axes: [2])
      })
  }

  var storage: FactoredJacobianStorage {
    let tensors = factors.flatMap { [$0.left, $0.right] } + (dense.map { [$0] } ?? [])
    return FactoredJacobianStorage(
      positions: factors.map(\.positions), isDense: dense != nil,
      entryCount: tensors.reduce(0) { $0 + $1.count },
      byteCount: tensors.reduce(0) { $0 + $1.count * $1.scalarType.byteCount })
  }
}

/// How the gradients of one leaf of the parameters are kept.
public struct FactoredJacobianStorage: Sendable, Equatable {
  /// The positions of every sum of outer products, all uses of the leaf together; empty where there are none.
  public let positions: [Int]
  /// Whether a gradient per example and output is held in memory.
  public let isDense: Bool
  /// How many numbers are held.
  public let entryCount: Int
  /// The bytes that they take; memory that several parts share is counted for each.
  public let byteCount: Int
}

extension Tensor {
  /// [n, outputs, entries] of [n, outputs, shape...].
  fileprivate var withFlatEntries: Tensor { reshaped(to: [shape[0], shape[1], shape.dropFirst(2).reduce(1, *)]) }
}
