import Dispatch
import Foundation
import Testing

@testable import AutoDiff

/// There is no global tracing state: any number of threads may differentiate at once.
@Suite struct ThreadSafetyTests {
  private static func work(_ seed: UInt64) -> [Tensor] {
    var generator = RandomGenerator(seed: seed)
    let x = Tensor.normal([6], using: &generator)
    let w = Tensor.normal([6, 6], using: &generator)
    let f = { (x: Tensor) in (tanh(matmul(w, x)) * softmax(x)).sum() }
    return [
      gradient(of: f, at: x), hvp(of: f, at: x, along: x), hessian(of: f, at: x),
      gradient(of: { gradient(of: f, at: $0).norm() }, at: x),
      vmap { (row: Tensor) in gradient(of: f, at: row) }(w), jacobian(of: { sin($0) * $0.sum() }, at: x),
    ]
  }

  @Test func threadsDoNotDisturbEachOther() {
    let seeds = (0..<8).map { UInt64($0) }
    let expected = seeds.map(Self.work)
    let results = Results(count: seeds.count)
    DispatchQueue.concurrentPerform(iterations: 4 * seeds.count) { k in
      let seed = seeds[k % seeds.count]
      for _ in 0..<5 { results.compare(Self.work(seed), expected[k % seeds.count]) }
    }
    #expect(results.differences == 0)
  }

  /// Two threads take turns inside their closures, so that their traces are surely open at the same time and their ranks
  /// interleave.
  @Test func interleavedTraces() {
    let turns = (DispatchSemaphore(value: 1), DispatchSemaphore(value: 0))
    let results = Results(count: 2)
    @Sendable func differentiate(_ mine: DispatchSemaphore, _ other: DispatchSemaphore, _ scale: Double) {
      let value = gradient(
        of: { (x: Tensor) in
          var y = x * scale
          for _ in 0..<10 {
            mine.wait()
            // An inner transform, which takes the next rank.
            y = y + gradient(of: { (z: Tensor) in x * z * z }, at: x)
            other.signal()
          }
          return y
        }, at: Tensor(3))
      // d/dx (scale x + 10 · 2x²)
      results.compare([value], [Tensor(scale + 120)])
    }
    let group = DispatchGroup()
    for index in 0..<2 {
      let thread = Thread {
        differentiate(index == 0 ? turns.0 : turns.1, index == 0 ? turns.1 : turns.0, Double(index + 1))
        group.leave()
      }
      group.enter()
      thread.start()
    }
    group.wait()
    #expect(results.differences == 0)
  }

  @Test func structuredTasks() async {
    let expected = Self.work(3)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 { group.addTask { Self.work(3) == expected } }
      for await isEqual in group { #expect(isEqual) }
    }
  }
}

/// Counts what differs, from any thread.
private final class Results: @unchecked Sendable {
  private let lock = NSLock()
  private(set) var differences = 0

  init(count: Int) {}

  func compare(_ a: [Tensor], _ b: [Tensor]) {
    guard a != b else { return }
    lock.withLock { differences += 1 }
  }
}
