/// Writes pictures of at most 256 colors in the PNG format, without compression.
///
/// - Source: PNG specification, third edition (W3C, 2025); RFC 1950 and RFC 1951 for the stream inside.
enum PNG {
  /// The bytes of a file with one index into the palette for each pixel, row by row.
  static func encode(_ pixels: [UInt8], width: Int, palette: [ColorMap.Color]) -> [UInt8] {
    let height = width == 0 ? 0 : pixels.count / width
    var lines: [UInt8] = []
    lines.reserveCapacity(pixels.count + height)
    for row in 0..<height {
      lines.append(0)  // no filter
      lines += pixels[(row * width)..<((row + 1) * width)]
    }
    // A zlib stream of stored blocks, each of at most 65535 bytes.
    var stream: [UInt8] = [0x78, 0x01]
    var start = 0
    repeat {
      let end = min(start + 65535, lines.count)
      let length = UInt16(end - start)
      stream += [end == lines.count ? 1 : 0, UInt8(length & 0xFF), UInt8(length >> 8)]
      stream += [UInt8(~length & 0xFF), UInt8(~length >> 8)]
      stream += lines[start..<end]
      start = end
    } while start < lines.count
    stream += bigEndian(adler32(lines))

    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    // Eight bits for each pixel, which is an index into the palette.
    file += chunk("IHDR", bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, 3, 0, 0, 0])
    file += chunk("PLTE", palette.flatMap { [$0.red, $0.green, $0.blue] })
    file += chunk("IDAT", stream)
    return file + chunk("IEND", [])
  }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + content
    return bigEndian(UInt32(content.count)) + body + bigEndian(crc32(body))
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320 }
  }

  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    var sum = UInt32.max
    for byte in bytes { sum = table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
    return ~sum
  }

  static func adler32(_ bytes: [UInt8]) -> UInt32 {
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    return b << 16 | a
  }
}
