import Foundation

/// 255 colors that stand for numbers, in equal steps for the eye.
struct ColorMap: Sendable {
  struct Color: Equatable, Sendable {
    let red, green, blue: UInt8

    /// `#rrggbb`
    var text: String {
      let digits = String(UInt32(red) << 16 | UInt32(green) << 8 | UInt32(blue), radix: 16)
      return "#" + String(repeating: "0", count: 6 - digits.count) + digits
    }
  }

  let colors: [Color]

  static let count = 255

  /// Dark blue over green to light yellow: for amounts.
  static let sequential = ColorMap { t in
    OKLab(lightness: 0.26 + 0.68 * t, chroma: 0.13 - 0.16 * t + 0.19 * t * t, hue: 290 - 188 * t)
  }

  /// Blue over white to red: for numbers of both signs, with zero in the middle.
  static let diverging = ColorMap { t in
    let distance = (2 * t - 1).magnitude
    return OKLab(lightness: 0.975 - 0.56 * pow(distance, 1.1), chroma: 0.2 * distance, hue: t < 0.5 ? 255 : 30)
  }

  /// Colors along a path through OKLab, at equal distances of perceived color from each other.
  private init(_ path: (Double) -> OKLab) {
    let fine = 4000
    let points = (0...fine).map { path(Double($0) / Double(fine)).withinDisplay }
    var distances = [0.0]
    for (a, b) in zip(points, points.dropFirst()) { distances.append(distances.last! + a.distance(to: b)) }
    var next = 0
    colors = (0..<Self.count).map { index in
      let wanted = distances[fine] * Double(index) / Double(Self.count - 1)
      while next < fine, distances[next] < wanted { next += 1 }
      return points[next].color
    }
  }

  /// The index of the color for a number from 0 to 1.
  static func index(_ fraction: Double) -> UInt8 {
    let limited: Double = min(max(fraction, 0), 1)
    return UInt8(limited * Double(count - 1) + 0.5)
  }
}

/// A color in a space where distances are those that people see.
///
/// - Source: B. Ottosson, "A perceptual color space for image processing" (2020).
struct OKLab {
  let lightness, a, b: Double

  init(lightness: Double, chroma: Double, hue degrees: Double) {
    self.lightness = lightness
    a = chroma * cos(degrees * .pi / 180)
    b = chroma * sin(degrees * .pi / 180)
  }

  private init(lightness: Double, a: Double, b: Double) {
    self.lightness = lightness
    self.a = a
    self.b = b
  }

  func distance(to other: OKLab) -> Double {
    let (dl, da, db) = (lightness - other.lightness, a - other.a, b - other.b)
    return (dl * dl + da * da + db * db).squareRoot()
  }

  /// The same lightness and hue, with as much of the chroma as a display can show.
  var withinDisplay: OKLab {
    func scaled(_ factor: Double) -> OKLab { OKLab(lightness: lightness, a: factor * a, b: factor * b) }
    func isShown(_ color: OKLab) -> Bool { color.linear.allSatisfy { (-1e-6...1 + 1e-6).contains($0) } }
    if isShown(self) { return self }
    var (low, high) = (0.0, 1.0)
    for _ in 0..<30 {
      let middle = (low + high) / 2
      if isShown(scaled(middle)) { low = middle } else { high = middle }
    }
    return scaled(low)
  }

  /// Red, green and blue in proportion to light.
  private var linear: [Double] {
    let l = pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3)
    let m = pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3)
    let s = pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3)
    return [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    ]
  }

  /// The color in sRGB, as displays take it.
  var color: ColorMap.Color {
    let parts = linear.map { light in
      let light = min(max(light, 0), 1)
      let encoded = light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055
      return UInt8((encoded * 255).rounded())
    }
    return .init(red: parts[0], green: parts[1], blue: parts[2])
  }
}
