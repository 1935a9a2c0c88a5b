import Testing

@testable import AutoDiff

/// A factorization of A + D, for a fixed diagonal D that makes any small A a matrix which has it: positive definite, or
/// with eigenvalues far apart. Its rules are those of the factorization, so its laws are.
struct ShiftedFactorization<Factorization: MatrixFactorization>: Primitive {
  let factorization: Factorization
  let diagonal: [Double]

  var name: String { factorization.name }

  private func shifted(_ inputs: Inputs) -> Inputs {
    let n = diagonal.count
    let entries = (0..<n * n).map { $0 % (n + 1) == 0 ? diagonal[$0 / (n + 1)] : 0 }
    return inputs.map { $0 + Tensor(entries, shape: [n, n], as: $0.scalarType) }
  }

  func shape(of inputs: Inputs) -> [Int] { factorization.shape(of: inputs) }
  func evaluate(_ inputs: Inputs) -> Tensor { factorization.evaluate(shifted(inputs)) }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    factorization.jvp(shifted(inputs), tangents, output: output)
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    factorization.vjp(shifted(inputs), output: output, cotangent: cotangent, argument: argument)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    factorization.batch(shifted(inputs), isBatched: isBatched, size: size)
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
    ShiftedFactorization(factorization: CholeskyFactor(), diagonal: [4, 5]).variant(
      "cholesky", oracle: MatrixOracles.cholesky),
    ShiftedFactorization(factorization: CholeskyFactor(), diagonal: [6, 5, 4]).variant(
      "cholesky", stack: [2], oracle: MatrixOracles.cholesky),
    ShiftedFactorization(factorization: CholeskyFactor(), diagonal: [4, 3]).variant(
      "cholesky, many", stack: [3, 3], oracle: MatrixOracles.cholesky),
    ShiftedFactorization(factorization: SymmetricEigenvectors(), diagonal: [3, 0]).variant(
      "vectors", oracle: MatrixOracles.symmetricEigen),
    ShiftedFactorization(factorization: SymmetricEigenvectors(), diagonal: [0, 9, 4]).variant(
      "vectors", stack: [2], oracle: MatrixOracles.symmetricEigen),
    ShiftedFactorization(factorization: SymmetricEigenvectors(), diagonal: [4, 0]).variant(
      "vectors, many", stack: [8], oracle: MatrixOracles.symmetricEigen),
    ShiftedFactorization(factorization: SymmetricEigenvalues(), diagonal: [3, 0]).variant(
      "values", oracle: MatrixOracles.symmetricEigenvalues),
    ShiftedFactorization(factorization: SymmetricEigenvalues(), diagonal: [0, 9, 4]).variant(
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
