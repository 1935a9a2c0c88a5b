import AutoDiff

/// The polynomial kernel (xᵢ·zⱼ + c)^r.
///
/// - Shapes: x [n, example shape...], z [m, example shape...] → [n, m]
/// - Parameters:
///   - x: examples; entries of an example are taken as one vector.
///   - z: other examples of the same shape and type; another one stops.
///   - degree: r ≥ 0; a negative one stops.
///   - offset: c ≥ 0, of which smaller ones stop: the kernel would not be positive semidefinite. By default 1.
/// - Returns: the kernel matrix. Differentiable in both sets.
/// - Complexity: 2 n m d flops.
/// - Source: the textbook chapter *Wide neural networks*, example 11.10.
public func polynomialKernel(_ x: Tensor, _ z: Tensor, degree: Int, offset: Double = 1) -> Tensor {
  guard degree >= 0 else { stop("polynomialKernel", "the degree must not be negative", got: "\(degree)") }
  guard offset >= 0, offset.isFinite else {
    stop("polynomialKernel", "the offset must be a finite number of at least 0", got: "\(offset)")
  }
  let (rows, columns) = examplePair("polynomialKernel", x, z)
  let products = matmul(rows, columns.transposed) + offset
  return degree == 0 ? Tensor.ones(like: products) : pow(products, Double(degree))
}

/// The radial basis function or Gaussian kernel exp(−c ‖xᵢ − zⱼ‖²).
///
/// From differences of the examples, so accurate between close points too; see ``squaredDistances(_:_:)``. For a derivative
/// with respect to c, scale the examples by √c.
///
/// - Shapes: x [n, example shape...], z [m, example shape...] → [n, m]
/// - Parameters:
///   - x: examples.
///   - z: other examples of the same shape and type; another one stops.
///   - rate: c > 0, one over the square of a length; 1/(2 ℓ²) for a length scale ℓ. Others stop.
/// - Returns: the kernel matrix. Differentiable in both sets.
/// - Complexity: 3 n m d flops.
/// - Source: the textbook chapter *Wide neural networks*, example 11.10.
public func rbfKernel(_ x: Tensor, _ z: Tensor, rate: Double) -> Tensor {
  requirePositive(rate, "rbfKernel")
  return exp(squaredDistances(x, z) * -rate)
}

/// The Laplace kernel exp(−c ‖xᵢ − zⱼ‖), with the Euclidean norm.
///
/// From differences of the examples, so accurate between close points too, where it has a kink; see ``distances(_:_:)``.
///
/// - Shapes: x [n, example shape...], z [m, example shape...] → [n, m]
/// - Parameters:
///   - x: examples.
///   - z: other examples of the same shape and type; another one stops.
///   - rate: c > 0, one over a length. Others stop.
/// - Returns: the kernel matrix. Differentiable in both sets; the derivative where two points coincide is taken to be 0.
/// - Complexity: 3 n m d flops.
/// - Source: the textbook chapter *Wide neural networks*, example 11.10.
public func laplaceKernel(_ x: Tensor, _ z: Tensor, rate: Double) -> Tensor {
  requirePositive(rate, "laplaceKernel")
  return exp(distances(x, z) * -rate)
}

private func requirePositive(_ rate: Double, _ operation: String) {
  guard rate > 0, rate.isFinite else { stop(operation, "the rate must be a positive finite number", got: "\(rate)") }
}
