/// Tensors in files: `.npy` as NumPy writes them, and `.csv` tables of numbers.
extension Tensor {
  /// Reads an array from a `.npy` file, or a matrix from a `.csv` file; the end of the name tells which.
  ///
  /// A `.npy` file keeps its shape; floating-point numbers of at most 32 bits give a `.float32` tensor and everything else a
  /// `.float64` one. A `.csv` file gives a `.float64` matrix with one row per line, and the names of columns are skipped.
  ///
  /// - Throws: ``FileError`` with the place of what is wrong; also where memory cannot hold the tensor.
  public init(contentsOf path: String) throws(FileError) {
    switch try TensorFileFormat(of: path) {
    case .npy: self = Tensor(try NumpyFile(contentsOf: path))
    case .csv: self = Tensor(try CSVFile(contentsOf: path))
    }
  }

  /// The numbers of a table: [rows, columns].
  public init(_ table: CSVFile) {
    self.init(table.values, shape: [table.rowCount, table.columnCount])
  }

  init(_ file: NumpyFile) {
    self =
      perType(
        file.scalarType, double: .make(file.shape, Double.self, for: "Tensor") { file.copyValues(to: $0) },
        float: .make(file.shape, Float.self, for: "Tensor") { file.copyValues(to: $0) })
  }

  /// Writes the tensor to a `.npy` file, or a vector or matrix to a `.csv` file; the end of the name tells which.
  ///
  /// Under the file's name stands either what stood there before or all of the new. Numbers read back as they were.
  ///
  /// - Throws: ``FileError``, also for a `.csv` file and a tensor of rank above 2, or without entries: text without rows
  ///   does not tell the number of columns, and a `.npy` file does. A value inside ``vmap(_:axis:outputAxis:)``
  ///   stops.
  public func write(to path: String) throws(FileError) {
    switch try TensorFileFormat(of: path) {
    case .npy:
      let bytes = rowMajorBytes
      try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
        try NumpyFile.write(UnsafeRawBufferPointer(bytes), shape: shape, scalarType: scalarType, to: path)
      }
    case .csv:
      guard rank <= 2, !shape.contains(0) else {
        throw FileError(.unsupported, file: path, "a .csv file holds rows of numbers, not shape \(shape); use .npy.")
      }
      let columnCount = shape.last ?? 1
      let bytes = perType(
        scalarType, double: scalars.withUnsafeBufferPointer { CSVFile.encode($0, columnCount: columnCount) },
        float: floats.withUnsafeBufferPointer { CSVFile.encode($0, columnCount: columnCount) })
      try FileAccess.write(bytes, to: path)
    }
  }
}

/// The formats that a file's name can ask for.
private enum TensorFileFormat {
  case npy, csv

  init(of path: String) throws(FileError) {
    let name = path.lowercased()
    if name.hasSuffix(".npy") {
      self = .npy
    } else if name.hasSuffix(".csv") {
      self = .csv
    } else {
      throw FileError(.unsupported, file: path, "the name must end in .npy or .csv, which tells the format.")
    }
  }
}
