/// Rows of text under headings, in columns as wide as their widest entry.
struct Table: CustomStringConvertible {
  enum Alignment { case left, right }

  private let headings: [(text: String, alignment: Alignment)]
  private var rows: [[String]] = []

  /// Makes a table without rows.
  init(_ headings: [(String, Alignment)]) {
    self.headings = headings.map { (text: $0.0, alignment: $0.1) }
  }

  /// Adds a row; entries that are missing at its end are empty.
  mutating func append(_ row: [String]) {
    rows.append((0..<headings.count).map { $0 < row.count ? row[$0] : "" })
  }

  /// The lines of the table, each ended by a line feed.
  var description: String {
    let widths = headings.indices.map { column in
      ([headings[column].text] + rows.map { $0[column] }).map(\.count).max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      var line = ""
      for (column, cell) in cells.enumerated() {
        let space = String(repeating: " ", count: widths[column] - cell.count)
        line += (column == 0 ? "" : "  ") + (headings[column].alignment == .left ? cell + space : space + cell)
      }
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }
    let rule = String(repeating: "-", count: widths.reduce(0, +) + 2 * max(widths.count - 1, 0))
    return line(headings.map(\.text)) + rule + "\n" + rows.map(line).joined()
  }
}
