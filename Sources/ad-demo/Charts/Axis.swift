import Foundation

/// One direction of a chart: what is on it, and how numbers become places.
struct Axis {
  enum Scale { case linear, logarithmic }

  var label: String
  var scale: Scale

  init(_ label: String, _ scale: Scale = .linear) {
    self.label = label
    self.scale = scale
  }

  /// Whether a number has a place on the axis: finite, and positive if the axis is logarithmic.
  func shows(_ value: Double) -> Bool { value.isFinite && (scale == .linear || value > 0) }

  /// The range of numbers that the axis shows, a little wider than the numbers themselves.
  func range(of values: some Sequence<Double>, margin: Double = 0.04) -> AxisRange {
    var (low, high) = (Double.infinity, -Double.infinity)
    for value in values where shows(value) {
      let place = scale == .linear ? value : log10(value)
      (low, high) = (min(low, place), max(high, place))
    }
    if low > high { (low, high) = scale == .linear ? (0, 1) : (-1, 0) }
    if low == high {
      let half = scale == .linear ? max(low.magnitude * 0.1, 1e-300) : 0.5
      (low, high) = low == 0 && scale == .linear ? (-1, 1) : (low - half, high + half)
    }
    let space = (high / 2 - low / 2) * (2 * margin)
    let limit = Double.greatestFiniteMagnitude
    return AxisRange(scale: scale, low: max(low - space, -limit), high: min(high + space, limit))
  }
}

/// The part of an axis that a chart shows; on a logarithmic axis its ends are decimal logarithms.
struct AxisRange: Equatable {
  let scale: Axis.Scale
  let low, high: Double

  /// Where a number stands: 0 at the low end, 1 at the high end.
  func fraction(_ value: Double) -> Double {
    let place = scale == .linear ? value : log10(value)
    // Halves, because the distance between two large numbers can overflow.
    let fraction = (place / 2 - low / 2) / (high / 2 - low / 2)
    return fraction.isNaN ? 0.5 : fraction
  }

  /// Round numbers within the range, about `count` of them labelled.
  func ticks(count: Int) -> [Tick] { scale == .linear ? linearTicks(count) : logarithmicTicks(count) }

  private func linearTicks(_ count: Int) -> [Tick] {
    roundNumbers(from: low, to: high, count: count).map { Tick(fraction: fraction($0.value), label: $0.label) }
  }

  private func logarithmicTicks(_ count: Int) -> [Tick] {
    let decades = high - low
    if decades < 0.7 {
      // Too little for powers of ten: round numbers, which then stand at unequal distances.
      return roundNumbers(from: pow(10, low), to: pow(10, high), count: count).filter { $0.value > 0 }
        .map { Tick(fraction: fraction($0.value), label: $0.label) }
    }
    var ticks: [Tick] = []
    let step = max(1, Int((decades / (1.4 * Double(count))).rounded(.up)))
    let labelled = decades < 1.3 ? [1, 2, 5] : decades < 2.2 ? [1, 3] : [1]
    for exponent in Int(low.rounded(.down))...Int(high.rounded(.up)) {
      for digit in 1...9 where digit == 1 || step == 1 {
        let place = Double(exponent) + log10(Double(digit))
        guard place >= low - 1e-9, place <= high + 1e-9 else { continue }
        let isLabelled = labelled.contains(digit) && exponent.isMultiple(of: step)
        if !isLabelled, decades > 8 { continue }
        ticks.append(
          Tick(
            fraction: (place - low) / (high - low),
            label: isLabelled ? TickLabel(digit: digit, exponent: exponent, isPower: labelled.count == 1) : nil))
      }
    }
    return ticks
  }
}

/// A mark on an axis; without a label it is a small one.
struct Tick: Equatable {
  /// From 0 at the low end of the axis to 1 at its high end.
  let fraction: Double
  let label: TickLabel?
}

/// A number on an axis: `0.25`, or `10` with an exponent above it.
struct TickLabel: Equatable {
  let mantissa: String
  var exponent: String?

  init(mantissa: String, exponent: Int? = nil) {
    self.mantissa = mantissa
    self.exponent = exponent.map { $0 < 0 ? "−\(-$0)" : "\($0)" }
  }

  /// `digit` times a power of ten, written out if it is short.
  init(digit: Int, exponent: Int, isPower: Bool) {
    if isPower ? (0...0).contains(exponent) : (-2...3).contains(exponent) {
      let text =
        exponent < 0
        ? "0." + String(repeating: "0", count: -exponent - 1) + "\(digit)"
        : "\(digit)" + String(repeating: "0", count: exponent)
      self.init(mantissa: text)
    } else {
      self.init(mantissa: digit == 1 ? "10" : "\(digit)·10", exponent: exponent)
    }
  }

  /// About how wide it is drawn.
  func estimatedWidth(size: Double) -> Double {
    ad_demo.estimatedWidth(of: mantissa, size: size) + ad_demo.estimatedWidth(of: exponent ?? "", size: 0.75 * size)
  }
}

/// Multiples of 1, 2 or 5 times a power of ten that lie between two numbers, about `count` of them.
func roundNumbers(from low: Double, to high: Double, count: Int) -> [(value: Double, label: TickLabel)] {
  guard low < high, low.isFinite, high.isFinite, count > 0 else { return [] }
  let ideal = (high / Double(count)) - (low / Double(count))
  guard (1e-300...1e300).contains(ideal) else { return [] }
  var exponent = Int(log10(ideal).rounded(.down))
  // The candidate nearest to the ideal step on a logarithmic scale.
  let mantissa = ideal / pow(10, Double(exponent))
  var digit = mantissa < 1.5 ? 1 : mantissa < 3.2 ? 2 : mantissa < 7.1 ? 5 : 10
  if digit == 10 { (digit, exponent) = (1, exponent + 1) }
  let step = Double(digit) * pow(10, Double(exponent))
  guard step > 0, step.isFinite else { return [] }
  let first = (low / step - 1e-9).rounded(.up)
  let last = (high / step + 1e-9).rounded(.down)
  guard last - first < 1000, last.magnitude < 1e15, first.magnitude < 1e15 else { return [] }
  let largest = max(first.magnitude, last.magnitude) * step
  return stride(from: first, through: last, by: 1).map { index in
    let whole = Int(index) * digit
    let value = Double(whole) * pow(10, Double(exponent))
    if whole == 0 { return (0, TickLabel(mantissa: "0")) }
    let sign = whole < 0 ? "−" : ""
    if largest >= 1e6 || largest < 1e-3 {
      // Digits before the power of ten: as few as show the number exactly.
      var (digits, power) = (abs(whole), exponent)
      while digits.isMultiple(of: 10) { (digits, power) = (digits / 10, power + 1) }
      let text = "\(digits)"
      let tail = text.dropFirst()
      let mantissa = text.prefix(1) + (tail.isEmpty ? "" : "." + tail)
      return (
        value,
        TickLabel(mantissa: "\(sign)\(mantissa == "1" ? "" : "\(mantissa)·")10", exponent: power + tail.count)
      )
    }
    let text = String(format: "%.\(max(0, -exponent))f", value.magnitude)
    return (value, TickLabel(mantissa: sign + text))
  }
}
