import AutoDiff
import Foundation
import Testing

@testable import Tangent

@Suite struct SplitProductTests {
  /// Head and tail add up, and the heads' products are whole multiples of a number that 53 bits can count.
  @Test(arguments: [1, 2, 3, 64, 1000]) func splittingIsExact(n: Int) throws {
    var random = RandomGenerator(seed: UInt64(n))
    let x = Tensor.uniform([50], in: -1..<1, using: &random) * Tensor((0..<50).map { pow(10, -Double($0 % 12)) })
    let (head, tail) = SplitProduct.split(x, extent: n)
    #expect(head + tail == x)
    let bits = (49 - (Int.bitWidth - n.leadingZeroBitCount)) / 2
    let unit = pow(2.0, Double(-bits))
    #expect(head.allSatisfy { ($0 / unit).rounded() == $0 / unit && abs($0 / unit) <= 2 / unit })
    #expect(tail.allSatisfy { abs($0) <= unit / 2 })
    // n products of two such numbers of magnitude at most 2.
    #expect(Double(n) * pow(2 / unit, 2) <= 0x1p53)
  }

  /// Eigenpairs of whole numbers have the residual 0; where every eigenvalue is wrong by 2⁻⁴⁰, the bound is hardly above
  /// what that makes. Hadamard's signs, of length √8, depart from an orthogonal matrix by 7 I.
  @Test func boundsAreTight() {
    let n = 8
    let a = PlantedMatrix.exact([7, 6, 5, 4, 3, 2, 1, 0]) / 8
    func sign(_ i: Int, _ j: Int) -> Double { (i & j).nonzeroBitCount.isMultiple(of: 2) ? 1 : -1 }
    let signs = Tensor((0..<n).map { i in (0..<n).map { j in sign(i, j) } })
    let values = Tensor.range(from: 7, to: -1, by: -1) / 8
    #expect(SplitProduct.residualBound(a, signs, values) < 1e-13)
    let error = 0x1p-40
    let moved = SplitProduct.residualBound(a, signs, values + error)
    #expect(moved >= 8 * error && moved < 8.2 * error)
    let (departure, commutator) = SplitProduct.orthogonalityBounds(signs, values)
    #expect(commutator >= 0 && commutator < 1e-12)
    #expect(departure >= 7 * Double(n).squareRoot() && departure < 7 * Double(n).squareRoot() * (1 + 1e-12))
  }

  /// ‖S‖ and ‖[Λ, S]‖ from the definition, in exact arithmetic of whole numbers.
  @Test(arguments: [2, 5, 16]) func boundsTheExactDeparture(n: Int) {
    var random = RandomGenerator(seed: UInt64(n))
    let v = Tensor.uniform([n, n], in: -1..<1, using: &random).grid
    let values = Tensor.uniform([n], in: -1..<1, using: &random).grid
    let (iv, il) = (v.scalars.map { Int($0 * 0x1p20) }, values.scalars.map { Int($0 * 0x1p20) })
    var (squares, commutators) = (0.0, 0.0)
    for i in 0..<n {
      for j in 0..<n {
        let entry = (0..<n).reduce(i == j ? -(1 << 40) : 0) { $0 + iv[$1 * n + i] * iv[$1 * n + j] }
        squares += pow(Double(entry) * 0x1p-40, 2)
        commutators += pow(Double(entry) * Double(il[i] - il[j]) * 0x1p-60, 2)
      }
    }
    let (departure, commutator) = SplitProduct.orthogonalityBounds(v, values)
    #expect(departure >= squares.squareRoot() && departure <= squares.squareRoot() * (1 + 1e-9))
    #expect(commutator >= commutators.squareRoot() && commutator <= commutators.squareRoot() * (1 + 1e-9))
  }

  /// The bounds lie above residuals computed entry by entry in exact arithmetic of whole numbers, and not far above.
  @Test(arguments: [2, 5, 16]) func boundsTheExactResidual(n: Int) {
    var random = RandomGenerator(seed: UInt64(n))
    // Multiples of 2⁻²⁰, so that sums of products are whole multiples of 2⁻⁴⁰ and Int holds them.
    func grid(_ shape: [Int]) -> Tensor { Tensor.uniform(shape, in: -1..<1, using: &random).grid }
    let (a, v, values) = (grid([n, n]), grid([n, n]), grid([n]))
    func whole(_ x: Tensor) -> [Int] { x.scalars.map { Int($0 * 0x1p20) } }
    let (ia, iv, il) = (whole(a), whole(v), whole(values))
    var squares = 0.0
    for i in 0..<n {
      for j in 0..<n {
        let entry = (0..<n).reduce(-iv[i * n + j] * il[j]) { $0 + ia[i * n + $1] * iv[$1 * n + j] }
        squares += pow(Double(entry) * 0x1p-40, 2)
      }
    }
    let bound = SplitProduct.residualBound(a, v, values)
    #expect(bound >= squares.squareRoot() && bound <= squares.squareRoot() * (1 + 1e-9))
  }
}

extension Tensor {
  /// Rounded to multiples of 2⁻²⁰.
  fileprivate var grid: Tensor { Tensor(scalars.map { ($0 * 0x1p20).rounded() * 0x1p-20 }, shape: shape) }
}
