import Foundation

/// Curves and clouds of points over two axes, linear or logarithmic.
///
/// Points that are not finite, or not positive on a logarithmic axis, are left out; a curve is interrupted there.
struct LineChart {
  enum Style { case line, points, linePoints }

  struct Series {
    var name: String
    var points: [Point]
    var style: Style

    /// A series of points; a name that is empty does not show in the legend.
    init(_ name: String, _ points: [Point], style: Style = .line) {
      self.name = name
      self.points = points
      self.style = style
    }

    /// Numbers over 1, 2, 3...
    init(_ name: String, values: [Double], style: Style = .line) {
      self.init(name, values.enumerated().map { Point(Double($0 + 1), $1) }, style: style)
    }
  }

  var title: String
  var x, y: Axis
  var series: [Series]
  var width = 720.0
  var height = 440.0

  /// The chart as the text of an SVG file.
  var svg: String {
    var drawing = SVG(width: width, height: height, title: title)
    let xRange = x.range(of: shown.lazy.map(\.x))
    let yRange = y.range(of: shown.lazy.map(\.y), margin: 0.06)
    let yTicks = yRange.ticks(count: max(2, Int(height / 75)))
    let labels = yTicks.compactMap { $0.label?.estimatedWidth(size: Theme.tickSize) }

    drawing.text(title, at: Point(20, 30), size: Theme.titleSize, color: Theme.text, isBold: true)
    let top = drawLegend(&drawing)
    let left = 20 + (y.label.isEmpty ? 0 : 22) + (labels.max() ?? 0) + 8
    let bottom = height - (x.label.isEmpty ? 34 : 58)
    let plot = Frame(x: left, y: top, width: max(width - 24 - left, 10), height: max(bottom - top, 10))
    func place(_ point: Point) -> Point {
      Point(plot.x + xRange.fraction(point.x) * plot.width, plot.maxY - yRange.fraction(point.y) * plot.height)
    }

    drawAxes(&drawing, plot, xRange.ticks(count: max(2, Int(plot.width / 95))), yTicks)
    drawing.defineClip("plot", Frame(x: plot.x - 5, y: plot.y - 5, width: plot.width + 10, height: plot.height + 10))
    for (index, series) in series.enumerated() {
      let color = Theme.color(ofSeries: index)
      if series.style != .points {
        for run in series.points.split(whereSeparator: { !shows($0) }) {
          drawing.polyline(run.map(place), color: color, width: 2, clip: "plot")
          if run.count == 1, series.style == .line { drawing.circle(place(run.first!), radius: 2, color: color) }
        }
      }
      if series.style != .line {
        let visible = series.points.filter(shows)
        let radius = visible.count > 400 ? 1.8 : visible.count > 60 ? 2.4 : 3.2
        for point in visible {
          let opacity = series.style == .points && visible.count > 60 ? 0.7 : 1
          drawing.circle(place(point), radius: radius, color: color, opacity: opacity, clip: "plot")
        }
      }
    }
    return drawing.document
  }

  private func shows(_ point: Point) -> Bool { x.shows(point.x) && y.shows(point.y) }

  private var shown: [Point] { series.flatMap { $0.points.filter(shows) } }

  private func drawAxes(_ drawing: inout SVG, _ plot: Frame, _ xTicks: [Tick], _ yTicks: [Tick]) {
    for tick in xTicks {
      let position = plot.x + tick.fraction * plot.width
      let color = tick.label == nil ? Theme.fineGrid : Theme.grid
      drawing.line(from: Point(position, plot.y), to: Point(position, plot.maxY), color: color)
    }
    for tick in yTicks {
      let position = plot.maxY - tick.fraction * plot.height
      let color = tick.label == nil ? Theme.fineGrid : Theme.grid
      drawing.line(from: Point(plot.x, position), to: Point(plot.maxX, position), color: color)
    }
    drawing.line(from: Point(plot.x, plot.maxY), to: Point(plot.maxX, plot.maxY), color: Theme.frame)
    drawing.line(from: Point(plot.x, plot.y), to: Point(plot.x, plot.maxY), color: Theme.frame)
    for tick in xTicks {
      guard let label = tick.label else { continue }
      let position = plot.x + tick.fraction * plot.width
      drawing.line(from: Point(position, plot.maxY), to: Point(position, plot.maxY + 4), color: Theme.frame)
      drawing.label(
        label, at: Point(position, plot.maxY + 19), size: Theme.tickSize, color: Theme.softText, anchor: .middle)
    }
    for tick in yTicks {
      guard let label = tick.label else { continue }
      let position = plot.maxY - tick.fraction * plot.height
      drawing.line(from: Point(plot.x - 4, position), to: Point(plot.x, position), color: Theme.frame)
      drawing.label(
        label, at: Point(plot.x - 8, position + 4), size: Theme.tickSize, color: Theme.softText, anchor: .end)
    }
    drawing.text(
      x.label, at: Point(plot.x + plot.width / 2, plot.maxY + 44), size: Theme.labelSize, color: Theme.text,
      anchor: .middle)
    drawing.text(
      y.label, at: Point(30, plot.y + plot.height / 2), size: Theme.labelSize, color: Theme.text, anchor: .middle,
      turned: -90)
  }

  /// Names the series in lines under the title.
  ///
  /// - Returns: Where the plot can start.
  private func drawLegend(_ drawing: inout SVG) -> Double {
    let named = series.indices.filter { !series[$0].name.isEmpty }
    guard !named.isEmpty else { return 52 }
    var (left, line) = (20.0, 54.0)
    for index in named {
      let name = series[index].name
      let needed = 26 + estimatedWidth(of: name, size: Theme.labelSize) + 18
      if left > 20, left + needed > width - 20 { (left, line) = (20, line + 20) }
      let color = Theme.color(ofSeries: index)
      if series[index].style != .points {
        drawing.line(from: Point(left, line - 4), to: Point(left + 18, line - 4), color: color, width: 2.5)
      }
      if series[index].style != .line { drawing.circle(Point(left + 9, line - 4), radius: 3.5, color: color) }
      drawing.text(name, at: Point(left + 25, line), size: Theme.labelSize, color: Theme.text)
      left += needed
    }
    return line + 20
  }
}
