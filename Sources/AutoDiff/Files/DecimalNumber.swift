/// A number found in text, and where the text goes on after it.
struct DecimalNumber {
  let value: Double
  let next: Int

  /// Reads the decimal number that starts at `start`, rounded correctly; nil if none starts there.
  ///
  /// `[+-]digits[.digits][e[+-]digits]`, and `nan`, `inf` and `infinity` in either case. A number too large for a
  /// `Double` gives an infinity.
  ///
  /// - Source: W. D. Clinger, "How to read floating point numbers accurately" (1990): digits up to 2⁵³ and powers of ten
  ///   up to 10²² are exact, so that one multiplication or division rounds correctly. What is longer goes to the
  ///   standard library.
  @inline(__always)
  static func read(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) -> DecimalNumber? {
    var position = start
    var isNegative = false
    if position < end, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+") {
      isNegative = bytes[position] == UInt8(ascii: "-")
      position += 1
    }
    let firstDigit = position
    var digits: UInt64 = 0
    while position < end, let digit = Self.digit(bytes[position]) {
      digits = digits &* 10 &+ digit
      position += 1
    }
    var digitCount = position - firstDigit
    var exponent = 0
    if position < end, bytes[position] == UInt8(ascii: ".") {
      position += 1
      let firstDecimal = position
      while position < end, let digit = Self.digit(bytes[position]) {
        digits = digits &* 10 &+ digit
        position += 1
      }
      exponent = firstDecimal - position
      digitCount -= exponent
    }
    if digitCount == 0 { return readWord(bytes, from: firstDigit, to: end, isNegative: isNegative) }
    if position < end, bytes[position] | 0x20 == UInt8(ascii: "e") {
      var cursor = position + 1
      var isDivided = false
      if cursor < end, bytes[cursor] == UInt8(ascii: "-") || bytes[cursor] == UInt8(ascii: "+") {
        isDivided = bytes[cursor] == UInt8(ascii: "-")
        cursor += 1
      }
      var power = 0
      let firstOfPower = cursor
      while cursor < end, let digit = Self.digit(bytes[cursor]) {
        power = min(power * 10 + Int(digit), 1_000_000)
        cursor += 1
      }
      if cursor > firstOfPower {
        exponent += isDivided ? -power : power
        position = cursor
      }
    }
    // Twenty digits can overflow 64 bits; leading zeros count too, which only costs time.
    if digitCount <= 19, digits <= 1 << 53, abs(exponent) <= 22 {
      let magnitude = Double(digits)
      let scaled = exponent < 0 ? magnitude / powersOfTen[-exponent] : magnitude * powersOfTen[exponent]
      return DecimalNumber(value: isNegative ? -scaled : scaled, next: position)
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    return Double(text).map { DecimalNumber(value: $0, next: position) }
  }

  @inline(never)
  private static func readWord(
    _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int, isNegative: Bool
  ) -> DecimalNumber? {
    let words: [(StaticString, Double)] = [("infinity", .infinity), ("inf", .infinity), ("nan", .nan)]
    for (word, meaning) in words where end - start >= word.utf8CodeUnitCount {
      let isHere = (0..<word.utf8CodeUnitCount).allSatisfy { bytes[start + $0] | 0x20 == word.utf8Start[$0] }
      if isHere {
        return DecimalNumber(value: isNegative ? -meaning : meaning, next: start + word.utf8CodeUnitCount)
      }
    }
    return nil
  }

  @inline(__always)
  private static func digit(_ byte: UInt8) -> UInt64? {
    let digit = byte &- UInt8(ascii: "0")
    return digit < 10 ? UInt64(digit) : nil
  }
}

private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
]
