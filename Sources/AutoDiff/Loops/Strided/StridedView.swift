/// A strided array in memory that someone else keeps alive.
struct StridedView<T: LoopScalar> {
  /// The entry at index 0 of every axis.
  var base: UnsafePointer<T>
  var shape: [Int]
  /// The distances between neighbors along each axis, in entries: 0 along an axis that repeats one entry, negative
  /// along a reversed one.
  var strides: [Int]

  /// The number of entries.
  var count: Int { shape.reduce(1, *) }
}

extension StridedView {
  /// A row-major contiguous array.
  init(_ base: UnsafePointer<T>, shape: [Int]) {
    self.init(base: base, shape: shape, strides: Self.rowMajorStrides(shape))
  }

  /// The strides of a contiguous array whose last index runs fastest.
  static func rowMajorStrides(_ shape: [Int]) -> [Int] {
    var strides = shape
    var stride = 1
    for axis in shape.indices.reversed() {
      strides[axis] = stride
      stride *= shape[axis]
    }
    return strides
  }

  /// The distance between entries that follow each other in row-major order, where it is the same throughout: 1 for a
  /// contiguous array, 0 for a repeated entry.
  var flatStride: Int? {
    var flat: Int?
    var count = 1
    for axis in shape.indices.reversed() where shape[axis] != 1 {
      if let flat {
        if strides[axis] != flat * count { return nil }
      } else {
        flat = strides[axis]
      }
      count *= shape[axis]
    }
    return flat ?? 1
  }
}
