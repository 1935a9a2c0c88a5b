import Testing

@testable import AutoDiff

/// A factorisation of A + D, for a fixed diagonal D that makes any small A a matrix which has it: positive definite, or
/// with eigenvalues far apart. Its rules are those of the factorisation, so its laws are.
struct ShiftedFactorisation<Factorisation: MatrixFactorisation>: Primitive {
  let factorisation: Factorisation
  let diagonal: [Double]

  var name: String { factorisation.name }

  private func shifted(_ inputs: Operands) -> Operands {
    let n = diagonal.count
    let entries = (0..<n * n).map { $0 % (n + 1) == 0 ? diagonal[$0 / (n + 1)] : 0 }
    return inputs.map { $0 + Tensor(entries, shape: [n, n], as: $0.scalarType) }
  }

  func shape(of inputs: Operands) -> [Int] { factorisation.shape(of: inputs) }
  func evaluate(_ inputs: Operands) -> Tensor { factorisation.evaluate(shifted(inputs)) }
  func jvp(_ inputs: Operands, _ tangents: Tangents, output: Tensor) -> Tensor? {
    factorisation.jvp(shifted(inputs), tangents, output: output)
  }
  func vjp(_ inputs: Operands, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    factorisation.vjp(shifted(inputs), output: output, cotangent: cotangent, argument: argument)
  }
  func batch(_ inputs: Operands, isBatched: Few<Bool>, size: Int) -> Tensor {
    factorisation.batch(shifted(inputs), isBatched: isBatched, size: size)
  }

  /// The laws' subject for matrices of entries in [−1, 1] beside the diagonal.
  func variant(_ note: String, stack: [Int] = [], order: Int = 3, oracle: @escaping Oracle) -> Variant {
    let diagonal = diagonal
    let shape = stack + [diagonal.count, diagonal.count]
    return Variant(self, note: note, [Argument(shape, .interval(-1...1))], order: order) { inputs in
      var a = inputs[0]
      for index in Naive.indices(of: a.shape) where index[index.count - 1] == index[index.count - 2] {
        a[index] += diagonal[index[index.count - 1]]
      }
      return oracle([a])
    }
  }
}

/// The catalogue's laws for matrices with more than one entry, whose entries cannot be drawn independently.
@Suite struct MatrixLawTests {
  static let variants: [Variant] = [
    ShiftedFactorisation(factorisation: CholeskyFactor(), diagonal: [4, 5]).variant(
      "cholesky", oracle: MatrixOracles.cholesky),
    ShiftedFactorisation(factorisation: CholeskyFactor(), diagonal: [6, 5, 4]).variant(
      "cholesky", stack: [2], oracle: MatrixOracles.cholesky),
    ShiftedFactorisation(factorisation: CholeskyFactor(), diagonal: [4, 3]).variant(
      "cholesky, many", stack: [3, 3], oracle: MatrixOracles.cholesky),
    ShiftedFactorisation(factorisation: SymmetricEigenvectors(), diagonal: [3, 0]).variant(
      "vectors", oracle: MatrixOracles.symmetricEigen),
    ShiftedFactorisation(factorisation: SymmetricEigenvectors(), diagonal: [0, 9, 4]).variant(
      "vectors", stack: [2], oracle: MatrixOracles.symmetricEigen),
    ShiftedFactorisation(factorisation: SymmetricEigenvectors(), diagonal: [4, 0]).variant(
      "vectors, many", stack: [8], oracle: MatrixOracles.symmetricEigen),
    ShiftedFactorisation(factorisation: SymmetricEigenvalues(), diagonal: [3, 0]).variant(
      "values", oracle: MatrixOracles.symmetricEigenvalues),
    ShiftedFactorisation(factorisation: SymmetricEigenvalues(), diagonal: [0, 9, 4]).variant(
      "values", stack: [2], oracle: MatrixOracles.symmetricEigenvalues),
  ]

  @Test(arguments: variants) func values(_ variant: Variant) {
    variant.checkValue()
    variant.checkShapes()
    variant.checkSinglePrecision()
  }

  @Test(arguments: variants) func views(_ variant: Variant) { variant.checkViews() }

  @Test(arguments: variants, [1, 2, 3]) func derivatives(_ variant: Variant, order: Int) {
    variant.checkDifferences(order: order)
    variant.checkAdjoint(order: order)
  }

  @Test(arguments: variants, [0, 1, 3]) func batching(_ variant: Variant, size: Int) {
    variant.checkVmap(size: size)
    variant.checkVmapCommutesWithForward(size: size)
    variant.checkVmapCommutesWithReverse(size: size)
  }

  @Test(arguments: variants) func nestedBatching(_ variant: Variant) { variant.checkNestedVmap() }
}
