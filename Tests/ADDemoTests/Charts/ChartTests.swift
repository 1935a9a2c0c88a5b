import Foundation
import Testing

@testable import ad_demo

@Suite struct ChartTests {
  @Test func drawsLinesAndPoints() {
    let chart = LineChart(
      title: "Loss <& \"more\">", x: Axis("step"), y: Axis("loss", .logarithmic),
      series: [
        .init("a", values: [1, 0.1, 0.01]), .init("b", values: [2, 1, 0.5], style: .points),
        .init("", values: [1, 1, 1], style: .linePoints),
      ])
    let parsed = ParsedSVG(chart.svg)
    #expect(parsed.counts["polyline"] == 2)
    #expect(parsed.counts["circle"] == 3 + 3 + 1)  // and one in the legend
    #expect(parsed.texts.filter { $0 == "Loss <& \"more\">" }.count == 2)
    #expect(parsed.texts.contains("step") && parsed.texts.contains("loss") && parsed.texts.contains("10−1"))
    #expect(parsed.texts.contains("a") && parsed.texts.contains("b"))
  }

  @Test func skipsWhatHasNoPlace() {
    let values = [1, 2, .nan, 3, 4, .infinity, -1, 5, 6, 7]
    let linear = LineChart(title: "t", x: Axis("x"), y: Axis("y"), series: [.init("", values: values)])
    #expect(ParsedSVG(linear.svg).counts["polyline"] == 3)
    let logarithmic = LineChart(
      title: "t", x: Axis("x"), y: Axis("y", .logarithmic), series: [.init("", values: values, style: .points)])
    #expect(ParsedSVG(logarithmic.svg).counts["circle"] == 7)
  }

  @Test(
    arguments: [
      [], [.nan], [0], [-3, -3], [1e308, -1e308], [.leastNonzeroMagnitude, 1e308], [1e-300, 2e-300], [1e15, 1e15 + 1],
      [.infinity, 1],
      [1.7e308, -1.7e308], [.leastNonzeroMagnitude, 0], [.leastNonzeroMagnitude, .leastNormalMagnitude],
      [1, 1 + 1e-15],
    ] as [[Double]])
  func survivesAnyNumbers(values: [Double]) {
    for scale in [Axis.Scale.linear, .logarithmic] {
      let points = values.flatMap { a in values.map { Point(a, $0) } }
      let chart = LineChart(
        title: "", x: Axis("", scale), y: Axis("", scale), series: [.init("s", points, style: .linePoints)], width: 300,
        height: 200)
      _ = ParsedSVG(chart.svg)
      _ = ParsedSVG(HeatMap(title: "", quantity: Axis("", scale), axis: "", values: values, columnCount: 1).svg)
    }
    _ = ParsedSVG(BarChart(title: "", axis: "", bars: values.map { .init("\($0)".uppercased(), $0, label: "") }).svg)
  }

  @Test func drawsBars() {
    let chart = BarChart(
      title: "Shares", axis: "share of the trace",
      bars: [
        .init("first", 0.5, label: "50 %"), .init("second", -0.25, label: "−25 %"), .init("third", .nan, label: "none"),
      ])
    let parsed = ParsedSVG(chart.svg)
    #expect(parsed.counts["rect"] == 1 + 3)
    for text in ["first", "second", "50 %", "none", "share of the trace", "−0.2"] {
      #expect(parsed.texts.contains(text))
    }
  }

  @Test func drawsMatrices() {
    let map = HeatMap(
      title: "Kernel", quantity: Axis("value"), axis: "digit", values: (0..<12).map(Double.init), columnCount: 3,
      groups: [.init(name: "zero", count: 1), .init(name: "one", count: 2)])
    let parsed = ParsedSVG(map.svg)
    #expect(parsed.counts["image"] == 1 && parsed.counts["linearGradient"] == 1)
    #expect(parsed.texts.filter { $0 == "zero" }.count == 2 && parsed.texts.contains("value"))
    let large = HeatMap(
      title: "", quantity: Axis("", .logarithmic), axis: "", values: (0..<1_050 * 1_050).map { Double($0 % 7) },
      columnCount: 1_050, colors: .sequential)
    #expect(large.svg.utf8.count < 1_000_000)
  }

  // MARK: Axes

  @Test(arguments: [
    (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]), (-2.2, 2.1, ["−2", "−1", "0", "1", "2"]),
    (0, 0.0004, ["0", "10−4", "2·10−4", "3·10−4", "4·10−4"]), (95, 210, ["100", "120", "140", "160", "180", "200"]),
    (1e6, 3e6, ["10⁶", "1.5·10⁶", "2·10⁶", "2.5·10⁶", "3·10⁶"]), (3, 3, []), (.nan, 3, []), (0, .infinity, []),
  ])
  func choosesRoundNumbers(low: Double, high: Double, labels: [String]) {
    let ticks = roundNumbers(from: low, to: high, count: 5)
    let texts = ticks.map { $0.label.mantissa + ($0.label.exponent ?? "") }
    #expect(texts == labels.map { $0.replacingOccurrences(of: "⁶", with: "6") })
    #expect(ticks.allSatisfy { $0.value >= low - 1e-9 * high.magnitude && $0.value <= high * (1 + 1e-9) })
  }

  @Test func choosesPowersOfTen() {
    func labels(_ low: Double, _ high: Double) -> [String] {
      AxisRange(scale: .logarithmic, low: low, high: high).ticks(count: 5).compactMap { tick in
        tick.label.map { $0.mantissa + ($0.exponent.map { "^\($0)" } ?? "") }
      }
    }
    #expect(labels(-4, 1) == ["10^−4", "10^−3", "10^−2", "10^−1", "1", "10^1"])
    #expect(labels(-20, 0) == ["10^−18", "10^−15", "10^−12", "10^−9", "10^−6", "10^−3", "1"])
    #expect(labels(0, 1) == ["1", "2", "5", "10"])
    #expect(labels(-2, 0) == ["0.01", "0.03", "0.1", "0.3", "1"])
    #expect(labels(2, 2.3) == ["100", "120", "140", "160", "180"])
    #expect(AxisRange(scale: .logarithmic, low: -4, high: 1).fraction(1e-4) == 0)
    #expect(abs(AxisRange(scale: .logarithmic, low: -4, high: 1).fraction(0.1) - 0.6) < 1e-15)
  }

  // MARK: Text and colors

  @Test func escapesText() {
    #expect(escaped("a<b>&\"c\"\u{0}\u{8}\n\u{FFFE}é") == "a&lt;b&gt;&amp;&quot;c&quot; é")
  }

  @Test func colorsAreEquallyFarApart() {
    for map in [ColorMap.sequential, .diverging] {
      #expect(map.colors.count == ColorMap.count)
      // One step of 255 changes no part of a color by much.
      for (a, b) in zip(map.colors, map.colors.dropFirst()) {
        let changes = [(a.red, b.red), (a.green, b.green), (a.blue, b.blue)].map { abs(Int($0.0) - Int($0.1)) }
        #expect(changes.max()! <= 6)
      }
    }
    let greys = ColorMap.sequential.colors.map {
      0.2126 * Double($0.red) + 0.7152 * Double($0.green) + 0.0722 * Double($0.blue)
    }
    #expect(zip(greys, greys.dropFirst()).allSatisfy { $0 <= $1 + 1 } && greys.last! - greys[0] > 150)
    #expect(ColorMap.index(-1) == 0 && ColorMap.index(0.5) == 127 && ColorMap.index(7) == 254)
    #expect(ColorMap.Color(red: 1, green: 0, blue: 255).text == "#0100ff")
  }

  @Test func writesPNG() {
    // The check values that RFC 1950 and the PNG specification give for these sums.
    #expect(PNG.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
    #expect(PNG.adler32(Array("Wikipedia".utf8)) == 0x11E6_0398)
    let file = PNG.encode([0, 1, 1, 0], width: 2, palette: Array(ColorMap.sequential.colors.prefix(2)))
    #expect(file.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
    #expect(file.suffix(8) == [0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82])
    #expect(file.count == 8 + 25 + (12 + 6) + (12 + 2 + 5 + 6 + 4) + 12)
  }
}
