import Foundation
import Testing

@testable import AutoDiff

@Suite struct VectorMapTests {
  private static let functions: [@Sendable (Tensor) -> Tensor] = [
    { exp($0) }, { log($0) }, { tanh($0) }, { erf($0) }, { sin($0) }, { $0 * $0 + exp($0) },
    { pow($0, $0) },
  ]

  private func numbers(_ count: Int) -> [Double] {
    var noise = StridedNoise(UInt64(count + 1))
    return (0..<count).map { _ in Double.random(in: -8...8, using: &noise) }
  }

  @Test(arguments: Array(0...40) + [1000, 40_001])
  func resultsDoNotDependOnThePlace(count: Int) {
    let x = numbers(count)
    for f in Self.functions {
      let (y, single) = (f(Tensor(x)).scalars, f(Tensor(x).as(.float32)).floats)
      #expect(y.count == count && single.count == count)
      for i in Set([0, 1, count / 2, count - 2, count - 1]) where x.indices.contains(i) {
        #expect(
          f(Tensor([x[i]])).scalars[0].bitPattern == y[i].bitPattern, "entry \(i) of \(count)")
        #expect(
          f(Tensor([Float(x[i])])).floats[0].bitPattern == single[i].bitPattern,
          "entry \(i) of \(count)")
      }
    }
  }

  @Test func resultsDoNotDependOnTheNumberOfThreads() {
    let x = Tensor(numbers(100_003))
    for f in Self.functions {
      let alone = withThreadLimit(1) { f(x).scalars.map(\.bitPattern) }
      #expect(f(x).scalars.map(\.bitPattern) == alone)
    }
  }

  @Test(arguments: [1, 7, 8, 9, 40_001]) func theOutputMayBeAnInput(count: Int) {
    checkInPlace(Double.self, count)
    checkInPlace(Float.self, count)
  }

  private struct SumOfSquares: BinaryLaneFunction {
    func value<V: LaneVector>(_ a: V, _ b: V) -> V { a * a + b * b }
  }

  private func checkInPlace<T: LoopScalar>(_: T.Type, _ count: Int) {
    let x = numbers(count).map { T($0) }
    let y = Array(x.reversed())
    var memory = x
    memory.withUnsafeMutableBufferPointer { a in
      y.withUnsafeBufferPointer { b in
        VectorMap.binary(
          T.scalarType, UnsafeRawPointer(a.baseAddress!), b.baseAddress!, a.baseAddress!, count: count, SumOfSquares())
      }
    }
    #expect(memory == x.indices.map { x[$0] * x[$0] + y[$0] * y[$0] })
  }
}
