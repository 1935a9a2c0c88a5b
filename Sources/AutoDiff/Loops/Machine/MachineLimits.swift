/// What this machine can do at best, measured: the limits that benchmarks are compared with.
package enum MachineLimits {
  /// The rate of the product's innermost loop while all its operands lie in the first-level cache, in GFLOP/s.
  package static func productRate(of type: ScalarType, threads: Int) -> Double {
    perType(type, double: productRate(Double.self, threads), float: productRate(Float.self, threads))
  }

  private static func productRate<T: LoopScalar>(_: T.Type, _ threads: Int) -> Double {
    let (k, repetitions) = (128, 20_000)
    let (rows, columns) = (MatrixTile.rows, MatrixTile.columns(T.self))
    var best = Double.infinity
    for _ in 0..<5 {
      let time = ContinuousClock().measure {
        ThreadTeam.run(threads) { _ in
          withPooledScratch(T.self, k * (rows + columns) + rows * columns) { memory in
            memory.initialize(repeating: 0, count: k * (rows + columns) + rows * columns)
            let (a, b, c) = (memory, memory + k * rows, memory + k * (rows + columns))
            let target = ProductTarget(base: c, rowStride: columns, scale: 1, accumulate: true)
            for _ in 0..<repetitions {
              MatrixTile.tile(
                k, a, rowStride: 1, columnStride: rows, b, rowStride: columns, into: target, rows: rows,
                columns: columns)
            }
          }
        }
      }
      best = min(best, time / .seconds(1))
    }
    return 2 * Double(k * rows * columns * repetitions * threads) / best * 1e-9
  }

  /// The rate of copying memory that no cache holds, reading and writing both counted, in GB/s.
  package static func bandwidth() -> Double {
    let (pieces, count) = (64, 1 << 19)
    let source = BufferPool.takeOrStop(pieces * count * 8)
    let target = BufferPool.takeOrStop(pieces * count * 8)
    defer {
      BufferPool.give(source, pieces * count * 8)
      BufferPool.give(target, pieces * count * 8)
    }
    let (x, y) = (source.assumingMemoryBound(to: Double.self), target.assumingMemoryBound(to: Double.self))
    x.initialize(repeating: 1, count: pieces * count)
    y.initialize(repeating: 0, count: pieces * count)
    var best = Double.infinity
    for _ in 0..<5 {
      let time = ContinuousClock().measure {
        ThreadTeam.run(pieces) { (y + $0 * count).update(from: x + $0 * count, count: count) }
      }
      best = min(best, time / .seconds(1))
    }
    return 16 * Double(pieces * count) / best * 1e-9
  }
}
