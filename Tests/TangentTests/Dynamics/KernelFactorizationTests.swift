import AutoDiff
import Foundation
import Tangent
import Testing

@Suite struct KernelFactorizationTests {
  @Test(arguments: ScalarType.allCases, [KernelSolver.cholesky, .pseudoInverse()]) func invertsDefiniteMatrices(
    type: ScalarType, solver: KernelSolver
  ) throws {
    var random = RandomGenerator(seed: 1)
    for n in [1, 2, 9] {
      let spectrum = (0..<n).map { 1 + Double($0) }
      let a = try PlantedMatrix.random(spectrum, as: type, using: &random)
      let ridge = Tensor.uniform([n], as: type, using: &random)
      let b = Tensor.normal([n, 2], as: type, using: &random)
      let factors = try KernelFactorization(a, ridge: ridge, solver: solver)
      let whole = a + Tensor.eye(n, as: type) * ridge
      let tolerance = 200 * type.epsilon
      expectClose(matmul(whole, factors.solve(b)), b, tolerance: tolerance)
      let half = try factors.halfSolve(b)
      expectClose(matmul(half.transposed, half), matmul(b.transposed, factors.solve(b)), tolerance: tolerance)
      expectClose(try factors.logDeterminant(), try logDeterminant(whole), tolerance: tolerance)
      #expect(factors.rank == n && factors.solve(b).scalarType == type)
    }
  }

  /// Moore and Penrose's conditions for singular and indefinite matrices.
  @Test(arguments: awkwardSpectra, ScalarType.allCases) func thePseudoInverseIsMoorePenrose(
    spectrum: [Double], type: ScalarType
  ) throws {
    let n = spectrum.count
    let a = PlantedMatrix.exact(spectrum, as: type)
    let factors = try KernelFactorization(a)
    let inverse = factors.solve(.eye(n, as: type))
    let tolerance = 100 * type.epsilon * (spectrum[0] > 100 ? 1000 : 1)
    let size = max(spectrum[0], 1)
    #expect(abs(matmul(matmul(a, inverse), a) - a).max().scalar <= tolerance * size)
    #expect(abs(matmul(matmul(inverse, a), inverse) - inverse).max().scalar <= tolerance)
    #expect(abs(matmul(a, inverse) - matmul(inverse, a)).max().scalar <= tolerance)
    #expect(factors.rank == spectrum.count { $0 != 0 })
    if spectrum[n - 1] < 0 {
      #expect(throws: KernelMatrixError.self) { try factors.halfSolve(.eye(n, as: type)) }
    } else {
      let half = try factors.halfSolve(.eye(n, as: type))
      #expect(abs(matmul(half.transposed, half) - inverse).max().scalar <= tolerance)
    }
  }

  @Test func theCutoffDecidesTheRank() throws {
    let a = PlantedMatrix.exact([8, 4, 2, 1])
    for (cutoff, rank) in [(0.0, 4), (0.2, 3), (0.3, 2), (0.6, 1), (1.0, 0)] {
      let factors = try KernelFactorization(a, solver: .pseudoInverse(cutoff: cutoff))
      #expect(factors.rank == rank && factors.cutoff == cutoff * factors.spectrum!.eigenvalues[0])
      #expect(factors.solve(.eye(4)).isFinite)
    }
  }

  /// Eigenvalues without a finite reciprocal never make infinities, and a cut-off below 0 stops.
  @Test func noCutoffIsSafe() async throws {
    let tiny = try KernelFactorization(Tensor.eye(2) * Tensor([1, 0x1p-1030]), solver: .pseudoInverse(cutoff: 0))
    #expect(tiny.rank == 1 && tiny.solve(.ones([2, 1])) == Tensor([[1], [0]]))
    let negative = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try KernelFactorization(.eye(2), solver: .pseudoInverse(cutoff: -1))
    }
    #expect(negative.message.contains("cut-off: must be a finite number of at least 0, but got -1.0"))
  }

  @Test(arguments: ScalarType.allCases) func choleskyNamesTheSmallestEigenvalue(type: ScalarType) throws {
    let indefinite = PlantedMatrix.exact([4, 3, 2, -1], as: type)
    let error = try #require(throws: KernelMatrixError.self) { try KernelFactorization(indefinite, solver: .cholesky) }
    guard case .indefinite(let smallest, 4, let cutoff) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(abs(smallest + 1) < 1e-14 && abs(cutoff - 16 * type.epsilon) < type.epsilon)
    // Exactly singular, and so nearly that rounding decides.
    for last in [0, type.epsilon] {
      let singular = PlantedMatrix.exact([4, 3, 2, last], as: type)
      let error = try #require(throws: KernelMatrixError.self) { try KernelFactorization(singular, solver: .cholesky) }
      guard case .singular(let smallest, 4, _) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(abs(smallest) < 4 * type.epsilon && "\(error)".contains("\(smallest)"))
      _ = try KernelFactorization(singular, ridge: Tensor(0.01, as: type), solver: .cholesky)
    }
  }

  @Test func aSingularMatrixHasNoDeterminant() throws {
    let factors = try KernelFactorization(PlantedMatrix.exact([3, 2, 1, 0]))
    let error = try #require(throws: KernelMatrixError.self) { try factors.logDeterminant() }
    guard case .singular(let smallest, 4, _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(abs(smallest) < 1e-14)
  }

  @Test(arguments: [KernelSolver.cholesky, .pseudoInverse()]) func noExamplesAreNoObstacle(solver: KernelSolver) throws
  {
    let factors = try KernelFactorization(.zeros([0, 0]), ridge: Tensor(1), solver: solver)
    #expect(factors.solve(.zeros([0, 2])).shape == [0, 2] && factors.rank == 0)
    #expect(try factors.halfSolve(.zeros([0, 2])).shape == [0, 2])
    #expect(try factors.logDeterminant().scalar == 0)
  }

  @Test func wrongRidgesAndTracedKernelsStop() async {
    let ridge = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try KernelFactorization(.eye(2), ridge: Tensor([1, -1]))
    }
    #expect(ridge.message.contains("the ridge must be one number or [2] of float64, all at least 0"))
    let traced = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try gradient(of: { try KernelFactorization($0).solve(.eye(2)).sum() }, at: Tensor.eye(2))
    }
    #expect(traced.message.contains("the pseudo-inverse has no derivative with respect to the kernel matrix"))
  }
}
