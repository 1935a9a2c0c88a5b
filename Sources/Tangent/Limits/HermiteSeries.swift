import AutoDiff

/// The coefficients a_k = E[g(t) h_k(t)] of a function in the orthonormal Hermite polynomials h_k, for many functions at
/// once; t is standard normal.
///
/// For g and g′ with coefficients a and b and a pair of standard normal variables with correlation c (Mehler's formula),
/// E[g(u) g′(v)] = Σ_k a_k b_k cᵏ.
///
/// Even and odd orders stand apart: many activations have only one of them, up to a constant.
struct HermiteSeries {
  /// a_0, a_2, …: [terms, ...]; nil where all are 0.
  var even: Tensor?
  /// a_1, a_3, …: [terms, ...]; nil where all are 0.
  var odd: Tensor?

  func map(_ transform: (Tensor) -> Tensor) -> HermiteSeries {
    HermiteSeries(even: even.map(transform), odd: odd.map(transform))
  }

  /// Σ_k a_k².
  var sumOfSquares: Tensor? {
    let parts = [even, odd].compactMap { $0.map { square($0).sum(axes: [0]) } }
    return parts.dropFirst().reduce(parts.first) { $0.map { [part = $1] in $0 + part } }
  }

  /// Σ_k a_k b_k cᵏ.
  static func sum(_ a: HermiteSeries, _ b: HermiteSeries, at pairs: GaussianPairs) -> Tensor {
    let c = pairs.correlation
    let y = square(c)
    func part(_ a: Tensor, _ b: Tensor) -> Tensor {
      var sum = a[-1] * b[-1]
      for k in (0..<a.shape[0] - 1).reversed() {
        sum *= y
        sum += a[k] * b[k]
      }
      return sum
    }
    var total = Tensor.zeros(like: c)
    if let a = a.even, let b = b.even { total = part(a, b) }
    if let a = a.odd, let b = b.odd { total += c * part(a, b) }
    return total
  }

  /// 1 − c′ and 1 + c′ for the image's correlation c′ = Σ_k α_k β_k cᵏ, where α and β have sums of squares 1.
  ///
  /// With y = c² and the differences u = ½ Σ (α_k − β_k)² over even and over odd k,
  /// 1 − c′ = u_even + u_odd + (1 − c) Σ_odd α_k β_k + (1 − y) R, 1 + c′ = Σ_even (α_k² + β_k²) − u_even + u_odd
  /// + (1 + c) Σ_odd α_k β_k − (1 − y) R, where R collects the quotients (1 − yʲ)/(1 − y) by Horner's scheme; 1 − y is
  /// (1 − c)(1 + c).
  static func image(_ a: HermiteSeries, _ b: HermiteSeries, of pairs: GaussianPairs) -> (minus: Tensor, plus: Tensor) {
    let c = pairs.correlation
    let y = square(c)
    var (minus, plus, rest) = (Tensor.zeros(like: c), Tensor.zeros(like: c), Tensor.zeros(like: c))
    if let a = a.even, let b = b.even {
      let part = Part(a, b, y)
      minus = part.difference
      plus = square(a).sum(axes: [0]) + square(b).sum(axes: [0]) - part.difference
      rest = part.quotients
    }
    if let a = a.odd, let b = b.odd {
      let part = Part(a, b, y)
      minus += part.difference + pairs.minus * part.product
      plus += part.difference + pairs.plus * part.product
      rest += c * part.quotients
    }
    rest *= pairs.minus * pairs.plus
    return (minus + rest, plus - rest)
  }

  /// The sums over the orders of one parity.
  private struct Part {
    /// Σ α_j β_j.
    var product: Tensor
    /// Σ_j α_j β_j (1 − yʲ)/(1 − y).
    var quotients: Tensor
    /// ½ Σ_j (α_j − β_j)².
    var difference: Tensor

    init(_ a: Tensor, _ b: Tensor, _ y: Tensor) {
      product = .zeros(like: y)
      quotients = .zeros(like: y)
      difference = .zeros(like: y)
      for j in (0..<a.shape[0]).reversed() {
        let (x, z) = (a[j], b[j])
        product += x * z
        if j > 0 {
          quotients *= y
          quotients += product
        }
        difference += square(x - z)
      }
      difference *= 0.5
    }
  }
}
