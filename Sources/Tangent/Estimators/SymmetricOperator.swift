import AutoDiff

/// A symmetric linear map A of ℝⁿ that is known by its products with vectors.
///
/// This is all that ``lanczos(_:count:end:using:options:)`` and ``conjugateGradients(_:_:ridge:preconditioner:options:)``
/// ask of a matrix, so a tangent kernel that does not fit into memory conforms by K v = J (Jᵀ v).
///
/// A conformance promises that the product is linear and symmetric, ⟨u, A v⟩ = ⟨A u, v⟩, to rounding; nothing checks it.
public protocol SymmetricOperator {
  /// n, the number of rows and of columns; 0 is allowed.
  var dimension: Int { get }

  /// The type of the entries of vectors and products.
  var scalarType: ScalarType { get }

  /// The products with several vectors at once.
  ///
  /// - Shapes: [n, k] → [n, k], for every k ≥ 1.
  /// - Parameter vectors: the vectors, as columns, of ``scalarType``.
  /// - Returns: A V, of ``scalarType``.
  /// - Throws: what the computation throws; iterations pass it on.
  func product(with vectors: Tensor) throws -> Tensor
}

extension SymmetricOperator {
  /// The products, with a look at what came back: a wrong shape or type stops, a number that is not finite is thrown.
  func checkedProduct(with vectors: Tensor, for operation: String) throws -> Tensor {
    let product = try product(with: vectors)
    guard product.shape == vectors.shape, product.scalarType == scalarType else {
      stop(
        operation, "the operator's product must be \(vectors.shape) of \(scalarType.rawValue)",
        got: "\(product.shape) of \(product.scalarType.rawValue)")
    }
    if !product.isFinite(for: operation), let place = product.scalars.firstIndex(where: { !$0.isFinite }) {
      let columns = product.shape[1]
      throw SymmetricMatrixError.productNotFinite(
        row: place / columns, column: place % columns, value: product.scalars[place])
    }
    return product
  }
}

/// A symmetric matrix in memory.
///
/// What counts is the symmetric part (A + Aᵀ) / 2, and the initializer refuses a matrix that is far from it.
public struct DenseSymmetricOperator: SymmetricOperator, Sendable {
  /// The symmetric part of the matrix: [n, n].
  public let matrix: Tensor

  /// Takes a matrix.
  ///
  /// - Parameters:
  ///   - matrix: [n, n]; another shape stops.
  ///   - symmetryTolerance: how far entries may differ from their mirror images, relative to the largest magnitude of
  ///     an entry; by default 1024 times the type's epsilon.
  /// - Throws: ``SymmetricMatrixError/notFinite(row:column:value:)`` for the first entry that is no finite number,
  ///   ``SymmetricMatrixError/notSymmetric(row:column:value:mirror:tolerance:)`` for the worst pair.
  /// - Complexity: n² operations and as much memory.
  public init(_ matrix: Tensor, symmetryTolerance: Double? = nil) throws(SymmetricMatrixError) {
    self.matrix = try symmetricPart(of: matrix, tolerance: symmetryTolerance, for: "DenseSymmetricOperator")
  }

  /// n.
  public var dimension: Int { matrix.shape[0] }

  /// The type of the matrix.
  public var scalarType: ScalarType { matrix.scalarType }

  /// A V by one matrix product: 2 n² k flops.
  public func product(with vectors: Tensor) -> Tensor { matmul(matrix, vectors) }
}

/// A symmetric map given by a function that multiplies with it.
public struct ClosureOperator: SymmetricOperator {
  /// n.
  public let dimension: Int
  /// The type of the entries.
  public let scalarType: ScalarType
  private let multiply: (Tensor) throws -> Tensor

  /// Takes the function.
  ///
  /// - Parameters:
  ///   - dimension: n; a negative one stops.
  ///   - scalarType: the type of vectors and products; by default double precision.
  ///   - multiply: V, [n, k], to A V, [n, k]. It has to be linear and symmetric.
  public init(dimension: Int, as scalarType: ScalarType = .float64, _ multiply: @escaping (Tensor) throws -> Tensor) {
    guard dimension >= 0 else { stop("ClosureOperator", "the dimension must not be negative", got: "\(dimension)") }
    (self.dimension, self.scalarType, self.multiply) = (dimension, scalarType, multiply)
  }

  /// What the function makes of the vectors.
  public func product(with vectors: Tensor) throws -> Tensor { try multiply(vectors) }
}
