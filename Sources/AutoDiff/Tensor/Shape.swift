/// Arithmetic on shapes, which are plain arrays of extents.
extension [Int] {
  /// The product of the extents: the number of entries of a tensor of this shape. Stops where there is no such number.
  var product: Int {
    var result = 1
    for extent in self {
      let (next, isTooLarge) = result.multipliedReportingOverflow(by: extent)
      if isTooLarge { stopAtExtents(self, "shape") }
      result = next
    }
    return result
  }

  /// The number of entries of a tensor of this shape. Stops, naming the operation, at a negative extent and where the
  /// bytes of so many entries are beyond all addresses. An extent of 0 does not excuse the others, of which strides are
  /// made.
  @inline(__always)
  package func entryCount(_ operation: @autoclosure () -> String) -> Int {
    guard let count = checkedCount else { stopAtExtents(self, operation()) }
    return count
  }

  /// The number of entries, or nil where ``entryCount(_:)`` stops.
  package var checkedCount: Int? {
    var (stretch, isEmpty) = (1, false)
    for extent in self where extent != 1 {
      if extent == 0 {
        isEmpty = true
        continue
      }
      let (next, isTooLarge) = stretch.multipliedReportingOverflow(by: extent)
      if isTooLarge || extent < 0 || next > Int.max / 8 { return nil }
      stretch = next
    }
    return isEmpty ? 0 : stretch
  }

  /// The strides of row-major order.
  var rowMajorStrides: [Int] {
    // Literals take half the time.
    if count <= 1 { return count == 0 ? [] : [1] }
    if count == 2 { return [self[1], 1] }
    var strides = [Int](repeating: 1, count: count)
    for axis in indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * self[axis + 1] }
    return strides
  }

  /// Whether these strides are those of row-major order without gaps; axes of extent 1 and empty tensors do not care.
  func describesRowMajorOrder(of shape: [Int]) -> Bool {
    var expected = 1
    for axis in shape.indices.reversed() {
      if shape[axis] != 1 {
        if self[axis] != expected { return shape.contains(0) }
        expected *= shape[axis]
      }
    }
    return true
  }

  /// The numbers of entries before, along and behind an axis.
  func split(at axis: Int) -> (outer: Int, extent: Int, inner: Int) {
    (Array(self[..<axis]).product, self[axis], Array(self[(axis + 1)...]).product)
  }

  /// The elements at the given positions.
  func picking(_ positions: [Int]) -> [Int] { positions.map { self[$0] } }

  /// The elements that are not at the given positions.
  func dropping(_ positions: [Int], _ others: [Int] = []) -> [Int] {
    var rest: [Int] = []
    rest.reserveCapacity(count)
    for k in indices where !positions.contains(k) && !others.contains(k) { rest.append(self[k]) }
    return rest
  }

  /// The permutation that undoes this one.
  var inversePermutation: [Int] {
    var inverse = self
    for (position, axis) in enumerated() { inverse[axis] = position }
    return inverse
  }
}

/// Stops because a tensor of this shape cannot be.
@inline(never)
package func stopAtExtents(_ shape: [Int], _ operation: String) -> Never {
  if shape.contains(where: { $0 < 0 }) { stop(operation, "extents must not be negative", got: "\(shape)") }
  stop(operation, "the entries must fit into memory", got: "shape \(shape)", hint: "Use smaller batches or tiles.")
}

/// Stops because memory cannot hold a tensor of this shape.
@inline(never)
func stopForMemory(_ shape: [Int], _ scalarType: ScalarType, _ operation: String) -> Never {
  stop(
    operation, "the entries must fit into the memory of \(MachineMemory.byteCount) bytes",
    got: "shape \(shape), which takes \(shape.product * scalarType.byteCount) bytes",
    hint: "Use smaller batches or tiles.")
}

/// a + b for sizes that a caller chose, or the largest number where the sum is beyond it, so that the check which follows
/// refuses it with a text.
func saturatingSum(_ a: Int, _ b: Int) -> Int {
  let (sum, overflows) = a.addingReportingOverflow(b)
  return overflows ? (a < 0 ? .min : .max) : sum
}

/// a · b in the same manner.
func saturatingProduct(_ a: Int, _ b: Int) -> Int {
  let (product, overflows) = a.multipliedReportingOverflow(by: b)
  return overflows ? ((a < 0) != (b < 0) ? .min : .max) : product
}

/// The axis that a possibly negative number names, counted from the end as in `shape[-1]`; stops outside the rank.
func normalizedAxis(_ axis: Int, rank: Int, _ operation: String) -> Int {
  let normalized = axis < 0 ? axis + rank : axis
  guard normalized >= 0, normalized < rank else {
    stop(operation, "an axis must lie in \(-rank)..<\(rank)", got: "\(axis)")
  }
  return normalized
}

/// The axes in increasing order, negative ones resolved; all of them for nil. Stops at a repeated one.
func normalizedAxes(_ axes: [Int]?, rank: Int, _ operation: String) -> [Int] {
  guard let axes else { return Array(0..<rank) }
  let sorted = axes.map { normalizedAxis($0, rank: rank, operation) }.sorted()
  for (a, b) in zip(sorted, sorted.dropFirst()) where a == b {
    stop(operation, "axes must be distinct", got: "\(axes)")
  }
  return sorted
}

/// The shape that both shapes broadcast to (NumPy's rule: aligned at the last axis, an extent of 1 stretches).
func broadcastShape(_ a: [Int], _ b: [Int], _ operation: String) -> [Int] {
  let rank = max(a.count, b.count)
  var result = [Int](repeating: 1, count: rank)
  for k in 1...max(rank, 1) where k <= rank {
    let x = k <= a.count ? a[a.count - k] : 1
    let y = k <= b.count ? b[b.count - k] : 1
    guard x == y || x == 1 || y == 1 else {
      stop(
        operation, "shapes must agree or broadcast", got: "\(a) and \(b)",
        hint: "Extents are compared from the last axis; each pair must be equal or contain a 1.")
    }
    result[rank - k] = x == 1 ? y : x
  }
  _ = result.entryCount(operation)
  return result
}
