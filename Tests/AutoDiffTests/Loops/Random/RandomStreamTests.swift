import Foundation
import TestSupport
import Testing

@testable import AutoDiff

/// Numbers from their words, one at a time and by the C library: the slow twin of the laws.
private struct PlainLaws {
  let stream: RandomStream

  /// The point that two words 32 places apart make.
  func normal(_ index: UInt64) -> Double {
    let isSecond = index & 32 != 0
    let (a, b) = (stream.word(index & ~32), stream.word(index | 32))
    // In 64 bits where that is exact, so that nothing is lost near u = 1.
    let logarithm =
      a >> 63 == 0 ? log((Double(a) + 0.5) * 0x1p-64) : log1p(-(Double(UInt64.max - a) + 0.5) * 0x1p-64)
    let angle = (Double(Int64(b & (1 << 62 - 1)) - 1 << 61) + 0.5) * 0x1p-61 * (Double.pi / 4)
    let radius = (-2 * logarithm).squareRoot() * (b >> 63 == 1 ? -1 : 1)
    let isSwapped = b >> 62 & 1 == 1
    return radius * (isSecond != isSwapped ? sin(angle) : cos(angle))
  }

  func uniform(_ index: UInt64) -> Double { Double(stream.word(index) >> 11) * 0x1p-53 }
  func uniformSingle(_ index: UInt64) -> Float { Float(stream.word(index) >> 40) * 0x1p-24 }
  func sign(_ index: UInt64) -> Double { stream.word(index) >> 63 == 0 ? 1 : -1 }
}

private func numbers<T: LoopScalar>(
  _: T.Type, _ stream: RandomStream, _ count: Int, from position: UInt64, _ law: some RandomLaw
) -> [T] {
  [T](unsafeUninitializedCapacity: count) { buffer, initialized in
    stream.fill(buffer.baseAddress!, count: count, from: position, law)
    initialized = count
  }
}

@Suite struct RandomStreamTests {
  private let stream = RandomStream(seed: 0xfeed_beef_0123_4567)

  @Test func normalNumbersAreThoseOfTheFormula() {
    let plain = PlainLaws(stream: stream)
    for start: UInt64 in [0, 77, 1 << 45] {
      let x = numbers(Double.self, stream, 3000, from: start, NormalLaw())
      let single = numbers(Float.self, stream, 3000, from: start, NormalLaw())
      for k in 0..<3000 {
        let expected = plain.normal(start + UInt64(k))
        #expect(Swift.abs(x[k] - expected) <= 4e-14 * Swift.max(Swift.abs(expected), 0.1), "\(k)")
        #expect(Swift.abs(Double(single[k]) - x[k]) < 1e-5 * Swift.max(1, Swift.abs(x[k])), "\(k)")
      }
    }
  }

  @Test func uniformNumbersAndSignsAreExact() {
    let plain = PlainLaws(stream: stream)
    let range = 900..<1700
    func expected<T>(_ f: (UInt64) -> T) -> [T] { range.map { f(UInt64($0)) } }
    let unit = UniformLaw(0..<1)
    #expect(numbers(Double.self, stream, range.count, from: 900, unit) == expected(plain.uniform))
    #expect(numbers(Float.self, stream, range.count, from: 900, unit) == expected(plain.uniformSingle))
    #expect(
      numbers(Double.self, stream, range.count, from: 900, UniformLaw(-0.3..<0.7))
        == expected { -0.3 + (0.7 + 0.3) * plain.uniform($0) })
    #expect(numbers(Double.self, stream, range.count, from: 900, SignLaw()) == expected(plain.sign))
    #expect(numbers(Float.self, stream, range.count, from: 900, SignLaw()) == expected { Float(plain.sign($0)) })
  }

  /// Where a drawing begins and ends, and how it is divided, makes no difference: every number stands at its own place.
  @Test func everyNumberHasItsPlace() {
    var random = RandomGenerator(seed: 3)
    func check<T: LoopScalar>(_ type: T.Type, _ law: some RandomLaw) {
      let all = numbers(type, stream, 70_000, from: 50, law)
      for _ in 0..<60 {
        let start = Int.random(in: 0..<69_000, using: &random)
        let count = Swift.min([1, 2, 31, 128, 130, 1000, 40_000].randomElement(using: &random)!, 70_000 - start)
        let part = numbers(type, stream, count, from: UInt64(50 + start), law)
        #expect(part == Array(all[start..<start + count]), "\(type), \(law), \(start), \(count)")
      }
    }
    check(Double.self, NormalLaw())
    check(Float.self, NormalLaw())
    check(Double.self, UniformLaw(0..<1))
    check(Float.self, SignLaw())
  }

  @Test func threadsMakeNoDifference() {
    for position: UInt64 in [0, 13] {
      let one = withThreadLimit(1) { numbers(Double.self, stream, 150_001, from: position, NormalLaw()) }
      #expect(one == numbers(Double.self, stream, 150_001, from: position, NormalLaw()))
      let single = withThreadLimit(1) { numbers(Float.self, stream, 150_001, from: position, UniformLaw(-1..<1)) }
      #expect(single == numbers(Float.self, stream, 150_001, from: position, UniformLaw(-1..<1)))
    }
  }

  /// The most extreme words give the numbers that the documentation names.
  @Test func extremeWords() {
    func extremes<T: LoopScalar>(_: T.Type, _ high: UInt64, _ low: UInt64, angle: UInt64) -> (T, T) {
      var (h, l) = ([T](repeating: 0, count: 64), [T](repeating: 0, count: 64))
      for k in 0..<64 {
        let bits = k < 32 ? (high, low) : (angle, angle)
        if T.self == Double.self {
          (h[k], l[k]) = (T(Double(bitPattern: bits.0)), T(Double(bitPattern: bits.1)))
        } else {
          h[k] = T(Float(bitPattern: UInt32(bits.0)))
        }
      }
      var y = [T](repeating: 0, count: 64)
      h.withUnsafeMutableBufferPointer { h in
        l.withUnsafeMutableBufferPointer { l in
          let words = RandomWords(high: h.baseAddress!, low: l.baseAddress!)
          y.withUnsafeMutableBufferPointer { NormalLaw().fill($0.baseAddress!, words, count: 32) }
        }
      }
      return (y[0], y[32])
    }
    // The middle of the sector: θ is nearly 0.
    let middle: UInt64 = 0x2000_0000
    let largest = extremes(Double.self, 0, 0, angle: middle)
    #expect(Swift.abs(largest.0 - (2 * 65 * log(2.0)).squareRoot()) < 1e-12)
    let smallest = extremes(Double.self, 0xffff_ffff, 0xffff_ffff, angle: middle)
    #expect(smallest.0 > 0 && smallest.0 < 1e-9 && smallest.1 != 0)
    let largestSingle = extremes(Float.self, 0, 0, angle: middle)
    #expect(Swift.abs(largestSingle.0 - Float(2 * 33 * log(2.0)).squareRoot()) < 1e-5)
    let smallestSingle = extremes(Float.self, 0xffff_ffff, 0, angle: middle)
    #expect(smallestSingle.0 > 0 && smallestSingle.0 < 1e-4 && smallestSingle.1 != 0)
  }
}
