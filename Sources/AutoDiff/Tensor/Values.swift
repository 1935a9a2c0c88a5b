extension Tensor {
  /// The single number that this tensor holds.
  ///
  /// It can be read under gradients and forward derivatives, so that Swift's control flow can depend on it. Inside
  /// ``vmap(_:axis:outputAxis:)`` it stops, since the examples may differ; use `select` there.
  public var scalar: Double {
    guard count == 1 else { stop("scalar", "the tensor must hold one number", got: "shape \(shape)") }
    let x = concrete("scalar").array
    if x.storage == nil { return x.single }
    return Tensor(node: x).scalars[0]
  }

  /// All entries in row-major order, as `Double` whatever the scalar type. Like ``scalar`` it stops inside `vmap`.
  public var scalars: [Double] { entries(for: "scalars") }

  /// - Parameter operation: what the user called.
  fileprivate func entries(for operation: String) -> [Double] {
    let x = concrete(operation)
    // Its own type, not the shown one: a check may compute in a higher precision than it shows.
    return perType(
      x.scalarType, double: x.withEntries(Double.self) { Array(UnsafeBufferPointer(start: $0, count: count)) },
      float: x.withEntries(Float.self) { UnsafeBufferPointer(start: $0, count: count).map(Double.init) })
  }

  /// The entries in row-major order of a `.float32` tensor.
  public var floats: [Float] {
    guard scalarType == .float32 else { stop("floats", "the scalar type must be float32", got: scalarType.rawValue) }
    let x = concrete("floats")
    if x.scalarType != .float32 { return x.scalars.map(Float.init) }
    return x.withEntries(Float.self) { Array(UnsafeBufferPointer(start: $0, count: count)) }
  }

  /// Whether every entry satisfies a condition.
  public func allSatisfy(_ condition: (Double) -> Bool) -> Bool { scalars.allSatisfy(condition) }

  /// Whether no entry is infinite or not a number.
  public var isFinite: Bool { hasFiniteEntries("isFinite") }

  /// The same for something that the user has called, and that stops where numbers cannot be looked at.
  package func isFinite(for operation: String) -> Bool {
    requireNumbers(for: operation)
    return hasFiniteEntries(operation)
  }

  private func hasFiniteEntries(_ operation: String) -> Bool {
    // A sum of magnitudes is finite only if every entry is; it may overflow without one, hence the second look.
    AutoDiff.abs(concrete(operation)).sum().scalar.isFinite || allSatisfy(\.isFinite)
  }

  /// The row-major bytes of the entries, and the way back.
  package var rowMajorBytes: [UInt8] {
    let x = concrete("bytes").as(scalarType)
    func bytes<T: LoopScalar>(_: T.Type) -> [UInt8] {
      x.withEntries(T.self) { Array(UnsafeRawBufferPointer(start: $0, count: count * MemoryLayout<T>.stride)) }
    }
    return perType(scalarType, double: bytes(Double.self), float: bytes(Float.self))
  }

  package init(rowMajorBytes bytes: some Collection<UInt8>, shape: [Int], as scalarType: ScalarType) {
    guard bytes.count == shape.entryCount("Tensor") * scalarType.byteCount else {
      stop("Tensor", "the bytes must fill the shape", got: "\(bytes.count) bytes for \(shape)")
    }
    func make<T: LoopScalar>(_: T.Type) -> Tensor {
      .make(shape, T.self, for: "Tensor") { y in
        UnsafeMutableRawBufferPointer(start: y, count: bytes.count).copyBytes(from: bytes)
      }
    }
    self = perType(scalarType, double: make(Double.self), float: make(Float.self))
  }
}

extension Tensor: Equatable {
  /// Whether shape, scalar type and all entries agree. As for numbers, not-a-number equals nothing and −0 equals 0.
  public static func == (a: Tensor, b: Tensor) -> Bool {
    a.shape == b.shape && a.scalarType == b.scalarType && a.entries(for: "==") == b.entries(for: "==")
  }
}

/// How two tensors that should be nearly equal differ.
public struct TensorDifference: Sendable, CustomStringConvertible {
  /// ‖a − b‖∞ / max(‖a‖∞, ‖b‖∞), infinite where shapes differ or only one of two entries is a number.
  public let relative: Double
  /// The index of the worst entry; nil where shapes differ or all entries agree.
  public let index: [Int]?
  /// What to print.
  public let description: String

  init(_ a: Tensor, _ b: Tensor) {
    guard a.shape == b.shape else {
      (relative, index, description) = (.infinity, nil, "shapes \(a.shape) and \(b.shape)")
      return
    }
    let (x, y) = (a.scalars, b.scalars)
    var scale = 0.0
    for entry in x + y where entry.isFinite { scale = Swift.max(scale, entry.magnitude) }
    var worst = 0.0
    var offset: Int?
    for k in x.indices {
      var difference = (x[k] - y[k]).magnitude
      if x[k] == y[k] || x[k].isNaN && y[k].isNaN { difference = 0 }
      if difference.isNaN { difference = .infinity }
      if difference > worst { (worst, offset) = (difference, k) }
    }
    relative = worst == 0 ? 0 : worst / (scale > 0 ? scale : 1)
    guard let offset else {
      (index, description) = (nil, "no difference")
      return
    }
    var rest = offset
    let worstIndex = a.shape.rowMajorStrides.map { stride in
      defer { rest %= stride }
      return rest / stride
    }
    index = worstIndex
    description = "relative difference \(relative), worst at \(worstIndex): \(x[offset]) and \(y[offset])"
  }
}

extension Tensor {
  /// How this tensor differs from another; see ``TensorDifference``.
  public func difference(from other: Tensor) -> TensorDifference { TensorDifference(self, other) }

  /// Whether the largest difference is at most `tolerance` times the largest magnitude in either tensor. Shapes must
  /// agree; equal infinities and two not-a-numbers count as equal.
  ///
  /// - Parameters:
  ///   - other: what it is compared with.
  ///   - tolerance: relative; by default the square root of the coarser type's epsilon.
  public func isApproximatelyEqual(to other: Tensor, tolerance: Double? = nil) -> Bool {
    let epsilon = Swift.max(scalarType.epsilon, other.scalarType.epsilon)
    return difference(from: other).relative <= tolerance ?? epsilon.squareRoot()
  }
}

extension Tensor {
  /// Whether both are the same value in the same place, so that they agree without a look at the entries.
  package func isIdentical(to other: Tensor) -> Bool { node === other.node }

  /// What identical tensors have in common, as long as one of them is there.
  package var identity: ObjectIdentifier { ObjectIdentifier(node) }
}
