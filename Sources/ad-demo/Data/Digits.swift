import AutoDiff
import Foundation

/// Handwritten digits: 8 × 8 pixels from 0 to 16 in each row, and the digit last.
struct Digits {
  static let pixelCount = 64

  /// The pixels from 0 to 1, image by image.
  let pixels: [Double]
  /// The digits.
  let labels: [Int]

  /// The number of images.
  var count: Int { labels.count }

  /// The 1797 images that come with the program.
  ///
  /// - Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
  ///   1998, doi:10.24432/C50P49, licence CC BY 4.0.
  static func bundled() throws(FileError) -> Digits {
    try Digits(contentsOf: Bundle.module.bundlePath + "/digits.csv")
  }

  /// Reads a file of the same layout.
  init(contentsOf path: String) throws(FileError) {
    let file = try CSVFile(contentsOf: path)
    let columns = Self.pixelCount + 1
    guard file.columnCount == columns else {
      throw FileError(
        .unsupported, file: path,
        "a row needs \(Self.pixelCount) pixels and a digit, but has \(file.columnCount) numbers.")
    }
    var pixels: [Double] = []
    var labels: [Int] = []
    pixels.reserveCapacity(file.rowCount * Self.pixelCount)
    for row in 0..<file.rowCount {
      let numbers = file.values[(row * columns)..<((row + 1) * columns)]
      let line = row + (file.header == nil ? 1 : 2)
      for (column, number) in numbers.enumerated() {
        let isLabel = column == Self.pixelCount
        if isLabel ? (0..<10).map(Double.init).contains(number) : (0...16).contains(number) { continue }
        let wanted = isLabel ? "a digit from 0 to 9" : "a pixel from 0 to 16"
        throw FileError(
          .malformed, file: path, at: .line(line, column: column + 1), "expected \(wanted), but got \(number.word).")
      }
      pixels += numbers.dropLast().lazy.map { $0 / 16 }
      labels.append(Int(numbers.last!))
    }
    self.pixels = pixels
    self.labels = labels
  }
}
