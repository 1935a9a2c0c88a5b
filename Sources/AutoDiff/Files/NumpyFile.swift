/// An array in NumPy's `.npy` format.
///
/// Read are versions 1 to 3, both byte orders, row-major and column-major arrays of floating-point numbers, integers and
/// booleans. Before anything is allocated the announced shape is checked against the size of the file and of the memory.
package struct NumpyFile {
  /// The extents of the array; empty for a single number.
  package var shape: [Int] { header.shape }
  /// The number of entries.
  package var count: Int { header.count }
  /// The scalar type that takes the entries: `.float32` for f2 and f4, otherwise `.float64`, where integers beyond 2⁵³
  /// are rounded.
  package var scalarType: ScalarType { header.scalarType }

  let header: NumpyHeader
  let bytes: [UInt8]

  /// Reads a file.
  package init(contentsOf path: String) throws(FileError) {
    let bytes = try FileAccess.read(path) { start, size throws(FileError) in
      try NumpyHeader(start, fileSize: size, file: path).checkMemory(beside: size, file: path)
    }
    try self.init(decoding: bytes, name: path)
  }

  /// Takes the bytes of a file; `name` stands in the errors.
  package init(decoding bytes: [UInt8], name: String) throws(FileError) {
    header = try NumpyHeader(bytes, file: name)
    try header.checkMemory(beside: 0, file: name)
    self.bytes = bytes
  }

  /// Copies all entries in row-major order, converted to `T`, to memory for ``count`` entries.
  package func copyValues<T: Scalar>(to destination: UnsafeMutablePointer<T>) {
    bytes.withUnsafeBytes { file in
      let source = file.baseAddress! + header.byteOffset
      let entry = header.entry
      let isSame = entry.kind == .float && entry.byteCount == MemoryLayout<T>.size && !entry.isByteSwapped
      if isSame, transposedExtents == nil {
        UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: count * entry.byteCount)
        return
      }
      let swapped = entry.isByteSwapped
      @inline(__always) func load<I: FixedWidthInteger>(_ type: I.Type, _ index: Int) -> I {
        let stored = source.loadUnaligned(fromByteOffset: index * MemoryLayout<I>.size, as: type)
        return swapped ? stored.byteSwapped : stored
      }
      @inline(__always) func convert(_ value: (Int) -> T) {
        copyRuns(to: destination) { target, index, step, count in
          for i in 0..<count { (target + i).initialize(to: value(index + i * step)) }
        }
      }
      switch (entry.kind, entry.byteCount) {
      case (.float, 2): convert { T(float(fromHalf: load(UInt16.self, $0))) }
      case (.float, 4): convert { T(Float(bitPattern: load(UInt32.self, $0))) }
      case (.float, _): convert { T(Double(bitPattern: load(UInt64.self, $0))) }
      case (.signed, 1): convert { T(load(Int8.self, $0)) }
      case (.signed, 2): convert { T(load(Int16.self, $0)) }
      case (.signed, 4): convert { T(load(Int32.self, $0)) }
      case (.signed, _): convert { T(load(Int64.self, $0)) }
      case (.unsigned, 1): convert { T(load(UInt8.self, $0)) }
      case (.unsigned, 2): convert { T(load(UInt16.self, $0)) }
      case (.unsigned, 4): convert { T(load(UInt32.self, $0)) }
      case (.unsigned, _): convert { T(load(UInt64.self, $0)) }
      case (.bool, _): convert { load(UInt8.self, $0) == 0 ? 0 : 1 }
      }
    }
  }

  /// The extents other than 1 of an array whose entries stand in another order in the file than in memory.
  private var transposedExtents: [Int]? {
    let extents = shape.filter { $0 != 1 }
    return header.isColumnMajor && extents.count > 1 && count > 0 ? extents : nil
  }

  /// Fills `destination` in row-major order by runs: `copy` reads `count` entries from `index` in the file on, `step` apart.
  ///
  /// Not compiled for every type of entry in a file; the loops over runs are.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  private func copyRuns<T: Scalar>(
    to destination: UnsafeMutablePointer<T>,
    _ copy: (_ target: UnsafeMutablePointer<T>, _ index: Int, _ step: Int, _ count: Int) -> Void
  ) {
    guard let extents = transposedExtents else { return copy(destination, 0, 1, count) }
    // The first axis is dense in the file and the last one in memory: transpose these two in square blocks, which keeps
    // both sides in cache, for every index of the axes between them.
    let (rows, columns) = (extents[0], extents[extents.count - 1])
    let rowStride = count / rows
    let columnStride = count / columns
    let block = 32
    var index = [Int](repeating: 0, count: extents.count)
    for inner in 0..<(rowStride / columns) {
      var offset = 0
      var stride = rows
      for axis in 1..<(extents.count - 1) {
        offset += index[axis] * stride
        stride *= extents[axis]
      }
      let target = destination + inner * columns
      for top in Swift.stride(from: 0, to: rows, by: block) {
        for left in Swift.stride(from: 0, to: columns, by: block) {
          for row in top..<min(top + block, rows) {
            copy(
              target + row * rowStride + left, offset + row + left * columnStride, columnStride,
              min(block, columns - left))
          }
        }
      }
      // Counts up the indices between, the last one fastest.
      for axis in (1..<(extents.count - 1)).reversed() {
        index[axis] += 1
        if index[axis] < extents[axis] { break }
        index[axis] = 0
      }
    }
  }

  /// Writes row-major values in the host's byte order, atomically.
  package static func write(
    _ values: UnsafeRawBufferPointer, shape: [Int], scalarType: ScalarType, to path: String
  ) throws(FileError) {
    let header = NumpyHeader.encoded(shape: shape, scalarType: scalarType)
    try header.withUnsafeBufferPointer { header throws(FileError) in
      try FileAccess.write([UnsafeRawBufferPointer(header), values], to: path)
    }
  }

  /// The bytes that stand before row-major values.
  package static func header(shape: [Int], scalarType: ScalarType) -> [UInt8] {
    NumpyHeader.encoded(shape: shape, scalarType: scalarType)
  }

  /// The bytes that ``write(_:shape:scalarType:to:)`` puts into a file.
  package static func encode(_ values: UnsafeRawBufferPointer, shape: [Int], scalarType: ScalarType) -> [UInt8] {
    NumpyHeader.encoded(shape: shape, scalarType: scalarType) + values
  }
}

/// The number that 16 bits of IEEE 754 half precision stand for; exact.
private func float(fromHalf bits: UInt16) -> Float {
  let sign: Float = bits & 0x8000 == 0 ? 1 : -1
  let exponent = Int(bits >> 10 & 0x1F)
  let fraction = Float(bits & 0x3FF)
  switch exponent {
  case 0: return sign * fraction * 0x1p-24
  case 0x1F: return fraction == 0 ? sign * .infinity : .nan
  default: return sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
  }
}
