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
    var sum = dense.map { $0.reshaped(to: [$0.shape[0], $0.shape[1], $0.shape.dropFirst(2).reduce(1, *)]) }
    for part in factors { sum = sum.map { $0 + part.dense } ?? part.dense }
    return sum
  }

  /// The inner products with other gradients of the same parameter; nil where there are none.
  func gram(_ other: ParameterGradient, _ outputs: KernelOutputs) -> Tensor? {
    if let pairs = equalPairs(with: other) {
      return pairs.map { $0.gram($1, outputs) }.sum
    }
    guard let a = materialized else { return nil }
    // One tensor for both lets the product see that the result is symmetric.
    guard let b = isIdentical(to: other) ? a : other.materialized else { return nil }
    return outputs.gram(a, b)
  }

  /// The pairs of sums of outer products that meet, if they all have one form; nil where others meet.
  private func equalPairs(with other: ParameterGradient) -> [(GradientFactors, GradientFactors)]? {
    guard dense == nil, other.dense == nil else { return nil }
    var pairs: [(GradientFactors, GradientFactors)] = []
    for mine in factors {
      for theirs in other.factors {
        if mine.form == theirs.form {
          pairs.append((mine, theirs))
        } else if !mine.form.isDisjoint(from: theirs.form) {
          return nil
        }
      }
    }
    return pairs
  }

  private func isIdentical(to other: ParameterGradient) -> Bool {
    let (mine, theirs) = (
      factors.map(\.right) + [dense].compactMap { $0 }, other.factors.map(\.right) + [other.dense].compactMap { $0 }
    )
    return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.isIdentical(to: $1) }
  }

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
    return materialized.map { square($0).sum(axes: [2]) }
  }

  var storage: FactoredJacobianStorage {
    FactoredJacobianStorage(
      positions: factors.map(\.positions), isDense: dense != nil,
      entryCount: factors.map { $0.left.count + $0.right.count }.reduce(dense?.count ?? 0, +))
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
}
