import Foundation

/// A drawing as a stand-alone SVG file.
struct SVG {
  /// How text stands at its point.
  enum Anchor: String { case start, middle, end }

  /// The size in pixels; the drawing scales to any other.
  let width, height: Double
  private let title: String
  private var elements = ""
  private var definitions = ""

  /// An empty white drawing; the title is what screen readers say.
  init(width: Double, height: Double, title: String) {
    self.width = width
    self.height = height
    self.title = title
  }

  /// The text of the file.
  var document: String {
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <svg xmlns="http://www.w3.org/2000/svg" width="\(number(width))" height="\(number(height))" \
    viewBox="0 0 \(number(width)) \(number(height))" role="img" \
    font-family="Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif">
    <title>\(escaped(title))</title>
    \(definitions.isEmpty ? "" : "<defs>\n\(definitions)</defs>\n")\
    <rect width="100%" height="100%" fill="#ffffff"/>
    \(elements)</svg>

    """
  }

  // MARK: Shapes

  mutating func line(from a: Point, to b: Point, color: String, width: Double = 1) {
    elements += "<line x1=\"\(number(a.x))\" y1=\"\(number(a.y))\" x2=\"\(number(b.x))\" y2=\"\(number(b.y))\""
    elements += " stroke=\"\(color)\" stroke-width=\"\(number(width))\"/>\n"
  }

  mutating func polyline(_ points: [Point], color: String, width: Double, clip: String? = nil) {
    let list = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
    elements += "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"\(number(width))\""
    elements += " stroke-linejoin=\"round\" stroke-linecap=\"round\"\(clipping(clip))/>\n"
  }

  mutating func circle(_ centre: Point, radius: Double, color: String, opacity: Double = 1, clip: String? = nil) {
    elements +=
      "<circle cx=\"\(number(centre.x))\" cy=\"\(number(centre.y))\" r=\"\(number(radius))\" fill=\"\(color)\""
    elements += "\(opacity < 1 ? " fill-opacity=\"\(number(opacity))\"" : "")\(clipping(clip))/>\n"
  }

  mutating func rectangle(_ frame: Frame, fill: String, corner: Double = 0) {
    elements += "<rect \(place(frame)) fill=\"\(fill)\"\(corner > 0 ? " rx=\"\(number(corner))\"" : "")/>\n"
  }

  mutating func outline(_ frame: Frame, color: String) {
    elements += "<rect \(place(frame)) fill=\"none\" stroke=\"\(color)\"/>\n"
  }

  /// A picture of pixels with sharp edges.
  mutating func image(_ png: [UInt8], in frame: Frame) {
    elements +=
      "<image \(place(frame)) preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\""
    elements += " href=\"data:image/png;base64,\(Data(png).base64EncodedString())\"/>\n"
  }

  // MARK: Text

  mutating func text(
    _ text: String, at point: Point, size: Double, color: String, anchor: Anchor = .start, isBold: Bool = false,
    turned: Double = 0
  ) {
    label(
      TickLabel(mantissa: text), at: point, size: size, color: color, anchor: anchor, isBold: isBold, turned: turned)
  }

  /// A number with its power of ten raised.
  mutating func label(
    _ label: TickLabel, at point: Point, size: Double, color: String, anchor: Anchor = .start, isBold: Bool = false,
    turned: Double = 0
  ) {
    elements +=
      "<text x=\"\(number(point.x))\" y=\"\(number(point.y))\" font-size=\"\(number(size))\" fill=\"\(color)\""
    if anchor != .start { elements += " text-anchor=\"\(anchor.rawValue)\"" }
    if isBold { elements += " font-weight=\"600\"" }
    if turned != 0 { elements += " transform=\"rotate(\(number(turned)) \(number(point.x)) \(number(point.y)))\"" }
    elements += ">\(escaped(label.mantissa))"
    if let exponent = label.exponent {
      elements += "<tspan dy=\"\(number(-0.4 * size))\" font-size=\"\(number(0.75 * size))\">\(exponent)</tspan>"
    }
    elements += "</text>\n"
  }

  // MARK: Definitions

  /// Defines what clips shapes to a frame.
  mutating func defineClip(_ name: String, _ frame: Frame) {
    definitions += "<clipPath id=\"\(name)\"><rect \(place(frame))/></clipPath>\n"
  }

  /// Defines a fill that changes color from bottom to top.
  mutating func defineGradient(_ name: String, colors: [String]) {
    definitions += "<linearGradient id=\"\(name)\" x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\">"
    for (index, color) in colors.enumerated() {
      let offset = Double(index) / Double(max(colors.count - 1, 1))
      definitions += "<stop offset=\"\(number(offset, digits: 4))\" stop-color=\"\(color)\"/>"
    }
    definitions += "</linearGradient>\n"
  }

  // MARK: Pieces of text

  private func place(_ frame: Frame) -> String {
    "x=\"\(number(frame.x))\" y=\"\(number(frame.y))\" width=\"\(number(max(frame.width, 0)))\""
      + " height=\"\(number(max(frame.height, 0)))\""
  }

  private func clipping(_ name: String?) -> String { name.map { " clip-path=\"url(#\($0))\"" } ?? "" }

  /// A length, to a hundredth of a pixel unless said otherwise.
  private func number(_ value: Double, digits: Int = 2) -> String {
    guard value.isFinite, value.magnitude < 1e9 else { return "0" }
    let scale = pow(10, Double(digits))
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }
}

/// A place in a drawing, in pixels from its upper left corner.
struct Point: Equatable {
  var x, y: Double

  init(_ x: Double, _ y: Double) {
    self.x = x
    self.y = y
  }
}

/// A rectangle in a drawing.
struct Frame: Equatable {
  var x, y, width, height: Double

  var maxX: Double { x + width }
  var maxY: Double { y + height }
}

/// Text as it stands in XML: without characters that XML forbids, and with those escaped that mean something there.
func escaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "\n", "\r", "\t": result += " "
    case _ where scalar.value < 0x20 || (0xFFFE...0xFFFF).contains(scalar.value): break
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// About how wide a text is drawn; exact widths depend on the reader's fonts.
func estimatedWidth(of text: String, size: Double) -> Double { Double(text.count) * size * 0.56 }
