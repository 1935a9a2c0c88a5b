import AutoDiff

/// Symmetric matrices whose eigenvalues are known.
enum PlantedMatrix {
  /// Q diag(values) Qᵀ for a random orthogonal Q: the eigenvalues are those to a few roundings.
  static func random(
    _ values: [Double], as scalarType: ScalarType = .float64, using generator: inout RandomGenerator
  ) throws -> Tensor {
    let q = try orthogonal(values.count, using: &generator)
    let a = matmul(q * Tensor(values), q.transposed)
    return ((a + a.transposed) * 0.5).as(scalarType)
  }

  /// A random orthogonal matrix.
  static func orthogonal(_ n: Int, using generator: inout RandomGenerator) throws -> Tensor {
    try qr(Tensor.normal([n, n], using: &generator)).q
  }

  /// H diag(values) H / n for Hadamard's matrix H of signs: the eigenvalues are exactly those, because nothing is rounded
  /// where n is a power of two and the values are small whole numbers.
  static func exact(_ values: [Double], as scalarType: ScalarType = .float64) -> Tensor {
    let n = values.count
    func sign(_ i: Int, _ j: Int) -> Double { (i & j).nonzeroBitCount.isMultiple(of: 2) ? 1 : -1 }
    func entry(_ i: Int, _ j: Int) -> Double {
      var sum = 0.0
      for k in 0..<n { sum += sign(i, k) * values[k] * sign(k, j) }
      return sum / Double(n)
    }
    return Tensor((0..<n).map { i in (0..<n).map { j in entry(i, j) } }, as: scalarType)
  }

  /// The second difference matrix (−1, 2, −1), with the eigenvalues 4 sin²(kπ / 2(n + 1)), k = 1…n.
  static func secondDifference(_ n: Int) -> Tensor {
    func entry(_ i: Int, _ j: Int) -> Double { i == j ? 2 : Swift.abs(i - j) == 1 ? -1 : 0 }
    return Tensor((0..<n).map { i in (0..<n).map { j in entry(i, j) } })
  }
}

/// Spectra, descending, with what makes eigensolvers and kernels fail: zeros, copies, clusters and every scale.
let awkwardSpectra: [[Double]] = [
  [3],
  [0],
  [2, 1],
  [1, 0],
  [5, 5, 5, 5],
  [0, 0, 0, 0],
  [7, 7, 3, 3, 1, 0, 0, 0],
  [1000, 1, 1, 1, 1, 0, 0, 0],
  [9, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  [4, 3, 2, 1, 1, 1, 0, -2],
  (0..<32).map { Double(32 - $0) },
]
