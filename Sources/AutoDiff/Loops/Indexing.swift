/// Selection and accumulation by index.
///
/// A table is seen as [outer, extent, inner] row-major; the indices, whole numbers in 0..<extent, go along its middle axis.
enum Indexing {
  /// The position of the first index that is not a whole number in 0..<extent.
  static func firstInvalidIndex<T: LoopScalar>(_ indices: UnsafePointer<T>, count: Int, extent: Int) -> Int? {
    (0..<count).first { !(indices[$0] >= 0 && indices[$0] < T(extent) && indices[$0].rounded() == indices[$0]) }
  }

  /// y[o, i, :] = table[o, indices[i], :], with y of shape [outer, count, inner].
  static func gather<T: LoopScalar>(
    _ table: UnsafePointer<T>, outer: Int, extent: Int, inner: Int, indices: UnsafePointer<T>, count: Int,
    into y: UnsafeMutablePointer<T>
  ) {
    for o in 0..<outer {
      for i in 0..<count {
        (y + (o * count + i) * inner).update(from: table + (o * extent + Int(indices[i])) * inner, count: inner)
      }
    }
  }

  /// y[o, indices[i], :] = the sum of x[o, i, :] over the positions i with that index, 0 where there is none.
  static func scatterAdd<T: LoopScalar>(
    _ x: UnsafePointer<T>, outer: Int, extent: Int, inner: Int, indices: UnsafePointer<T>, count: Int,
    into y: UnsafeMutablePointer<T>
  ) {
    y.update(repeating: 0, count: outer * extent * inner)
    for o in 0..<outer {
      for i in 0..<count {
        let row = y + (o * extent + Int(indices[i])) * inner
        for j in 0..<inner { row[j] += x[(o * count + i) * inner + j] }
      }
    }
  }
}
