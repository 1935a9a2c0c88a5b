import Foundation

/// A number for people: four significant digits, `0.03142` or `1.234e-09`.
func numeral(_ value: Double, digits: Int = 4) -> String {
  if value == 0 || !value.isFinite { return value == 0 ? "0" : "\(value)" }
  let text = String(format: "%.\(digits - 1)e", value)
  guard let mark = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...]) else { return text }
  if (-4..<6).contains(exponent) { return String(format: "%.\(max(0, digits - 1 - exponent))f", value) }
  return text
}

/// A share of a whole: `12.3 %`.
func percentage(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }

/// A whole number with its thousands apart: `26 122`.
func grouped(_ value: Int) -> String {
  let digits = String(value.magnitude)
  var text = ""
  for (place, digit) in digits.enumerated() {
    if place > 0, (digits.count - place).isMultiple(of: 3) { text += " " }
    text.append(digit)
  }
  return (value < 0 ? "−" : "") + text
}
