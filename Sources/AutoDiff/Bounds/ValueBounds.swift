/// What is known of a value z(θ) for all parameters θ in a ball around θ₀: where its entries lie, and how its derivative is
/// bounded. All bounds are proved, rounding included.
public struct ValueBounds: Sendable {
  /// Where z(θ₀) lies: an interval as wide as rounding makes it.
  public let initial: Enclosure
  /// Where z(θ) lies for all θ in the ball.
  public let range: Enclosure
  /// Bounds of the derivative in every leaf of the parameters, by its number; a leaf that is missing has no influence.
  public let slopes: [Int: SlopeBounds]
  /// A bound of ‖z(θ) − z(θ₀)‖₂.
  let deviation: Double
  /// The norms of this value as a matrix that have been found; for parameters, which are met again and again.
  let norms: Locked<[[[Int]]: Double]>?

  /// What a primitive's rule returns.
  ///
  /// - Parameters:
  ///   - initial: where z(θ₀) lies.
  ///   - range: where z(θ) lies. It need not be narrow: it is narrowed by how far the slopes let it move.
  ///   - slopes: bounds of the derivative.
  public init(initial: Enclosure, range: Enclosure, slopes: [Int: SlopeBounds]) {
    self.init(initial: initial, range: range, slopes: slopes, deviation: .infinity)
  }

  init(
    initial: Enclosure, range: Enclosure, slopes: [Int: SlopeBounds], deviation: Double,
    norms: Locked<[[[Int]]: Double]>? = nil
  ) {
    guard initial.shape == range.shape, slopes.values.allSatisfy({ $0.scale.shape == range.shape }) else {
      stop("ValueBounds", "all bounds must have the value's shape", got: "\(initial.shape) and \(range.shape)")
    }
    (self.initial, self.range, self.slopes, self.deviation, self.norms) = (initial, range, slopes, deviation, norms)
  }

  /// A value that does not depend on the parameters.
  public init(constant: Tensor) {
    let exact = Enclosure(constant)
    self.init(initial: exact, range: exact, slopes: [:], deviation: 0)
  }

  /// The shape of z.
  public var shape: [Int] { range.shape }

  /// A bound of ‖∂z/∂θ‖₂ for all parameters together, on the whole ball.
  public var slope: Double {
    // Leaves are orthogonal to each other, for all entries at once and for each of them.
    let whole = Tensor(slopes.values.map(\.norm)).norm().scalar
    return min(whole, rows.map { $0.norm().scalar * Rounding.up(terms: $0.count) } ?? 0) * Rounding.up
  }

  /// Bounds of ‖∂zᵢ/∂θ‖₂ for every entry; nil where nothing depends on the parameters.
  public var rows: Tensor? {
    // By the norm, because squares of small numbers are 0, which would bound nothing.
    guard let first = slopes.values.first else { return nil }
    if slopes.count == 1 { return first.rows }
    return stack(slopes.values.map(\.rows)).norm(axes: [0]) * Rounding.up(terms: slopes.count)
  }

  /// The same bounds with the range narrowed to what the slopes allow on a ball of this radius.
  func narrowed(radius: Double) -> ValueBounds {
    guard let rows else { return ValueBounds(initial: initial, range: initial, slopes: [:], deviation: 0) }
    let reached = range.intersected(with: initial.widened(by: rows * radius))
    let apart = maximum(reached.upper - initial.lower, initial.upper - reached.lower).norm().scalar
    let deviation = min(radius * slope, apart * Rounding.up(terms: reached.lower.count)) * Rounding.up
    return ValueBounds(initial: initial, range: reached, slopes: slopes, deviation: deviation, norms: norms)
  }

  var isFinite: Bool {
    initial.isFinite && range.isFinite && slopes.values.allSatisfy { $0.scale.isFinite && $0.rows.isFinite }
  }

  /// A bound of the largest singular value, over the ball, of the value as a stack of matrices.
  ///
  /// - Parameters:
  ///   - batch: the axes along which there are separate matrices.
  ///   - rows: the axes that are a matrix's rows.
  ///   - columns: the axes that are its columns.
  func matrixNorm(batch: [Int], rows: [Int], columns: [Int]) -> Double {
    let key = [batch, min(rows.first ?? -1, columns.first ?? -1) == rows.first ?? -1 ? rows : columns]
    if let known = norms?.value[key] { return known }
    let extents = [shape.picking(batch).product, shape.picking(rows).product, shape.picking(columns).product]
    func matrices(_ x: Tensor) -> Tensor { x.permuted(batch + rows + columns).reshaped(to: extents) }
    let initially =
      spectralNormBound(matrices(initial.midpoint)) + frobeniusNormBound(matrices(initial.radius))
    let anywhere = frobeniusNormBound(matrices(range.magnitude))
    let bound = min((initially + deviation) * Rounding.up, anywhere)
    norms?.value[key] = bound
    return bound
  }
}

/// Why a value could not be bounded.
public enum BoundError: Error, Equatable, Sendable {
  /// A primitive of the model, or of its gradient, states no bounds.
  case notStated(primitive: String)
  /// The ball reaches parameters where the bounds of a primitive do not hold.
  ///
  /// - Parameters:
  ///   - primitive: its name.
  ///   - requirement: what must hold for the input.
  ///   - index: the entry of the input, one of those for which it does not.
  ///   - lower: where that entry may begin.
  ///   - upper: where it may end.
  case outsideDomain(primitive: String, requirement: String, index: [Int], lower: Double, upper: Double)
  /// The bounds of a primitive leave the range of numbers.
  case notFinite(primitive: String)
  /// The derivatives of a part of the model are stopped or given by hand, so what is proved of a gradient need not hold for
  /// the model's values.
  case ownDerivatives(primitive: String)
}

extension BoundError: CustomStringConvertible {
  /// What is missing, and where.
  public var description: String {
    switch self {
    case .notStated(let primitive): "bounds: the primitive \(primitive) states none."
    case .outsideDomain(let primitive, let requirement, let index, let lower, let upper):
      "bounds: \(primitive) \(requirement), but in the ball the input's entry \(index) may lie anywhere in "
        + "[\(lower), \(upper)]. A smaller ball may help."
    case .ownDerivatives(let primitive):
      "bounds: the derivatives of \(primitive) need not be those of its value, so a gradient says nothing about values."
    case .notFinite(let primitive): "bounds: those of \(primitive) are not finite. A smaller ball may help."
    }
  }

  /// The primitive without which there are no bounds.
  public var primitive: String {
    switch self {
    case .notStated(let primitive), .outsideDomain(let primitive, _, _, _, _), .notFinite(let primitive),
      .ownDerivatives(let primitive):
      primitive
    }
  }
}
