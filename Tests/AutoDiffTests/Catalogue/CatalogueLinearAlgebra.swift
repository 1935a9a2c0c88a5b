import Foundation

@testable import AutoDiff

extension PrimitiveCatalogue {
  static let linearAlgebra: [PrimitiveRow] = [
    PrimitiveRow(
      CholeskyFactor.self,
      // Larger matrices must be positive definite, which independent entries are not: see MatrixLawTests.
      [
        Variant(CholeskyFactor(), note: "number", [Argument([1, 1], .interval(0.5...2))]) {
          $0[0].map { $0.squareRoot() }
        },
        Variant(CholeskyFactor(), note: "stack", [Argument([9, 1, 1], .interval(0.5...2))]) {
          $0[0].map { $0.squareRoot() }
        },
        Variant(CholeskyFactor(), note: "no entries", [Argument([2, 0, 0], .interval(0.5...2))]) { $0[0] },
      ],
      illShaped: [
        IllShapedCall("cholesky: the matrix must be square, but got [2, 3].") {
          bind(CholeskyFactor(), [.ones([2, 3])])
        },
        IllShapedCall("cholesky: needs a matrix [m, n] or a stack of them, but got [3].") {
          bind(CholeskyFactor(), [.ones([3])])
        },
      ]),
    PrimitiveRow(
      TriangularSystem.self,
      [
        triangular("lower", .lower, [], 3, 2), triangular("upper", .upper, [], 3, 2),
        triangular("stack", .lower, [2], 2, 1), triangular("many", .upper, [9], 2, 2),
        triangular("no equations", .lower, [2], 0, 1), triangular("no columns", .upper, [], 2, 0),
      ],
      illShaped: [
        IllShapedCall("triangularSolve: needs a matrix [..., n, n] and columns [..., n, k], but got [2, 2] and [3, 1].")
        {
          bind(TriangularSystem(half: .lower), [.ones([2, 2]), .ones([3, 1])])
        },
        IllShapedCall(
          "triangularSolve: needs a matrix [..., n, n] and right-hand sides [n] or [..., n, k], but got [2, 2] and [3]."
        ) { (try? triangularSolve(.ones([2, 2]), .ones([3]))) ?? .ones([]) },
      ]),
    PrimitiveRow(
      QRFactors.self,
      [
        qr("square", [3, 3]), qr("tall", [4, 2]), qr("stack", [2, 3, 2]), qr("many", [8, 2, 1]),
        qr("no columns", [2, 0]), qr("no matrices", [0, 2, 2]),
      ],
      illShaped: [
        IllShapedCall("qr: needs at least as many rows as columns, but got [2, 3].") {
          bind(QRFactors(), [.ones([2, 3])])
        }
      ]),
    PrimitiveRow(
      SymmetricEigenvectors.self,
      [
        Variant(
          SymmetricEigenvectors(), note: "number", [Argument([1, 1], .interval(-2...2))],
          oracle: MatrixOracles.symmetricEigen),
        Variant(SymmetricEigenvectors(), note: "no entries", [Argument([2, 0, 0], .interval(-2...2))]) { _ in
          Naive([2, 1, 0]) { _ in 0 }
        },
      ],
      illShaped: [
        IllShapedCall("symmetricEigen: the matrix must be square, but got [2, 3].") {
          bind(SymmetricEigenvectors(), [.ones([2, 3])])
        }
      ]),
    PrimitiveRow(
      SymmetricEigenvalues.self,
      [
        Variant(SymmetricEigenvalues(), note: "number", [Argument([1, 1], .interval(-2...2))]) { inputs in
          Naive([1]) { _ in inputs[0][[0, 0]] }
        },
        Variant(SymmetricEigenvalues(), note: "stack", [Argument([9, 1, 1], .interval(-2...2))]) { inputs in
          Naive([9, 1]) { inputs[0][[$0[0], 0, 0]] }
        },
      ],
      illShaped: [
        IllShapedCall("symmetricEigenvalues: the matrix must be square, but got [2, 3].") {
          bind(SymmetricEigenvalues(), [.ones([2, 3])])
        }
      ]),
  ]

  /// Entries away from zero, so that the diagonal can be divided by.
  private static func triangular(_ note: String, _ half: Triangle, _ stack: [Int], _ n: Int, _ k: Int) -> Variant {
    Variant(
      TriangularSystem(half: half), note: note,
      [Argument(stack + [n, n], .interval(0.5...1.5)), Argument(stack + [n, k], .interval(-2...2))],
      oracle: MatrixOracles.triangularSolve(half))
  }

  private static func qr(_ note: String, _ shape: [Int]) -> Variant {
    Variant(QRFactors(), note: note, [Argument(shape, .interval(-2...2))], oracle: MatrixOracles.qr)
  }
}

/// Linear algebra as a first course teaches it, for every matrix of a stack.
enum MatrixOracles {
  /// Substitution.
  static func triangularSolve(_ half: Triangle) -> Oracle {
    { inputs in
      let (a, b) = (inputs[0], inputs[1])
      let n = b.shape[b.shape.count - 2]
      var x = b
      for stack in Naive.indices(of: b.shape.dropLast(2)) {
        for column in 0..<b.shape[b.shape.count - 1] {
          for i in half == .lower ? Array(0..<n) : (0..<n).reversed() {
            var sum = b[stack + [i, column]]
            for j in half == .lower ? 0..<i : i + 1..<n { sum -= a[stack + [i, j]] * x[stack + [j, column]] }
            x[stack + [i, column]] = sum / a[stack + [i, i]]
          }
        }
      }
      return x
    }
  }

  /// Gram and Schmidt, each column twice for accuracy; Q above R.
  static func qr(_ inputs: [Naive]) -> Naive {
    let a = inputs[0]
    let (m, n) = (a.shape[a.shape.count - 2], a.shape[a.shape.count - 1])
    var result = Naive(a.shape.dropLast(2) + [m + n, n]) { _ in 0 }
    for stack in Naive.indices(of: a.shape.dropLast(2)) {
      for j in 0..<n {
        var column = (0..<m).map { a[stack + [$0, j]] }
        for _ in 0..<2 {
          for k in 0..<j {
            let overlap = (0..<m).reduce(0) { $0 + column[$1] * result[stack + [$1, k]] }
            for i in 0..<m { column[i] -= overlap * result[stack + [i, k]] }
            result[stack + [m + k, j]] += overlap
          }
        }
        let length = column.reduce(0) { $0 + $1 * $1 }.squareRoot()
        result[stack + [m + j, j]] = length
        for i in 0..<m { result[stack + [i, j]] = column[i] / length }
      }
    }
    return result
  }

  /// The factor of the symmetric part, column by column.
  static func cholesky(_ inputs: [Naive]) -> Naive {
    let a = inputs[0]
    let n = a.shape[a.shape.count - 1]
    var l = Naive(a.shape) { _ in 0 }
    for stack in Naive.indices(of: a.shape.dropLast(2)) {
      for j in 0..<n {
        for i in j..<n {
          var sum = (a[stack + [i, j]] + a[stack + [j, i]]) / 2
          for k in 0..<j { sum -= l[stack + [i, k]] * l[stack + [j, k]] }
          l[stack + [i, j]] = i == j ? sum.squareRoot() : sum / l[stack + [j, j]]
        }
      }
    }
    return l
  }

  /// Jacobi's rotations of the symmetric part; the eigenvalues, ascending, above the vectors.
  static func symmetricEigen(_ inputs: [Naive]) -> Naive {
    let a = inputs[0]
    let n = a.shape[a.shape.count - 1]
    var result = Naive(a.shape.dropLast(2) + [n + 1, n]) { _ in 0 }
    for stack in Naive.indices(of: a.shape.dropLast(2)) {
      var s = (0..<n).map { i in (0..<n).map { (a[stack + [i, $0]] + a[stack + [$0, i]]) / 2 } }
      var v = (0..<n).map { i in (0..<n).map { $0 == i ? 1.0 : 0 } }
      for _ in 0..<30 {
        for p in 0..<n {
          for q in p + 1..<max(n, p + 1) {
            let angle = 0.5 * atan2(2 * s[p][q], s[q][q] - s[p][p])
            let (cosine, sine) = (cos(angle), sin(angle))
            func rotate(_ x: Double, _ y: Double) -> (Double, Double) {
              (cosine * x - sine * y, sine * x + cosine * y)
            }
            for k in 0..<n { (s[k][p], s[k][q]) = rotate(s[k][p], s[k][q]) }
            for k in 0..<n { (s[p][k], s[q][k]) = rotate(s[p][k], s[q][k]) }
            for k in 0..<n { (v[k][p], v[k][q]) = rotate(v[k][p], v[k][q]) }
          }
        }
      }
      for (place, k) in (0..<n).sorted(by: { s[$0][$0] < s[$1][$1] }).enumerated() {
        result[stack + [0, place]] = s[k][k]
        let largest = (0..<n).max { abs(v[$0][k]) < abs(v[$1][k]) }!
        for i in 0..<n { result[stack + [i + 1, place]] = v[largest][k] < 0 ? -v[i][k] : v[i][k] }
      }
    }
    return result
  }

  /// The first row of the above.
  static func symmetricEigenvalues(_ inputs: [Naive]) -> Naive {
    let packed = symmetricEigen(inputs)
    let rank = packed.shape.count - 2
    return Naive(packed.shape.prefix(rank) + packed.shape.suffix(1)) { index in
      packed[index.prefix(rank) + [0] + index.suffix(1)]
    }
  }
}
