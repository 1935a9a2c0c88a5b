/// How far the computation of a kernel is.
public struct KernelProgress: Sendable {
  /// The tiles that are done, those of earlier runs included, and all tiles of this part of the work.
  public let doneTiles: Int, tileCount: Int
  /// The share of the work that is done, from 0 to 1.
  public let fraction: Double
  /// Seconds since this run began, and about how many are left.
  public let elapsed: Double, remaining: Double

  /// Counts the tiles of a run.
  struct Clock {
    private let start = ContinuousClock.now
    private let total: Double, earlier: Double
    private let earlierTiles: Int, tileCount: Int
    private var done = 0.0, doneTiles = 0

    /// - Parameters:
    ///   - tiles: those to come.
    ///   - earlier: the work of those that earlier runs have done.
    init(tiles: [KernelTile], earlierTiles: Int = 0, earlier: Double = 0) {
      self.init(
        work: tiles.reduce(0) { $0 + $1.work }, tileCount: tiles.count, earlierTiles: earlierTiles, earlier: earlier)
    }

    /// The same for work in any unit.
    init(work: Double, tileCount: Int, earlierTiles: Int = 0, earlier: Double = 0) {
      (self.earlier, self.earlierTiles) = (earlier, earlierTiles)
      total = earlier + work
      self.tileCount = earlierTiles + tileCount
    }

    mutating func advance(_ tile: KernelTile) -> KernelProgress { advance(by: tile.work, tiles: 1) }

    mutating func advance(by work: Double, tiles: Int) -> KernelProgress {
      done += work
      doneTiles += tiles
      let elapsed = (ContinuousClock.now - start) / .seconds(1)
      let left = max(0, total - earlier - done)
      return KernelProgress(
        doneTiles: earlierTiles + doneTiles, tileCount: tileCount,
        fraction: total > 0 ? min(1, (earlier + done) / total) : 1, elapsed: elapsed,
        remaining: done > 0 ? elapsed * left / done : 0)
    }
  }
}
