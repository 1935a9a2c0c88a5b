/// Copies of a part of a strided array.
enum TileCopy {
  /// The entries with the row-major indices `first ..< first + count`, one after the other; an array that ends before begins anew.
  static func copy<T: LoopScalar>(
    _ base: UnsafePointer<T>, _ layout: Layout, from first: Int, count: Int, to y: UnsafeMutablePointer<T>
  ) {
    let (shape, strides) = (layout.shape, layout.strides)
    guard let extent = shape.last, let step = strides.last else {
      return y.update(repeating: base.pointee, count: count)
    }
    var row = first / extent
    var column = first % extent
    var done = 0
    while done < count {
      // Where the row starts.
      var rest = row
      var x = base + column * step
      for axis in (0..<shape.count - 1).reversed() {
        x += rest % shape[axis] * strides[axis]
        rest /= shape[axis]
      }
      let length = min(extent - column, count - done)
      let target = y + done
      switch step {
      case 0: target.update(repeating: x.pointee, count: length)
      case 1: StridedCopy.copyRun(x, to: target, count: length)
      default: for k in 0..<length { target[k] = x[k * step] }
      }
      done += length
      column = 0
      row += 1
    }
  }
}

extension Layout {
  /// How far behind the first entry the one with a row-major index stands.
  func offset(ofEntry index: Int) -> Int {
    var rest = index
    var offset = 0
    for axis in shape.indices.reversed() {
      offset += rest % shape[axis] * strides[axis]
      rest /= shape[axis]
    }
    return offset
  }

  /// After how many entries a repeated vector begins anew; nil where the entries are no repeated vector.
  var period: Int? {
    var count = 1
    var axis = shape.count - 1
    while axis >= 0, shape[axis] == 1 || strides[axis] == count {
      count *= shape[axis]
      axis -= 1
    }
    while axis >= 0 {
      if shape[axis] != 1, strides[axis] != 0 { return nil }
      axis -= 1
    }
    return count
  }
}
