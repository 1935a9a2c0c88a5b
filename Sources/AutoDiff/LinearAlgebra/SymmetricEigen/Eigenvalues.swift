/// The eigendecomposition A = V diag(w) Vᵀ of a symmetric matrix.
///
/// It is a function of the symmetric part (A + Aᵀ) / 2, so gradients are symmetric matrices. Every eigenvector has length
/// 1, and the first of its entries of largest magnitude is positive. It works under all transforms. With M = Vᵀ Ȧ V the
/// derivatives along Ȧ are
///
///     ẇᵢ = Mᵢᵢ        V̇ = V (F ∘ M)        Fᵢⱼ = 1 / (wⱼ − wᵢ),  Fᵢᵢ = 0
///
/// so the gradient of wᵢ is vᵢ vᵢᵀ.
///
/// - Warning: Derivatives of eigenvectors grow like one over the distance of their eigenvalues. Where two eigenvalues are
///   equal, to n ε max |w|, their vectors are determined up to a rotation only, and Fᵢⱼ is set to zero. First derivatives
///   are then right for functions that do not depend on that rotation, such as the projection onto the span of the
///   vectors or the sum of the eigenvalues; others, such as the single vectors, have none there.
/// - Shapes: [..., n, n] → [..., n] and [..., n, n]
/// - Parameter a: the matrix, or a stack of them.
/// - Returns: the eigenvalues in ascending order, and the eigenvectors as columns.
/// - Throws: `LinearAlgebraError.notFinite` if an entry is infinite or not a number, `.notConverged` if the iteration does
///   not end. Also under transforms; inside ``vmap(_:axis:outputAxis:)`` if it happens for any example.
/// - Complexity: about 9 n³ flops at most; derivatives 4 n³ and more. Memory for the result and 2 n² entries on the way.
///   The eigenvalues alone are cheaper by ``symmetricEigenvalues(_:)``.
/// - Source: reduction to tridiagonal form, then divide and conquer (Cuppen, Numer. Math. 36, 1981; Gu and Eisenstat, SIAM
///   J. Matrix Anal. Appl. 16, 1995); derivatives by Magnus, Econometric Theory 1 (1985).
public func symmetricEigen(_ a: Tensor) throws(LinearAlgebraError) -> (values: Tensor, vectors: Tensor) {
  SymmetricEigenvectors.split(try SymmetricEigenvectors().factors(of: a))
}

/// The eigenvalues of a symmetric matrix, in ascending order, without the eigenvectors.
///
/// A function of the symmetric part (A + Aᵀ) / 2; the gradient of the eigenvalue wᵢ is vᵢ vᵢᵀ. It works under all transforms,
/// and what ``symmetricEigen(_:)`` says of equal eigenvalues holds for its derivatives.
///
/// - Shapes: [..., n, n] → [..., n]
/// - Parameter a: the matrix, or a stack of them.
/// - Returns: the eigenvalues.
/// - Throws: `LinearAlgebraError`, as ``symmetricEigen(_:)``.
/// - Complexity: about 4/3 n³ flops and n² further entries of memory; derivatives need the eigenvectors.
public func symmetricEigenvalues(_ a: Tensor) throws(LinearAlgebraError) -> Tensor {
  try SymmetricEigenvalues().factors(of: a)
}
