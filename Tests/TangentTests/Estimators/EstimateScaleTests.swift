import AutoDiff
import Foundation
import Tangent
import Testing

/// Estimates for 2ᵉ A are 2ᵉ times those for A, their standard errors included: nothing depends on the unit of the operator.
@Suite struct EstimateScaleTests {
  /// Exponents at whose size squares are no numbers.
  static let exponents: [(type: ScalarType, exponent: Int)] = [
    (.float64, -980), (.float64, -540), (.float64, 540), (.float64, 980), (.float32, -110), (.float32, 110),
  ]
  /// Of rank 16, 3, and 1, and one whose products with signs vanish or nearly do.
  static let matrices: [Tensor] = {
    var random = RandomGenerator(seed: 5)
    let b = Tensor.normal([16, 16], using: &random)
    let thin = [3, 1].map { b[TensorIndex.all, 0..<$0] }
    return [(b + b.transposed) * 0.5] + thin.map { matmul($0, $0.transposed) } + [.ones([16, 16])]
  }()

  private func operators(
    _ matrix: Tensor, _ type: ScalarType, _ exponent: Int
  ) throws -> (plain: DenseSymmetricOperator, scaled: DenseSymmetricOperator, unit: Double) {
    let unit = scalbn(1.0, exponent)
    let plain = matrix.as(type)
    return (try .init(plain), try .init(plain * unit), unit)
  }

  /// Relative to the size of the whole estimate, because its rounding is not that of its smallest parts.
  private func expectScaled(
    _ scaled: Double, _ plain: Double, _ unit: Double, size: Double, _ type: ScalarType, _ what: String
  ) {
    let error = abs(scaled / unit - plain)
    #expect(error <= (type == .float64 ? 1e-9 : 1e-3) * size, "\(what): \(scaled / unit) for \(plain)")
  }

  @Test(arguments: exponents, matrices) func traces(
    scale: (type: ScalarType, exponent: Int), matrix: Tensor
  ) throws {
    let (plain, scaled, unit) = try operators(matrix, scale.type, scale.exponent)
    for method in TraceEstimateTests.methods {
      var (first, second) = (RandomGenerator(seed: 1), RandomGenerator(seed: 1))
      let a = try estimateTrace(of: plain, by: method, products: 9, using: &first)
      let b = try estimateTrace(of: scaled, by: method, products: 9, using: &second)
      let size = abs(a.value) + a.standardError
      expectScaled(b.value, a.value, unit, size: size, scale.type, "\(method)")
      expectScaled(b.standardError, a.standardError, unit, size: size, scale.type, "error of \(method)")
    }
  }

  @Test(arguments: exponents, matrices) func diagonals(
    scale: (type: ScalarType, exponent: Int), matrix: Tensor
  ) throws {
    let (plain, scaled, unit) = try operators(matrix, scale.type, scale.exponent)
    for method in DiagonalMethod.allCases {
      var (first, second) = (RandomGenerator(seed: 1), RandomGenerator(seed: 1))
      let a = try estimateDiagonal(of: plain, by: method, products: 9, using: &first)
      let b = try estimateDiagonal(of: scaled, by: method, products: 9, using: &second)
      let size = (abs(a.values) + a.standardErrors).max().scalar
      for k in [0, 7] {
        expectScaled(b.values[k].scalar, a.values[k].scalar, unit, size: size, scale.type, "\(method)")
        expectScaled(
          b.standardErrors[k].scalar, a.standardErrors[k].scalar, unit, size: size, scale.type, "error of \(method)")
      }
    }
  }

  @Test(arguments: exponents, matrices) func quadratures(
    scale: (type: ScalarType, exponent: Int), matrix: Tensor
  ) throws {
    let (plain, scaled, unit) = try operators(matrix, scale.type, scale.exponent)
    var (first, second) = (RandomGenerator(seed: 1), RandomGenerator(seed: 1))
    let a = try LanczosQuadrature(of: plain, probes: 3, steps: 6, using: &first)
    let b = try LanczosQuadrature(of: scaled, probes: 3, steps: 6, using: &second)
    let (trace, other) = (try a.trace { abs($0) }, try b.trace { abs($0) })
    let size = trace.value + trace.standardError
    expectScaled(other.value, trace.value, unit, size: size, scale.type, "trace")
    expectScaled(other.standardError, trace.standardError, unit, size: size, scale.type, "error of the trace")
    let grid = [-1.0, 0, 1, 4]
    let (density, thin) = (a.density(width: 2, on: grid), b.density(width: 2 * unit, on: grid.map { $0 * unit }))
    for k in grid.indices {
      expectScaled(thin.density[k], density.density[k], 1 / unit, size: 0.2, scale.type, "density")
      expectScaled(
        thin.standardErrors[k], density.standardErrors[k], 1 / unit, size: 0.2, scale.type, "error of the density")
    }
  }

  /// A multiple of a preconditioner is as good as itself, and a large operator as easy as a small one.
  @Test(arguments: [-700, 0, 700], [-600, 0, 600]) func conjugateGradientsKnowNoUnit(
    operatorExponent: Int, preconditionerExponent: Int
  ) throws {
    let diagonal = Tensor((0..<12).map { pow(10, Double($0) - 6) }).expanded(at: 1)
    let (unit, other) = (scalbn(1.0, operatorExponent), scalbn(1.0, preconditionerExponent))
    let a = ClosureOperator(dimension: 12) { $0 * diagonal * unit }
    let m = ClosureOperator(dimension: 12) { $0 / diagonal * other }
    let found = try conjugateGradients(a, .ones([12]), preconditioner: m)
    #expect(found.stoppingReason == .converged && found.iterations <= 3)
    expectClose(found.solution * unit, 1 / diagonal.flattened, tolerance: 1e-9)
  }

  @Test func aPreconditionerThatIsNotPositiveIsShownInItsOwnUnit() throws {
    let a = ClosureOperator(dimension: 2) { $0 }
    let m = ClosureOperator(dimension: 2) { $0 * -3e250 }
    #expect {
      _ = try conjugateGradients(a, Tensor([1.0, 0]), preconditioner: m)
    } throws: { error in
      guard case .preconditionerNotPositive(let value, 1, 0)? = error as? SymmetricMatrixError else { return false }
      return abs(value / -3e250 - 1) < 1e-9
    }
  }
}
