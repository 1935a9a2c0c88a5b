/// Trees of equal structure form a vector space; these are its operations, entry by entry. All are differentiable.
extension TensorTree {
  /// The number of entries of all leaves.
  public var entryCount: Int { leaves.map(\.count).reduce(0, +) }

  /// Combines this tree with another one, leaf by leaf. Stops if the structures differ.
  public func zipTensors(_ other: Self, _ combine: (Tensor, Tensor) -> Tensor) -> Self {
    zipTensors(other, "zipTensors", ofOneType: false, combine)
  }

  /// - Parameter operation: what the user called, for messages.
  private func zipTensors(
    _ other: Self, _ operation: String, ofOneType: Bool = true, _ combine: (Tensor, Tensor) -> Tensor
  ) -> Self {
    let others = other.leaves
    checkSameStructure(as: others, operation, ofOneType: ofOneType)
    var next = -1
    return mapTensors {
      next += 1
      return combine($0, others[next])
    }
  }

  /// The sum.
  public func adding(_ other: Self) -> Self { zipTensors(other, "adding") { $0 + $1 } }

  /// self + factor · other.
  public func adding(_ other: Self, scaledBy factor: Double) -> Self {
    zipTensors(other, "adding") { bind(AddScaled(factor: factor), .two($0, $1)) }
  }

  /// The difference.
  public func subtracting(_ other: Self) -> Self { zipTensors(other, "subtracting") { $0 - $1 } }

  /// The tree times a number.
  public func scaled(by factor: Double) -> Self { mapTensors { $0 * factor } }

  /// (1 − t) · self + t · other: the line from this tree (t = 0) to another (t = 1).
  public func interpolated(to other: Self, at t: Double) -> Self {
    zipTensors(other, "interpolated") { $0 * (1 - t) + $1 * t }
  }

  /// The inner product over all leaves.
  public func innerProduct(_ other: Self) -> Tensor {
    let others = other.leaves
    checkSameStructure(as: others, "innerProduct")
    return zip(leaves, others).map { dot($0, $1) }.reduce(nil) { sum, part in sum.map { $0 + part } ?? part } ?? .zero
  }

  /// The Euclidean norm over all leaves. The derivative at 0 is taken to be 0.
  public var euclideanNorm: Tensor {
    let norms = leaves.map { $0.norm() }
    return norms.isEmpty ? .zero : stack(norms).norm()
  }

  /// Zeros in the same structure.
  public var zeroed: Self { mapTensors { .zeros(like: $0) } }

  /// All entries as one vector, leaf after leaf in row-major order.
  public var flattenedEntries: Tensor {
    let vectors = leaves.map(\.flattened)
    return vectors.isEmpty ? .zeros([0]) : concatenate(vectors)
  }

  /// The tree of this structure whose entries are those of a vector: the inverse of ``flattenedEntries``.
  public func replacingEntries(with vector: Tensor) -> Self {
    guard vector.shape == [entryCount] else {
      stop("replacingEntries", "needs a vector of \(entryCount) entries", got: "\(vector.shape)")
    }
    var start = 0
    return mapTensors { leaf in
      defer { start += leaf.count }
      return vector[start..<start + leaf.count].reshaped(to: leaf.shape)
    }
  }
}
