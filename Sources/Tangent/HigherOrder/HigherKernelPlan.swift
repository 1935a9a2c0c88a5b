import AutoDiff

/// How a higher-order kernel will be computed within a budget of memory. Print it before the work.
///
/// The kernel is made of units, boxes of so many examples in each argument, which depend on the order alone. A tile is a
/// box of whole units; which ones are taken together changes no bit of any entry.
public struct HigherKernelPlan: Sendable, CustomStringConvertible {
  /// r.
  public let order: Int
  /// The shape of the kernel: the number of first arguments, then n for each of the others.
  public let shape: [Int]
  /// The scalar type of the kernel.
  public let scalarType: ScalarType
  /// Whether the first two arguments are the same examples, so that only tiles on and above their diagonal are computed.
  public let isSymmetric: Bool
  /// The examples of a unit in each argument.
  public let unit: [Int]
  /// The examples of a tile in each argument: multiples of those of a unit, or all there are.
  public internal(set) var tile: [Int]
  /// The bytes that may be in use.
  public let budget: Int
  /// About the most bytes that will be in use beside tile and kernel.
  public let unitBytes: Int

  /// The bytes of the whole kernel.
  public var kernelBytes: Int { shape.reduce(scalarType.byteCount, saturating) }
  /// The bytes of a tile.
  public var tileBytes: Int { tile.reduce(scalarType.byteCount, saturating) }

  /// Plans within a budget: one tile where the kernel fits beside what a unit takes, otherwise tiles as large as do.
  ///
  /// - Parameter unitBytes: the bytes of everything that a unit takes on its way, for its extents.
  init(
    order: Int, shape: [Int], scalarType: ScalarType, isSymmetric: Bool, budget: Int, unitBytes: ([Int]) -> Int
  ) throws(KernelError) {
    (self.order, self.shape, self.scalarType) = (order, shape, scalarType)
    (self.isSymmetric, self.budget) = (isSymmetric, budget)
    unit = zip(Self.extents(ofUnit: order), shape).map { max(1, min($0, $1)) }
    tile = unit
    // Its result is there twice, the second time in the tile or mirrored.
    let result = unit.reduce(scalarType.byteCount, saturating)
    self.unitBytes = Self.sum(unitBytes(unit), result)
    guard Self.sum(self.unitBytes, result) <= budget else {
      throw .tooLittleMemory(needed: Self.sum(self.unitBytes, result), budget: budget)
    }
    // The last arguments first, so that a tile is a piece of the kernel without gaps where that is possible.
    for axis in shape.indices.reversed() {
      var grown = self
      while grown.tile[axis] < shape[axis] {
        grown.tile[axis] = min(shape[axis], grown.tile[axis] + unit[axis])
        if isSymmetric, axis < 2 { grown.tile[1 - axis] = grown.tile[axis] }
        guard Self.sum(self.unitBytes, grown.tileBytes) <= budget else { break }
        tile = grown.tile
      }
    }
  }

  /// a + b, or the largest number where that is too large.
  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, overflows) = a.addingReportingOverflow(b)
    return overflows ? .max : sum
  }

  /// The bytes that it takes to have the whole kernel in memory.
  var bytesInMemory: Int { Self.sum(Self.sum(unitBytes, kernelBytes), tiles.count > 1 ? tileBytes : 0) }

  /// Two arguments of sixteen examples, and some sixteen directions: enough for products of matrices, few for memory.
  private static func extents(ofUnit order: Int) -> [Int] {
    let directions = order == 3 ? [16] : order == 4 ? [4, 4] : [Int](repeating: 2, count: order - 2)
    return [16, 16] + directions
  }

  /// The same plan with tiles of so many examples in each argument, rounded up to whole units.
  func with(tile: [Int]) -> HigherKernelPlan {
    var plan = self
    plan.tile = shape.indices.map { axis in
      let units = (max(1, tile[axis]) + unit[axis] - 1) / unit[axis]
      return max(1, min(shape[axis], saturating(units, unit[axis])))
    }
    if isSymmetric { plan.tile[0] = max(plan.tile[0], plan.tile[1]) }
    if isSymmetric { plan.tile[1] = plan.tile[0] }
    return plan
  }

  /// The tiles in the order of their computation, the last argument fastest.
  public var tiles: [HigherKernelTile] {
    boxes(shape.map { 0..<$0 }, tile).filter { !isSymmetric || $0[0].lowerBound <= $0[1].lowerBound }
      .map { HigherKernelTile(ranges: $0) }
  }

  /// The units of a tile that are computed; others are mirror images.
  func units(of tile: HigherKernelTile) -> [HigherKernelTile] {
    boxes(tile.ranges, unit).filter { !isSymmetric || $0[0].lowerBound <= $0[1].lowerBound }
      .map { HigherKernelTile(ranges: $0) }
  }

  /// All boxes of a grid over ranges.
  private func boxes(_ ranges: [Range<Int>], _ extents: [Int]) -> [[Range<Int>]] {
    zip(ranges, extents).reduce([[]]) { boxes, axis in
      let parts = stride(from: axis.0.lowerBound, to: axis.0.upperBound, by: axis.1).map {
        $0..<min($0 + axis.1, axis.0.upperBound)
      }
      return boxes.flatMap { box in parts.map { box + [$0] } }
    }
  }

  /// The plan in a few words.
  public var description: String {
    let count = tiles.count
    return "K^(\(order)) \(shape), \(scalarType.rawValue), \(kernelBytes) bytes\(isSymmetric ? ", symmetric" : ""); "
      + "\(count) tile\(count == 1 ? "" : "s") of \(tile) in units of \(unit), about \(unitBytes) bytes on the way of a "
      + "budget of \(budget)"
  }
}

/// A box of tuples of examples.
public struct HigherKernelTile: Sendable, Equatable {
  /// For each argument, which examples; the first counts among the new points, if there are any.
  public let ranges: [Range<Int>]

  /// How many tuples they are.
  var work: Double { ranges.reduce(1) { $0 * Double($1.count) } }

  /// Whether the first two arguments are the same.
  var isOnDiagonal: Bool { ranges[0] == ranges[1] }

  /// The tile on the other side of the diagonal of the first two arguments.
  public var mirrored: HigherKernelTile {
    HigherKernelTile(ranges: [ranges[1], ranges[0]] + ranges.dropFirst(2))
  }

  /// Where the tile lies in a box that begins at the given places.
  func place(from start: [Int]) -> [TensorIndex] {
    zip(ranges, start).map { .range($0.lowerBound - $1, $0.upperBound - $1, step: 1) }
  }
}
