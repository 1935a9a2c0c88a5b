import AutoDiff
import Foundation

/// A kernel that grows in a `.npy` file, tile by tile, beside a journal of the tiles that are there.
///
/// Until all tiles are there the values stand in `name.partial`, a file of the final size, and what is done in
/// `name.journal`. A tile is named in the journal only when its values are on the disk; a line that was not completed is
/// ignored. So the process may end at any moment, and a later one continues. The final name appears with the last tile.
///
/// What a disk or another program has changed since is not trusted: tiles that differ from the journal's checks count as
/// missing.
final class KernelFile {
  /// The tiles of the computation, in order.
  var tiles: [KernelTile] { layout.tiles }
  /// Which of them this file is for.
  let ownTiles: [Int]
  /// Those that are there.
  private(set) var done: Set<Int> = []

  private let path: String
  var plan: KernelPlan { layout.plan }
  private let layout: KernelLayout
  private let values: RandomAccessFile
  private let journal: RandomAccessFile
  private var journalEnd = 0
  /// The checks of the tiles that the journal names.
  private var checks: [Int: String] = [:]
  /// Whether the values have their final name already.
  private var isNamed = false

  /// Opens the files of an interrupted computation, or begins new ones.
  ///
  /// - Parameters:
  ///   - path: the final name.
  ///   - plan: the tiles; those of the journal count where there is one.
  ///   - identity: what tells the computation from others.
  ///   - checksTiles: whether the tiles that are there are compared with the journal; else ``copy(_:)`` must do it.
  /// - Throws: ``KernelError/differentComputation(file:field:here:there:)`` where the journal is another computation's,
  ///   and ``/AutoDiff/FileError``.
  /// - Complexity: reads the tiles that are there once.
  init(
    _ path: String, plan: KernelPlan, identity: [(field: String, value: String)], shard: KernelShard,
    checksTiles: Bool = true
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
    layout = KernelLayout(plan)
    ownTiles = layout.tiles.indices.filter { $0 % shard.count == shard.index }
    // The process may have ended after the last file got its name and before the journal was removed.
    if let text, shard.count == 1, stat(path + ".partial", &status) != 0, stat(path, &status) == 0 {
      let named = try RandomAccessFile(path)
      if try layout.holds(named, text.checks) {
        values = named
        done = Set(ownTiles)
        isNamed = true
        return
      }
    }
    values = try RandomAccessFile(path + ".partial")
    let size = try values.size
    if let text, size == layout.size {
      checks = text.checks.filter { layout.tiles.indices.contains($0.key) }
      done = Set(try checks.filter { try !checksTiles || layout.check($0.key, in: values) == $0.value }.keys)
      try values.write(layout.header[...], at: 0)
      journalEnd = text.end
      try journal.resize(to: journalEnd)
    } else {
      if text != nil, size > 0 {
        throw FileError(
          .truncated, file: path + ".partial", "has \(size) bytes where the journal needs \(layout.size).")
      }
      try values.resize(to: layout.size)
      try values.write(layout.header[...], at: 0)
      try values.synchronize()
      try journal.resize(to: 0)
      journalEnd = 0
      try append(KernelJournal.head(fields + [("tile", "\(plan.rowTile) \(plan.columnTile)")]))
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
    var check = KernelJournal.Check()
    for part in layout.parts(index) {
      let bytes = (part == tiles[index] ? value : plan.outputs.mirrored(value)).rowMajorBytes
      var start = 0
      try layout.forEachRun(of: part) { offset, count in
        let run = bytes[start..<start + count]
        check.take(run)
        try values.write(run, at: offset)
        start += count
      }
    }
    try note(index, check.text)
  }

  /// Copies the tiles of another file of the same computation, and compares them with its journal.
  func copy(_ other: KernelFile) throws {
    for index in other.ownTiles where !done.contains(index) {
      let check = try layout.check(index, in: other.values) { try values.write($0, at: $1) }
      guard other.checks[index] == check else {
        throw KernelError.incompleteShard(
          file: other.path + ".partial", problem: "tile \(index) is not what the journal says; run the shard again.")
      }
      try note(index, check)
    }
  }

  /// Notes a tile in the journal, when its values are on the disk.
  private func note(_ index: Int, _ check: String) throws {
    try values.synchronize()
    try append(KernelJournal.line(index, check))
    checks[index] = check
    done.insert(index)
  }

  /// Gives the values their final name, and removes the files of the parts and then the journal.
  func finish(removing parts: [String] = []) throws {
    if !isNamed { try values.rename(to: path) }
    for part in parts {
      unlink(part + ".partial")
      unlink(part + ".journal")
    }
    unlink(path + ".journal")
  }

  private func append(_ text: String) throws {
    let bytes = Array(text.utf8)
    try journal.write(bytes[...], at: journalEnd)
    try journal.synchronize()
    journalEnd += bytes.count
  }
}

extension KernelComputation {
  /// Computes the kernel into a `.npy` file, tile by tile; only tiles are in memory.
  ///
  /// If a file of the same name was begun by an interrupted computation of the same kernel, its tiles are compared with
  /// their checks and kept, and it is continued: the bytes are those of an uninterrupted one. Tiles that were changed
  /// meanwhile are computed again. A budget that would divide sums otherwise is refused. A part of several goes to a file
  /// of its own, named after `path`; ``merge(to:count:)`` joins them.
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
  /// A merge that was interrupted is continued by another one, also if it has removed parts already.
  ///
  /// - Parameters:
  ///   - path: the final name, which the parts were given.
  ///   - count: how many parts there are; fewer than one stop.
  /// - Throws: ``KernelError/incompleteShard(file:problem:)`` where one is missing, not finished, or not what its journal
  ///   says.
  public func merge(to path: String, count: Int) throws {
    guard count > 0 else { stop("merge", "needs at least one part", got: "\(count)") }
    let shards = (0..<count).map { KernelShard($0, of: count) }
    let names = shards.map { $0.path(of: path) }
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: name + ".journal") }
    func open(_ shard: KernelShard) throws -> KernelFile {
      try KernelFile(shard.path(of: path), plan: plan, identity: identity, shard: shard, checksTiles: false)
    }
    let begun = exists(path) ? try KernelFile(path, plan: plan, identity: identity, shard: .whole) : nil
    if let begun, begun.isComplete {
      // Those that are left are opened, so that none of another computation is removed.
      let left = try count == 1 ? [] : shards.filter { exists($0.path(of: path)) }.map { (try open($0), $0) }
      try begun.finish(removing: left.map { $0.1.path(of: path) })
      return
    }
    for (shard, name) in zip(shards, names) where !exists(name) {
      throw KernelError.incompleteShard(
        file: name, problem: "part \(shard) has no journal here; it was not computed, or elsewhere.")
    }
    guard count > 1 else {
      throw KernelError.incompleteShard(
        file: path, problem: "it is the only part, and not finished; run it again.")
    }
    let files = try shards.map(open)
    for (name, file) in zip(names, files) where !file.isComplete {
      throw KernelError.incompleteShard(
        file: name,
        problem: "\(file.ownTiles.count - file.done.count) of \(file.ownTiles.count) tiles are missing; run it again.")
    }
    for (name, file) in zip(names, files) where file.tiles != files[0].tiles {
      throw KernelError.incompleteShard(
        file: name, problem: "its tiles are not those of part 0; use the same --budget for all parts.")
    }
    let whole = try begun ?? KernelFile(path, plan: files[0].plan, identity: identity, shard: .whole)
    guard whole.tiles == files[0].tiles else {
      throw KernelError.incompleteShard(
        file: path + ".journal", problem: "was begun with other tiles than the parts have. Remove it.")
    }
    for file in files { try whole.copy(file) }
    try whole.finish(removing: names)
  }
}
