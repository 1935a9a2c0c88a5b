/// Eigenvalues and eigenvectors of the symmetric part of every matrix of a stack: [..., n, n] → [..., n + 1, n].
///
/// A primitive has one output, so the eigenvalues λ, ascending, are its first row, and the matrix V whose columns are the
/// eigenvectors is below them.
///
/// - Source: J. R. Magnus, *On differentiating eigenvalues and eigenvectors*, Econometric Theory 1 (1985).
struct SymmetricEigenvectors: MatrixFactorization {
  var name: String { "symmetricEigen" }

  func resultShape(rows: Int, columns: Int) -> [Int] {
    let n = squareExtent(rows, columns)
    return [n + 1, n]
  }

  func factor<T: LoopScalar>(
    _ a: UnsafePointer<T>, rows n: Int, columns: Int, into result: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    SymmetricPart.writeLowerHalf(of: a, n: n, into: result + n)
    try SymmetricEigen.decompose(result + n, n: n, values: result)
  }

  /// With M = Vᵀ Ȧ V: λ̇ = diag M and V̇ = V (F ∘ M), where Fᵢⱼ = 1 / (λⱼ − λᵢ).
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    guard let tangent = tangents[0] else { return nil }
    let (values, vectors) = Self.split(output)
    let rotated = matmul(vectors.transposed, matmul(tangent.symmetricPart, vectors))
    let moved = matmul(vectors, inverseGaps(values) * rotated)
    return concatenate([rotated.diagonal.expanded(at: -2), moved], axis: -2)
  }

  /// The symmetric part of V (diag λ̄ + F ∘ VᵀV̄) Vᵀ.
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let (values, vectors) = Self.split(output)
    let (valuesBar, vectorsBar) = Self.split(cotangent)
    let n = values.shape[values.rank - 1]
    let core =
      Tensor.eye(n, as: values.scalarType) * valuesBar.expanded(at: -2)
      + inverseGaps(values) * matmul(vectors.transposed, vectorsBar)
    return matmul(vectors, matmul(core, vectors.transposed)).symmetricPart
  }

  /// F, with zeros for eigenvalues that are equal to working precision.
  ///
  /// Vectors of one eigenvalue are determined up to a rotation only. Where a function does not depend on that rotation,
  /// the entries of F between them cancel, so zero is their right value; elsewhere there is no derivative.
  private func inverseGaps(_ values: Tensor) -> Tensor {
    let n = values.shape[values.rank - 1]
    guard n > 0 else { return .zeros(values.shape + [0], as: values.scalarType) }
    let gaps = values.expanded(at: -2) - values.expanded(at: -1)
    let resolution = abs(values).max(axes: [-1], keepingAxes: true) * (Double(n) * values.scalarType.epsilon)
    let isZero = abs(gaps) .<= resolution.expanded(at: -1)
    return (1 - isZero) / (gaps + isZero)
  }

  /// Eigenvalues and eigenvectors of what is packed.
  static func split(_ packed: Tensor) -> (values: Tensor, vectors: Tensor) {
    (packed[..., 0, TensorIndex.all], packed[..., 1..., TensorIndex.all])
  }
}

/// The eigenvalues, ascending, of the symmetric part of every matrix of a stack: [..., n, n] → [..., n].
struct SymmetricEigenvalues: MatrixFactorization {
  var name: String { "symmetricEigenvalues" }

  func resultShape(rows: Int, columns: Int) -> [Int] { [squareExtent(rows, columns)] }

  func factor<T: LoopScalar>(
    _ a: UnsafePointer<T>, rows n: Int, columns: Int, into result: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError) {
    let failure: LinearAlgebraError? = withPooledScratch(T.self, n * n) { half in
      SymmetricPart.writeLowerHalf(of: a, n: n, into: half)
      do throws(LinearAlgebraError) {
        try SymmetricEigen.values(half, n: n, values: result)
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
  }

  /// λ̇ᵢ = vᵢᵀ Ȧ vᵢ.
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    guard let tangent = tangents[0] else { return nil }
    let vectors = eigenvectors(inputs[0])
    return (vectors * matmul(tangent, vectors)).sum(axes: [-2])
  }

  /// V diag λ̄ Vᵀ.
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let vectors = eigenvectors(inputs[0])
    return matmul(vectors * cotangent.expanded(at: -2), vectors.transposed)
  }

  private func eigenvectors(_ a: Tensor) -> Tensor {
    SymmetricEigenvectors.split(dispatch(SymmetricEigenvectors(), .one(a))).vectors
  }
}
