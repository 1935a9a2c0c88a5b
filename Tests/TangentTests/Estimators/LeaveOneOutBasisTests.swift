import AutoDiff
import Foundation
import Testing

@testable import Tangent

@Suite struct LeaveOneOutBasisTests {
  /// Against a factorization of its own for each vector that is left out.
  @Test(arguments: [2, 3, 8, 15]) func isAFactorizationWithoutEachVector(k: Int) throws {
    let n = 40
    var random = RandomGenerator(seed: UInt64(k))
    let spectrum = (0..<n).map { pow(0.9, Double($0)) * ($0 % 3 == 0 ? -1 : 1) }
    let matrix = try PlantedMatrix.random(spectrum, using: &random)
    let a = try DenseSymmetricOperator(matrix)
    let vectors = Tensor.normal([n, k], using: &random)
    let basis = try LeaveOneOutBasis(of: a, vectors, for: "test")
    let traces = try basis.traces().scalars
    expectClose(Tensor(traces), Tensor(try naiveTraces(matrix, vectors)), .analytic)
    // And the jackknife against all estimates from one vector less.
    let (value, error) = try basis.meanTrace()
    expectClose(value, traces.reduce(0, +) / Double(k), .exact)
    let less = try (0..<k).map { i in try naiveTraces(matrix, without(i, vectors)).reduce(0, +) / Double(k - 1) }
    let mean = less.reduce(0, +) / Double(k)
    let squares = less.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    expectClose(Tensor(error), Tensor(squares.squareRoot()), tolerance: 1e-10)
  }

  private func without(_ i: Int, _ vectors: Tensor) -> Tensor {
    stack((0..<vectors.shape[1]).filter { $0 != i }.map { vectors[TensorIndex.all, $0] }, axis: 1)
  }

  private func naiveTraces(_ a: Tensor, _ vectors: Tensor) throws -> [Double] {
    let (n, k) = (vectors.shape[0], vectors.shape[1])
    return try (0..<k).map { i in
      let q = k == 1 ? Tensor.zeros([n, 1]) : try qr(matmul(a, without(i, vectors))).q
      let omega = vectors[TensorIndex.all, i]
      let rest = omega - matmul(q, matmul(q.transposed, omega))
      let form = dot(rest, matmul(a, rest)) * Double(n - k + 1) / dot(rest, rest)
      return ((q * matmul(a, q)).sum() + form).scalar
    }
  }
}
