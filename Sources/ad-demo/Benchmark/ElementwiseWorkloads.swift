import AutoDiff
import Foundation

extension Workloads {
  /// c gelu(a x + b) and its derivatives.
  static func chains(exponents: [Int] = [6, 7]) -> [Workload] {
    exponents.flatMap { exponent in
      Running.allCases.map { running in
        let count = (0..<exponent).reduce(1) { power, _ in power * 10 }
        return Workload(id: "W2.chain.1e\(exponent)", variant: running.rawValue, elements: count) { type in
          let u = fill(5, [count], type)
          let p = [fill(4, [count], type, scale: 2)] + [1.1, 0.2, 0.9].map { Tensor($0, as: type) }
          let work = running.prepared { (p: [Tensor]) -> [Tensor] in
            let (value, gradient) = valueWithGradient(
              of: { (p: [Tensor]) in dot(p[3] * gelu(p[1] * p[0] + p[2]), u) }, at: p)
            return [value] + gradient
          }
          return (
            { work(p) }, { $0[0].scalar + norm([$0[1]]) + $0[2].scalar + $0[3].scalar + $0[4].scalar }
          )
        }
      }
    }
  }

  /// Random numbers. The check is the distance of their distribution from the law's, √n sup |Fₙ − F| at the borders of 2¹⁶
  /// classes (Kolmogorov and Smirnov; one in a thousand is above 1.95).
  static func randomNumbers(exponent: Int = 8) -> [Workload] {
    typealias Draw = @Sendable (_ count: Int, _ type: ScalarType, _ random: inout RandomGenerator) -> Tensor
    let laws: [(name: String, draw: Draw, law: @Sendable (Double) -> Double)] = [
      ("normal", { .normal([$0], as: $1, using: &$2) }, { erfc(-$0 / 2.0.squareRoot()) / 2 }),
      ("uniform", { .uniform([$0], as: $1, using: &$2) }, { $0 }),
    ]
    let count = (0..<exponent).reduce(1) { power, _ in power * 10 }
    return laws.map { name, draw, law in
      Workload(id: "W15.random.\(name).1e\(exponent)", elements: count) { type in
        (
          {
            var random = RandomGenerator(seed: 1)
            return [draw(count, type, &random)]
          }, { kolmogorovDistance($0[0], law) }
        )
      }
    } + [correlations(count: count)]
  }

  /// The largest of the correlations of normal numbers with those some places on, of their squares, and with the numbers of
  /// a neighboring and of a split generator, in standard deviations.
  private static func correlations(count: Int) -> Workload {
    Workload(id: "W15.random.correlation.1e\(Int(log10(Double(count)).rounded()))", elements: count) { type in
      (
        {
          // By parts, because the numbers and their squares would not fit many times.
          let (length, lags) = (min(count, 1 << 20), [1, 2, 32, 64, 127, 128, 4096])
          var sums = [Double](repeating: 0, count: 2 * lags.count + 2)
          var random = RandomGenerator(seed: 1)
          var others = [RandomGenerator(seed: 2), random.split()]
          var done = 0
          while done < count {
            let x = Tensor.normal([length], as: type, using: &random)
            let squares = x * x - 1
            for (k, lag) in lags.enumerated() where lag < length {
              sums[k] += dot(x[0..<length - lag], x[lag..<length]).scalar
              sums[lags.count + k] += dot(squares[0..<length - lag], squares[lag..<length]).scalar / 2
            }
            for k in others.indices {
              sums[2 * lags.count + k] += dot(x, .normal([length], as: type, using: &others[k])).scalar
            }
            done += length
          }
          return [Tensor(sums) / Double(done).squareRoot()]
        }, { $0[0].scalars.map(\.magnitude).max() }
      )
    }
  }

  static func kolmogorovDistance(_ x: Tensor, _ law: (Double) -> Double) -> Double {
    let classes = 1 << 16
    var counts = [Int](repeating: 0, count: classes)
    for start in stride(from: 0, to: x.count, by: 1 << 16) {
      for entry in x[start..<min(start + 1 << 16, x.count)].scalars {
        counts[min(classes - 1, Int(law(entry) * Double(classes)))] += 1
      }
    }
    var (below, distance) = (0, 0.0)
    for (k, count) in counts.enumerated() {
      below += count
      distance = max(distance, abs(Double(below) / Double(x.count) - Double(k + 1) / Double(classes)))
    }
    return distance * Double(x.count).squareRoot()
  }
}
