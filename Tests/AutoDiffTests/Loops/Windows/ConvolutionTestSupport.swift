@testable import AutoDiff

/// Numbers between −1 and 1 from a linear congruential generator.
func convolutionNoise<T: LoopScalar>(_ seed: UInt64, _ count: Int) -> [T] {
  var state = seed
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return T(Int64(bitPattern: state) >> 40) / T(1 << 23)
  }
}

/// What an operation writes into fresh memory, which holds not-a-number before.
func written<T: LoopScalar>(_ count: Int, _ operation: (UnsafeMutablePointer<T>) -> Void) -> [T] {
  var result = [T](repeating: .nan, count: count)
  result.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { operation(base) } }
  return result
}

/// The largest difference, relative to the largest entry.
func relativeDistance<T: LoopScalar>(_ a: [T], _ b: [T]) -> T {
  let difference = zip(a, b).reduce(T(0)) { max($0, ($1.0 - $1.1).isNaN ? .infinity : abs($1.0 - $1.1)) }
  return a.count == b.count ? difference / max(1, b.reduce(0) { max($0, abs($1)) }) : .infinity
}

func innerProduct(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
