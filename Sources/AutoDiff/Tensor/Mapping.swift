/// Numbers computed from numbers, for evaluation rules of primitives outside this package.
///
/// Derivatives do not pass: inside a transform these functions stop. A primitive that evaluates with them states its
/// derivative as a rule of its own; see ``ElementwisePrimitive``.
extension Tensor {
  /// A tensor of the same shape and scalar type with the entries f(x).
  ///
  /// - Parameter f: gets every entry as a `Double`, in row-major order; its value is rounded to the scalar type. What it
  ///   throws is thrown.
  /// - Complexity: one call per entry, on one thread.
  public func mapped(_ f: (Double) throws -> Double) rethrows -> Tensor {
    requireNumbers("mapped")
    return try perType(scalarType, double: mapped(Double.self, f), float: mapped(Float.self, f))
  }

  /// A tensor of the same shape and scalar type with the entries f(x, y).
  ///
  /// - Parameters:
  ///   - other: of the same shape and scalar type; others stop.
  ///   - f: gets every pair of entries as numbers of type `Double`, in row-major order; its value is rounded to the scalar
  ///     type. What it throws is thrown.
  /// - Complexity: one call per entry, on one thread.
  public func zipMapped(_ other: Tensor, _ f: (Double, Double) throws -> Double) rethrows -> Tensor {
    requireNumbers("zipMapped")
    other.requireNumbers("zipMapped")
    requireOneScalarType("zipMapped", self, other)
    if shape != other.shape { AutoDiff.stop("zipMapped", "shapes must agree", got: "\(shape) and \(other.shape)") }
    return try perType(
      scalarType, double: zipMapped(Double.self, other, f), float: zipMapped(Float.self, other, f))
  }

  private func mapped<T: LoopScalar>(_: T.Type, _ f: (Double) throws -> Double) rethrows -> Tensor {
    let count = count
    return try .make(shape, T.self, for: "mapped") { y in
      try withEntries(T.self) { x in
        for i in 0..<count { (y + i).initialize(to: T(try f(Double(x[i])))) }
      }
    }
  }

  private func zipMapped<T: LoopScalar>(
    _: T.Type, _ other: Tensor, _ f: (Double, Double) throws -> Double
  ) rethrows -> Tensor {
    let count = count
    return try .make(shape, T.self, for: "zipMapped") { z in
      try withEntries(T.self) { x in
        try other.withEntries(T.self) { y in
          for i in 0..<count { (z + i).initialize(to: T(try f(Double(x[i]), Double(y[i])))) }
        }
      }
    }
  }

  private func requireNumbers(_ operation: String) {
    if node.level == 0 { return }
    AutoDiff.stop(
      operation, "the tensor must not be a value inside a transform, through which this has no derivative",
      hint: "Call it in the evaluation rule of a primitive.")
  }
}
