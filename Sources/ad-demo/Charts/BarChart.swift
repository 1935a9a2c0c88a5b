/// Named amounts as horizontal bars, each with its value beside it.
///
/// A value that is not finite has a name and no bar.
struct BarChart {
  struct Bar {
    var name: String
    var value: Double
    /// What stands beside the bar.
    var label: String

    init(_ name: String, _ value: Double, label: String) {
      self.name = name
      self.value = value
      self.label = label
    }
  }

  var title: String
  var axis: String
  var bars: [Bar]
  var width = 720.0

  /// The chart as the text of an SVG file.
  var svg: String {
    let pitch = 30.0
    let top = 52.0
    let plotHeight = max(Double(bars.count), 1) * pitch + 8
    let height = top + plotHeight + (axis.isEmpty ? 40 : 62)
    var drawing = SVG(width: width, height: height, title: title)
    let names = bars.map { estimatedWidth(of: $0.name, size: Theme.labelSize) }.max() ?? 0
    let left = 20 + min(names, width * 0.4) + 10
    let labels = bars.map { estimatedWidth(of: $0.label, size: Theme.tickSize) }.max() ?? 0
    let plot = Frame(x: left, y: top, width: max(width - left - labels - 34, 10), height: plotHeight)

    let values = bars.map(\.value).filter(\.isFinite)
    let range = AxisRange(scale: .linear, low: min(values.min() ?? 0, 0), high: max(values.max() ?? 0, 0))
    let shown = range.low == range.high ? AxisRange(scale: .linear, low: 0, high: 1) : range
    func place(_ value: Double) -> Double { plot.x + shown.fraction(value) * plot.width }

    drawing.text(title, at: Point(20, 30), size: Theme.titleSize, color: Theme.text, isBold: true)
    for tick in shown.ticks(count: max(2, Int(plot.width / 95))) {
      let position = plot.x + tick.fraction * plot.width
      drawing.line(from: Point(position, plot.y), to: Point(position, plot.maxY), color: Theme.grid)
      guard let label = tick.label else { continue }
      drawing.label(
        label, at: Point(position, plot.maxY + 18), size: Theme.tickSize, color: Theme.softText, anchor: .middle)
    }
    for (index, bar) in bars.enumerated() {
      let middle = plot.y + 4 + (Double(index) + 0.5) * pitch
      drawing.text(
        bar.name, at: Point(plot.x - 10, middle + 4.5), size: Theme.labelSize, color: Theme.text, anchor: .end)
      let value = bar.value.isFinite ? bar.value : 0
      let (start, end) = (min(place(value), place(0)), max(place(value), place(0)))
      drawing.rectangle(
        Frame(x: start, y: middle - 9, width: end - start, height: 18), fill: Theme.color(ofSeries: 0), corner: 2)
      drawing.text(bar.label, at: Point(end + 7, middle + 4), size: Theme.tickSize, color: Theme.softText)
    }
    drawing.line(from: Point(place(0), plot.y), to: Point(place(0), plot.maxY), color: Theme.frame)
    drawing.text(
      axis, at: Point(plot.x + plot.width / 2, plot.maxY + 44), size: Theme.labelSize, color: Theme.text,
      anchor: .middle)
    return drawing.document
  }
}
