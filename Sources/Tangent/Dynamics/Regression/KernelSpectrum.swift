import AutoDiff
import Foundation

/// The eigenvalues and eigenvectors of a kernel matrix, with proved brackets.
///
/// The eigenproblem is solved in double precision whatever the kernel's type. From the computed eigenpairs comes a bound of
/// the error of every eigenvalue (``eigenvalueError``) that is a theorem about the matrix as it was given: the residual and the
/// departure from orthogonality are evaluated with error-free products, and their remaining rounding is bounded. What a
/// kernel's entries lost before, a relative 1e-7 in single precision, is not in it.
///
/// The results are numbers: no derivative passes. For derivatives of eigenvalues use `symmetricEigenvalues`.
public struct KernelSpectrum: Sendable {
  /// The symmetric part of the kernel matrix, in double precision: [n, n].
  public let matrix: Tensor
  /// The type of the kernel matrix as it was given.
  public let scalarType: ScalarType
  /// The computed eigenvalues, descending.
  public let eigenvalues: [Double]
  /// The computed eigenvectors as columns in the order of the eigenvalues, of length 1, in double precision: [n, n].
  public let eigenvectors: Tensor
  /// A proved bound: the i-th largest eigenvalue of ``matrix`` differs by at most this from `eigenvalues[i]`.
  public let eigenvalueError: Double
  /// A proved bound of ‖K V − V Λ‖_F.
  public let residual: Double
  /// A proved bound of ‖VᵀV − I‖_F.
  public let orthogonalityError: Double

  /// Solves the eigenproblem.
  ///
  /// - Parameters:
  ///   - kernel: [n, n]; another shape stops. n = 0 has no eigenvalues, and its other quantities are 0.
  ///   - symmetryTolerance: how far entries may differ from their mirror images, relative to the largest magnitude; by
  ///     default 1024 times the type's epsilon. The symmetric part counts.
  /// - Throws: ``SymmetricMatrixError/notFinite(row:column:value:)`` with the first entry,
  ///   ``SymmetricMatrixError/notSymmetric(row:column:value:mirror:tolerance:)`` with the worst pair, and
  ///   `LinearAlgebraError.notConverged`.
  /// - Complexity: 9 n³ flops for the eigenpairs and 12 n³, of matrix products, for the bound; 5 n² numbers of memory on the
  ///   way, 2 n² after it.
  /// - Source: the bound is derived at `EigenvalueError` from Weyl's theorem.
  public init(of kernel: Tensor, symmetryTolerance: Double? = nil) throws {
    try self.init(of: kernel, symmetryTolerance: symmetryTolerance, for: "KernelSpectrum")
  }

  /// - Parameter operation: what the user called.
  init(of kernel: Tensor, symmetryTolerance: Double? = nil, for operation: String) throws {
    let given = stopGradient(try symmetricPart(of: kernel, tolerance: symmetryTolerance, for: operation))
    (matrix, scalarType) = (given.as(.float64), kernel.scalarType)
    let n = matrix.shape[0]
    guard n > 0 else {
      (eigenvalues, eigenvectors) = ([], matrix)
      (eigenvalueError, residual, orthogonalityError) = (0, 0, 0)
      return
    }
    // Divided by a power of two, so that the entries are less than 2 and then at most 1, and nothing is rounded.
    let largest = abs(matrix).max().scalar
    let scale = largest >= Double.leastNormalMagnitude ? largest.binade : .leastNormalMagnitude
    let scaled = matrix / scale * 0.5
    let (values, vectors) = try symmetricEigen(scaled)
    func restored(_ value: Double) -> Double { value * 2 * scale }
    let order = Array((0..<n).reversed())
    eigenvectors = vectors.gathered(at: order, axis: 1)
    eigenvalues = values.scalars.reversed().map(restored)
    let error = EigenvalueError(scaled, vectors: vectors, values: values)
    eigenvalueError = restored(error.bound).nextUp
    residual = restored(error.residual).nextUp
    orthogonalityError = error.departure
  }

  /// n.
  public var count: Int { eigenvalues.count }

  /// The i-th largest eigenvalue. Both ends are proved.
  public func bracket(_ index: Int) -> Bracket { Bracket(eigenvalues[index], error: eigenvalueError, .wholeResidual) }

  /// λ_max. Both ends are proved.
  public var largest: Bracket { count == 0 ? Bracket(0, error: 0, .derived) : bracket(0) }

  /// λ_min. Both ends are proved; where the lower one is positive, so is the kernel matrix.
  public var smallest: Bracket { count == 0 ? Bracket(0, error: 0, .derived) : bracket(count - 1) }

  /// The sum of the diagonal, with the worst case of its rounding.
  public var trace: Bracket {
    let diagonal = (0..<count).map { matrix[$0, $0].scalar }
    let error = Double(count) * Double.ulpOfOne * diagonal.reduce(0) { $0 + $1.magnitude }
    return Bracket(diagonal.reduce(0, +), error: error, .rounding)
  }

  /// λ_max / λ_min, infinite unless λ_min is positive. The upper end is infinite where λ_min is not proved to be positive.
  public var conditionNumber: Bracket {
    let (large, small) = (largest, smallest)
    func ratio(_ a: Double, _ b: Double) -> Double { b > 0 ? a / b : .infinity }
    return Bracket(
      ratio(large.estimate, small.estimate),
      lower: Bound(max(1, ratio(large.lower.value, small.upper.value) * (1 - Double.ulpOfOne)), .derived),
      upper: Bound(ratio(large.upper.value, small.lower.value) * (1 + Double.ulpOfOne), .derived))
  }

  /// tr K / λ_max, between 1 and n for a kernel: how many directions as large as the largest would make the trace.
  ///
  /// - Source: the intrinsic dimension of J. Tropp, *An introduction to matrix concentration inequalities* (2015), 7.1.
  public var effectiveRank: Double { largest.estimate > 0 ? trace.estimate / largest.estimate : 0 }

  /// exp(−Σ pᵢ log pᵢ) with pᵢ = λᵢ / Σ λ, negative eigenvalues counted as 0: between 1 and n, and k for k equal ones.
  ///
  /// - Source: O. Roy, M. Vetterli, *The effective rank: a measure of effective dimensionality*, EUSIPCO 2007.
  public var entropyRank: Double {
    let largest = largest.estimate
    guard largest > 0 else { return 0 }
    let values = eigenvalues.map { max($0 / largest, 0) }
    let total = values.reduce(0, +)
    return exp(-values.reduce(0) { $1 > 0 ? $0 + $1 / total * log($1 / total) : $0 })
  }

  /// Eigenvalues of at most this share of the largest magnitude count as zero by default: n ε, with ε of the kernel's type.
  public var defaultCutoff: Double { Double(count) * scalarType.epsilon }

  /// The number of eigenvalues with |λ| ≤ cut-off · max |λ|.
  ///
  /// - Parameter cutoff: by default ``defaultCutoff``.
  public func nearNullDimension(cutoff: Double? = nil) -> Int {
    let limit = threshold(cutoff)
    return eigenvalues.count { $0.magnitude <= limit }
  }

  /// The magnitude up to which an eigenvalue counts as zero.
  func threshold(_ cutoff: Double?) -> Double {
    let share = cutoff ?? defaultCutoff
    requireCutoff(share)
    return share * max(eigenvalues.first?.magnitude ?? 0, eigenvalues.last?.magnitude ?? 0)
  }

  /// Throws if an eigenvalue is negative beyond the cut-off.
  ///
  /// - Parameter cutoff: relative to the largest magnitude; by default ``defaultCutoff``.
  /// - Throws: ``KernelMatrixError/indefinite(smallestEigenvalue:count:cutoff:)``, where the cut-off is the magnitude.
  public func requirePositiveSemidefinite(cutoff: Double? = nil) throws(KernelMatrixError) {
    let limit = threshold(cutoff)
    if let smallest = eigenvalues.last, smallest < -limit {
      throw .indefinite(smallestEigenvalue: smallest, count: count, cutoff: limit)
    }
  }
}

/// Stops unless a relative cut-off is a finite number of at least 0.
func requireCutoff(_ cutoff: Double) {
  guard cutoff >= 0, cutoff.isFinite else {
    stop("cut-off", "must be a finite number of at least 0", got: "\(cutoff)")
  }
}
