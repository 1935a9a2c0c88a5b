import Foundation

/// A matrix as a picture, one cell for each entry, with a bar that explains the colors.
///
/// Entries that are not finite (on a logarithmic scale: not positive) are grey. Of a matrix with more than 1024 rows or
/// columns the means of square blocks are shown.
struct HeatMap {
  enum Colors { case sequential, diverging }

  /// A part of the rows and columns that has a name: the images of one digit, say.
  struct Group {
    var name: String
    var count: Int
  }

  var title: String
  /// What the colors mean.
  var quantity: Axis
  /// What rows and columns are.
  var axis: String
  /// Row by row.
  var values: [Double]
  var columnCount: Int
  /// With groups these are named along both sides, otherwise rows and columns are numbered.
  var groups: [Group] = []
  /// Diverging colors are symmetric about zero, and take a linear quantity.
  var colors = Colors.sequential
  var size = 560.0

  /// The chart as the text of an SVG file.
  var svg: String {
    let columns = max(columnCount, 1)
    let rows = values.count / columns
    let (left, top) = (66.0, 56.0)
    let cell = size / Double(max(rows, columns, 1))
    let plot = Frame(x: left, y: top, width: cell * Double(columns), height: cell * Double(max(rows, 1)))
    let bar = Frame(x: plot.maxX + 26, y: plot.y, width: 16, height: plot.height)
    let range = range
    let ticks = range.ticks(count: max(2, Int(bar.height / 75)))
    let labels = ticks.compactMap { $0.label?.estimatedWidth(size: Theme.tickSize) }.max() ?? 0
    let width = bar.maxX + 12 + labels + 14 + (quantity.label.isEmpty ? 0 : 22)
    let needed = 40 + estimatedWidth(of: title, size: Theme.titleSize)
    var drawing = SVG(width: max(width, needed), height: plot.maxY + 62, title: title)
    drawing.text(title, at: Point(20, 30), size: Theme.titleSize, color: Theme.text, isBold: true)
    drawing.image(image(rows: rows, columns: columns, range), in: plot)
    drawing.outline(plot, color: Theme.frame)
    drawSides(&drawing, plot, rows: rows, columns: columns)

    drawing.defineGradient("colors", colors: stride(from: 0, to: 255, by: 6).map { map.colors[min($0, 254)].text })
    drawing.rectangle(bar, fill: "url(#colors)")
    drawing.outline(bar, color: Theme.frame)
    for tick in ticks {
      let position = bar.maxY - tick.fraction * bar.height
      let length = tick.label == nil ? 3.0 : 5
      drawing.line(from: Point(bar.maxX, position), to: Point(bar.maxX + length, position), color: Theme.frame)
      guard let label = tick.label else { continue }
      drawing.label(label, at: Point(bar.maxX + 9, position + 4), size: Theme.tickSize, color: Theme.softText)
    }
    drawing.text(
      quantity.label, at: Point(bar.maxX + 12 + labels + 18, bar.y + bar.height / 2), size: Theme.labelSize,
      color: Theme.text, anchor: .middle, turned: -90)
    return drawing.document
  }

  private var range: AxisRange {
    let found = quantity.range(of: values, margin: 0)
    guard colors == .diverging else { return found }
    let largest = max(found.low.magnitude, found.high.magnitude)
    return AxisRange(scale: .linear, low: -largest, high: largest)
  }

  private func image(rows: Int, columns: Int, _ range: AxisRange) -> [UInt8] {
    let block = max(1, (max(rows, columns) + 1023) / 1024)
    let (height, width) = ((rows + block - 1) / block, (columns + block - 1) / block)
    var pixels = [UInt8](repeating: UInt8(ColorMap.count), count: max(width * height, 1))
    for row in 0..<height {
      for column in 0..<width {
        var (sum, count) = (0.0, 0.0)
        for i in (row * block)..<min((row + 1) * block, rows) {
          for j in (column * block)..<min((column + 1) * block, columns) {
            let value = values[i * columns + j]
            guard quantity.shows(value) else { continue }
            sum += value
            count += 1
          }
        }
        if count > 0 { pixels[row * width + column] = ColorMap.index(range.fraction(sum / count)) }
      }
    }
    let grey = ColorMap.Color(red: 0x94, green: 0x98, blue: 0x9E)
    // Many readers blur small pictures that they enlarge, so each entry becomes a square of several pixels.
    let scale = max(1, 512 / max(width, height, 1))
    return PNG.encode(
      enlarged(pixels, width: max(width, 1), scale), width: max(width, 1) * scale, palette: map.colors + [grey])
  }

  private func enlarged(_ pixels: [UInt8], width: Int, _ scale: Int) -> [UInt8] {
    if scale == 1 { return pixels }
    var result: [UInt8] = []
    result.reserveCapacity(pixels.count * scale * scale)
    for row in stride(from: 0, to: pixels.count, by: width) {
      let line = pixels[row..<(row + width)].flatMap { repeatElement($0, count: scale) }
      for _ in 0..<scale { result += line }
    }
    return result
  }

  private var map: ColorMap { colors == .sequential ? .sequential : .diverging }

  private func drawSides(_ drawing: inout SVG, _ plot: Frame, rows: Int, columns: Int) {
    let cell = plot.width / Double(columns)
    // What is named along a side: the middle of the name, and the ends of its part if it is a group.
    func marks(_ count: Int) -> [(text: String, middle: Double, end: Double?)] {
      if !groups.isEmpty {
        var start = 0.0
        return groups.map { group in
          let end = start + Double(group.count)
          defer { start = end }
          return (group.name, (start + end) / 2 * cell, end * cell)
        }
      }
      return roundNumbers(from: 0, to: Double(count), count: 7).filter {
        $0.value < Double(count) && $0.value.rounded() == $0.value
      }
      .map { ($0.label.mantissa, ($0.value + 0.5) * cell, nil) }
    }
    for mark in marks(columns) {
      let position = plot.x + (mark.end ?? mark.middle)
      drawing.line(from: Point(position, plot.maxY), to: Point(position, plot.maxY + 4), color: Theme.frame)
      drawing.text(
        mark.text, at: Point(plot.x + mark.middle, plot.maxY + 18), size: Theme.tickSize, color: Theme.softText,
        anchor: .middle)
    }
    for mark in marks(rows) {
      let position = plot.y + (mark.end ?? mark.middle)
      drawing.line(from: Point(plot.x - 4, position), to: Point(plot.x, position), color: Theme.frame)
      drawing.text(
        mark.text, at: Point(plot.x - 8, plot.y + mark.middle + 4), size: Theme.tickSize, color: Theme.softText,
        anchor: .end)
    }
    drawing.text(
      axis, at: Point(plot.x + plot.width / 2, plot.maxY + 42), size: Theme.labelSize, color: Theme.text,
      anchor: .middle)
    drawing.text(
      axis, at: Point(28, plot.y + plot.height / 2), size: Theme.labelSize, color: Theme.text, anchor: .middle,
      turned: -90)
  }
}
