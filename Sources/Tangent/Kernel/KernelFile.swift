import AutoDiff
import Foundation

/// A kernel that grows in a `.npy` file, tile by tile, beside a journal of the tiles that are there.
///
/// Until all tiles are there the values stand in `name.partial`, a file of the final size, and what is done in
/// `name.journal`. A tile is named in the journal only when its values are on the disk; a line that was not completed is
/// ignored. So the process may end at any moment, and a later one continues. The final name appears with the last tile.
final class KernelFile {
  /// The tiles of the computation, in order.
  let tiles: [KernelTile]
  /// Which of them this file is for.
  let ownTiles: [Int]
  /// Those that are there.
  private(set) var done: Set<Int> = []

  private let path: String
  let plan: KernelPlan
  private let values: RandomAccessFile
  private let journal: RandomAccessFile
  private var journalEnd = 0
  private let headerCount: Int
  /// Whether the values have their final name already.
  private var isNamed = false

  /// Opens the files of an interrupted computation, or begins new ones.
  ///
  /// - Parameters:
  ///   - path: the final name.
  ///   - plan: the tiles; those of the journal count where there is one.
  ///   - identity: what tells the computation from others.
  /// - Throws: ``KernelError/differentComputation(file:field:here:there:)`` where the journal is another computation's,
  ///   and ``/AutoDiff/FileError``.
  init(
    _ path: String, plan: KernelPlan, identity: [(field: String, value: String)], shard: KernelShard
  ) throws {
    self.path = path
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw FileError(
        .unwritable, file: path,
        status.st_mode & S_IFMT == S_IFDIR ? "is a folder, not a file." : "is not an ordinary file.")
    }
    journal = try RandomAccessFile(path + ".journal", lock: true)
    let fields = identity + [("shard", "\(shard)")]
    let text = try KernelJournal(journal, path: path + ".journal")
    var plan = plan
    if let text {
      for (field, value) in fields {
        let there = text.fields[field] ?? "missing"
        if there == value || (field == "model" && Self.agree(there, value)) { continue }
        throw KernelError.differentComputation(file: path + ".journal", field: field, here: value, there: there)
      }
      let tile = (text.fields["tile"] ?? "").split(separator: " ").compactMap { Int($0) }
      guard tile.count == 2, tile.allSatisfy({ $0 > 0 }) else {
        throw FileError(.malformed, file: path + ".journal", "the size of the tiles is missing.")
      }
      plan = plan.with(rowTile: tile[0], columnTile: tile[1])
    }
    self.plan = plan
    tiles = plan.tiles
    ownTiles = tiles.indices.filter { $0 % shard.count == shard.index }
    let header = NumpyFile.header(shape: plan.shape, scalarType: plan.scalarType)
    headerCount = header.count
    let whole = header.count + plan.kernelBytes
    // The process may have ended after the last file got its name and before the journal was removed.
    if let text, ownTiles.allSatisfy(Set(text.done).contains), shard.count == 1, stat(path + ".partial", &status) != 0,
      stat(path, &status) == 0, Int(status.st_size) == whole
    {
      values = try RandomAccessFile(path)
      done = Set(ownTiles)
      isNamed = true
      return
    }
    values = try RandomAccessFile(path + ".partial")
    let size = try values.size
    if let text, size == whole {
      done = Set(text.done.filter { tiles.indices.contains($0) })
      journalEnd = text.end
      try journal.resize(to: journalEnd)
    } else {
      if text != nil, size > 0 {
        throw FileError(.truncated, file: path + ".partial", "has \(size) bytes where the journal needs \(whole).")
      }
      try values.resize(to: whole)
      try values.write(header[...], at: 0)
      try values.synchronize()
      try journal.resize(to: 0)
      journalEnd = 0
      let lines = fields + [("tile", "\(plan.rowTile) \(plan.columnTile)")]
      try append(
        ([KernelJournal.title] + lines.map { "\($0.field) \($0.value)" } + [KernelJournal.separator]).joined(
          separator: "\n") + "\n"
      )
    }
  }

  /// Whether two sums of magnitudes differ by what another machine's rounding may do.
  private static func agree(_ a: String, _ b: String) -> Bool {
    guard let x = Double(a), let y = Double(b) else { return a == b }
    return (x - y).magnitude <= 1e-3 * max(x.magnitude, y.magnitude)
  }

  var isComplete: Bool { ownTiles.allSatisfy(done.contains) }

  /// Writes a tile, and on the other side of the diagonal its mirror image, and then notes it in the journal.
  func write(_ index: Int, _ value: Tensor) throws {
    let tile = tiles[index]
    var check = KernelJournal.Check()
    try write(value, in: tile, &check)
    if plan.isSymmetric, tile.rows != tile.columns {
      try write(plan.outputs.mirrored(value), in: tile.mirrored, &check)
    }
    try values.synchronize()
    try append(KernelJournal.line(index, check.text))
    done.insert(index)
  }

  /// Copies the tiles of another file of the same computation.
  func copy(_ other: KernelFile) throws {
    for index in other.ownTiles where !done.contains(index) {
      let tile = tiles[index]
      var check = KernelJournal.Check()
      let isMirrored = plan.isSymmetric && tile.rows != tile.columns
      for part in isMirrored ? [tile, tile.mirrored] : [tile] {
        try forEachRun(of: part) { offset, count in
          let bytes = try other.values.read(count, at: offset)
          check.take(bytes[...])
          try values.write(bytes[...], at: offset)
        }
      }
      guard other.checks[index] == check.text else {
        throw KernelError.incompleteShard(
          file: other.path + ".partial", problem: "tile \(index) is not what the journal says; run the shard again.")
      }
      try values.synchronize()
      try append(KernelJournal.line(index, check.text))
      done.insert(index)
    }
  }

  private lazy var checks: [Int: String] =
    (try? KernelJournal(journal, path: path + ".journal"))?.checks ?? [:]

  /// Gives the values their final name, and removes the journal.
  func finish() throws {
    if !isNamed { try values.rename(to: path) }
    unlink(path + ".journal")
  }

  private func append(_ text: String) throws {
    let bytes = Array(text.utf8)
    try journal.write(bytes[...], at: journalEnd)
    try journal.synchronize()
    journalEnd += bytes.count
  }

  private func write(_ value: Tensor, in tile: KernelTile, _ check: inout KernelJournal.Check) throws {
    let bytes = value.rowMajorBytes
    var start = 0
    try forEachRun(of: tile) { offset, count in
      let run = bytes[start..<start + count]
      check.take(run)
      try values.write(run, at: offset)
      start += count
    }
  }

  /// The runs of bytes that a tile takes in the file, in the order of its own entries.
  private func forEachRun(of tile: KernelTile, _ body: (_ offset: Int, _ count: Int) throws -> Void) rethrows {
    let (o, size) = (plan.outputCount, plan.scalarType.byteCount)
    let kept = plan.outputs.kept(o, o) * size
    switch plan.outputs {
    case .exampleDiagonal:
      try body(headerCount + tile.rows.lowerBound * kept, tile.rows.count * kept)
    case .flattened:
      let row = plan.columnCount * o * size
      for k in tile.rows.lowerBound * o..<tile.rows.upperBound * o {
        try body(headerCount + k * row + tile.columns.lowerBound * o * size, tile.columns.count * o * size)
      }
    case .full, .traceSum, .traceMean, .outputDiagonal:
      for k in tile.rows {
        try body(headerCount + (k * plan.columnCount + tile.columns.lowerBound) * kept, tile.columns.count * kept)
      }
    }
  }
}

extension KernelComputation {
  /// Computes the kernel into a `.npy` file, tile by tile; only tiles are in memory.
  ///
  /// If a file of the same name was begun by an interrupted computation of the same kernel, its tiles are kept and it is
  /// continued: the bytes are those of an uninterrupted one. A budget that would divide sums otherwise is refused. A part
  /// of several goes to a file of its own, named after `path`; ``merge(to:count:)`` joins them.
  ///
  /// - Parameters:
  ///   - path: the final name, which ends in `.npy`.
  ///   - shard: which part of the tiles is computed here.
  ///   - progress: called after every tile. If it throws, or the task is cancelled, the computation ends; what is done
  ///     is kept.
  /// - Throws: ``KernelError/differentComputation(file:field:here:there:)`` where the file that was begun is another
  ///   kernel's, and ``/AutoDiff/FileError``.
  /// - Returns: the most bytes of tensors that were in use.
  @discardableResult
  public func write(
    to path: String, shard: KernelShard = .whole, progress: (KernelProgress) throws -> Void = { _ in }
  ) throws -> Int {
    guard path.lowercased().hasSuffix(".npy") else {
      throw FileError(.unsupported, file: path, "the name must end in .npy, which tells the format.")
    }
    let file = try KernelFile(shard.path(of: path), plan: plan, identity: identity, shard: shard)
    let left = file.ownTiles.filter { !file.done.contains($0) }
    let peak = try withPooledMemoryLimit(plan.budget) {
      var next = left.startIndex
      let earlier = file.ownTiles.filter(file.done.contains)
      try forEachTile(left.map { file.tiles[$0] }, after: earlier.map { file.tiles[$0] }, progress) { _, value in
        try file.write(left[next], value)
        next += 1
      }
    }.peak
    if shard.count == 1 { try file.finish() }
    return peak
  }

  /// Joins the parts of a kernel that several processes have computed, and removes them.
  ///
  /// - Parameters:
  ///   - path: the final name, which the parts were given.
  ///   - count: how many parts there are.
  /// - Throws: ``KernelError/incompleteShard(file:problem:)`` where one is missing or not finished.
  public func merge(to path: String, count: Int) throws {
    let shards = (0..<count).map { KernelShard($0, of: count) }
    for shard in shards where !FileManager.default.fileExists(atPath: shard.path(of: path) + ".journal") {
      throw KernelError.incompleteShard(
        file: shard.path(of: path), problem: "part \(shard) has no journal here; it was not computed, or elsewhere.")
    }
    let files = try shards.map { try KernelFile($0.path(of: path), plan: plan, identity: identity, shard: $0) }
    for (shard, file) in zip(shards, files) where !file.isComplete {
      throw KernelError.incompleteShard(
        file: shard.path(of: path),
        problem: "\(file.ownTiles.count - file.done.count) of \(file.ownTiles.count) tiles are missing; run it again.")
    }
    for (shard, file) in zip(shards, files) where file.tiles != files[0].tiles {
      throw KernelError.incompleteShard(
        file: shard.path(of: path), problem: "its tiles are not those of part 0; use the same --budget for all parts.")
    }
    guard let first = files.first else { return }
    let whole = try KernelFile(path, plan: first.plan, identity: identity, shard: .whole)
    guard whole.tiles == first.tiles else {
      throw KernelError.incompleteShard(
        file: path + ".journal", problem: "was begun with other tiles than the parts have. Remove it.")
    }
    for file in files { try whole.copy(file) }
    try whole.finish()
    for shard in shards {
      unlink(shard.path(of: path) + ".partial")
      unlink(shard.path(of: path) + ".journal")
    }
  }
}
