import AutoDiff

/// Where the tiles of a kernel lie in its file, and what their bytes are checked by.
struct KernelLayout {
  let plan: KernelPlan
  /// The tiles of the computation, in order.
  let tiles: [KernelTile]
  /// What the file begins with.
  let header: [UInt8]

  init(_ plan: KernelPlan) {
    (self.plan, tiles) = (plan, plan.tiles)
    header = NumpyFile.header(shape: plan.shape, scalarType: plan.scalarType)
  }

  /// The bytes of the whole file.
  var size: Int { header.count + plan.kernelBytes }

  /// A tile, and its mirror image where the kernel is symmetric and it does not lie on the diagonal.
  func parts(_ index: Int) -> [KernelTile] {
    let tile = tiles[index]
    return plan.isSymmetric && tile.rows != tile.columns ? [tile, tile.mirrored] : [tile]
  }

  /// The check of a tile as it stands in a file.
  ///
  /// - Parameter body: receives every run of its bytes, and where it lies.
  func check(_ index: Int, in file: RandomAccessFile, _ body: (ArraySlice<UInt8>, Int) throws -> Void = { _, _ in })
    throws -> String
  {
    var check = KernelJournal.Check()
    for part in parts(index) {
      try forEachRun(of: part) { offset, count in
        let bytes = try file.read(count, at: offset)
        check.take(bytes[...])
        try body(bytes[...], offset)
      }
    }
    return check.text
  }

  /// Whether a file has the header and all tiles of a journal.
  func holds(_ file: RandomAccessFile, _ checks: [Int: String]) throws -> Bool {
    guard try file.size == size, try file.read(header.count, at: 0) == header else { return false }
    return try tiles.indices.allSatisfy { try check($0, in: file) == checks[$0] }
  }

  /// The runs of bytes that a part takes in the file, in the order of its own entries.
  func forEachRun(of part: KernelTile, _ body: (_ offset: Int, _ count: Int) throws -> Void) rethrows {
    let (o, size) = (plan.outputCount, plan.scalarType.byteCount)
    let kept = plan.outputs.kept(o, o) * size
    switch plan.outputs {
    case .exampleDiagonal:
      try body(header.count + part.rows.lowerBound * kept, part.rows.count * kept)
    case .flattened:
      let row = plan.columnCount * o * size
      for k in part.rows.lowerBound * o..<part.rows.upperBound * o {
        try body(header.count + k * row + part.columns.lowerBound * o * size, part.columns.count * o * size)
      }
    case .full, .traceSum, .traceMean, .outputDiagonal:
      for k in part.rows {
        try body(header.count + (k * plan.columnCount + part.columns.lowerBound) * kept, part.columns.count * kept)
      }
    }
  }
}
