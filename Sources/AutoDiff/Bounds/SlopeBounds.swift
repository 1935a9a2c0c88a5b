/// Bounds of the derivative D of a value z in one leaf of the parameters, on a ball of parameters.
///
/// Two bounds that complement each other, entry by entry of z:
///
///     ‖diag(t) D‖₂ ≤ maxᵢ |tᵢ| scaleᵢ for every t,        ‖row i of D‖₂ ≤ rowsᵢ
///
/// The first says that D = diag(scale) Q with ‖Q‖₂ ≤ 1: it is the operator norm, kept apart for every entry so that a later
/// factor tᵢ meets the scale of its own entry. The second bounds how fast a single entry moves.
public struct SlopeBounds: Sendable {
  /// Of the shape of z.
  public let scale: Tensor
  /// Of the shape of z.
  public let rows: Tensor

  /// Takes both bounds and improves each by the other: rows ≤ scale, and scale ≤ ‖rows‖₂ as one number for all entries.
  public init(scale: Tensor, rows: Tensor) {
    guard scale.shape == rows.shape else {
      stop("SlopeBounds", "both bounds must have the value's shape", got: "\(scale.shape) and \(rows.shape)")
    }
    let tight = minimum(rows, scale)
    self.rows = tight
    guard scale.count > 1 else {
      self.scale = tight
      return
    }
    let together = tight.norm().scalar * Rounding.up(terms: tight.count)
    self.scale = together < scale.max().scalar ? Tensor(together).broadcast(to: scale.shape) : scale
  }

  /// A bound of ‖D‖₂.
  public var norm: Double { scale.count == 0 ? 0 : scale.max().scalar }

  /// Bounds of a sum of derivatives.
  ///
  /// ‖Σ diag(aⱼ) Qⱼ v‖² ≤ Σᵢ (Σⱼ aⱼᵢ²/wⱼ) (Σⱼ wⱼ (Qⱼv)ᵢ²) for weights w that sum to 1, here wⱼ ∝ max aⱼ: the largest scale is at
  /// most the sum of the largest ones.
  static func sum(_ parts: [SlopeBounds]) -> SlopeBounds {
    guard parts.count > 1 else { return parts[0] }
    let sizes = parts.map(\.norm)
    let total = sizes.reduce(0, +)
    let shape = parts[0].scale.shape
    var rows = parts[0].rows
    for part in parts.dropFirst() { rows = rows + part.rows }
    let weighted = zip(parts, sizes).compactMap { part, size in
      size > 0 ? part.scale * (total.squareRoot() / size.squareRoot()) : nil
    }
    // By the norm, because squares of small numbers are 0, which would bound nothing.
    let scale = weighted.isEmpty ? Tensor.zeros(shape) : stack(weighted).norm(axes: [0])
    return SlopeBounds(scale: scale * Rounding.up, rows: rows * Rounding.up)
  }

  /// The bounds after every entry of z has been multiplied by a number of at most this magnitude.
  func times(_ magnitude: Tensor) -> SlopeBounds {
    SlopeBounds(scale: scale * magnitude * Rounding.up, rows: rows * magnitude * Rounding.up)
  }

  /// The bounds after a rearrangement of entries that uses none of them twice; new entries are 0.
  func rearranged(_ f: (Tensor) -> Tensor) -> SlopeBounds { SlopeBounds(scale: f(scale), rows: f(rows)) }
}
