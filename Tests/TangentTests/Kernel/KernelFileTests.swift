import AutoDiff
import Foundation
import Tangent
import Testing

/// Kernels that grow in a file, are interrupted at any moment, and continued.
@Suite struct KernelFileTests {
  private struct Stopped: Error {}

  private static let model = Model.catalogue[2]

  private static func computation(
    _ outputs: KernelOutputs = .full, and others: Tensor? = nil, tiles: (Int, Int) = (2, 1)
  ) throws -> KernelComputation<Tensor, [Tensor]> {
    try KernelComputation(of: model.f, at: model.parameters, on: model.examples, and: others, outputs: outputs)
      .withTiles(rows: tiles.0, columns: tiles.1)
  }

  @Test(arguments: KernelOutputs.allCases) func theFileHoldsTheKernel(_ outputs: KernelOutputs) throws {
    let folder = try TemporaryFolder()
    for others in outputs == .exampleDiagonal ? [nil] : [nil, Self.model.others] {
      let path = folder.path("k.npy")
      try Self.computation(outputs, and: others).write(to: path)
      let kernel = try Tensor(contentsOf: path)
      #expect(kernel == (try Self.computation(outputs, and: others).compute()))
      #expect(folder.names == ["k.npy"])
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test func anInterruptedFileIsContinuedToTheSameBytes() throws {
    let folder = try TemporaryFolder()
    let whole = folder.path("whole.npy")
    try Self.computation().write(to: whole)
    let count = try Self.computation().plan.tiles.count
    for stop in 0..<count {
      let path = folder.path("part.npy")
      var done = 0
      if stop > 0 {
        #expect(throws: Stopped.self) {
          try Self.computation().write(to: path) { _ in
            done += 1
            if done == stop { throw Stopped() }
          }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
      }
      var reports: [Int] = []
      // The tiles of the journal count, not those of the plan.
      try Self.computation(tiles: stop > 0 ? (4, 4) : (2, 1)).write(to: path) { reports.append($0.doneTiles) }
      #expect(reports == Array(stop + 1...count))
      #expect(try Data(contentsOf: URL(filePath: path)) == Data(contentsOf: URL(filePath: whole)))
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test func aTornJournalIsContinuedFromItsLastWholeLine() throws {
    let folder = try TemporaryFolder()
    let whole = folder.path("whole.npy")
    try Self.computation().write(to: whole)
    let expected = try Data(contentsOf: URL(filePath: whole))
    let path = folder.path("torn.npy")
    // Cut at every byte, and with the last bytes changed.
    var journal = Data()
    #expect(throws: Stopped.self) {
      try Self.computation().write(to: path) { if $0.doneTiles == 4 { throw Stopped() } }
    }
    journal = try Data(contentsOf: URL(filePath: path + ".journal"))
    let values = try Data(contentsOf: URL(filePath: path + ".partial"))
    for cut in stride(from: 0, through: journal.count, by: 3) {
      for isChanged in [false, true] where !isChanged || cut > 200 {
        try values.write(to: URL(filePath: path + ".partial"))
        var text = journal.prefix(cut)
        if isChanged { text[text.endIndex - 1] = text[text.endIndex - 1] == 0x31 ? 0x32 : 0x31 }
        try text.write(to: URL(filePath: path + ".journal"))
        do {
          try Self.computation().write(to: path)
          #expect(try Data(contentsOf: URL(filePath: path)) == expected, "cut at \(cut)")
        } catch let error as KernelError {
          // A changed field is another computation's.
          #expect(isChanged, "\(error)")
        } catch let error as FileError {
          #expect(isChanged || cut < 300, "\(error)")
          try? FileManager.default.removeItem(atPath: path + ".partial")
        }
        try? FileManager.default.removeItem(atPath: path)
      }
    }
  }

  /// The process ended after the file got its name and before the journal was removed.
  @Test func aFinishedFileIsNotComputedAgain() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("k.npy")
    var journal = Data()
    try Self.computation().write(to: path) { _ in
      journal = (try? Data(contentsOf: URL(filePath: path + ".journal"))) ?? Data()
    }
    let expected = try Data(contentsOf: URL(filePath: path))
    try journal.write(to: URL(filePath: path + ".journal"))
    var reports = 0
    try Self.computation().write(to: path) { _ in reports += 1 }
    #expect(reports == 0)
    #expect(folder.names == ["k.npy"])
    #expect(try Data(contentsOf: URL(filePath: path)) == expected)
  }

  /// Begins a file and stops after so many tiles.
  private static func begin(_ outputs: KernelOutputs, _ path: String, tiles: Int) {
    #expect(throws: Stopped.self) {
      try computation(outputs).write(to: path) { if $0.doneTiles == tiles { throw Stopped() } }
    }
  }

  /// A byte of the values that changes while no process runs is found, and what it belongs to is computed again: half way,
  /// and when nothing but the final name was missing.
  @Test(arguments: [KernelOutputs.full, .flattened, .traceMean, .exampleDiagonal])
  func changedValuesAreComputedAgain(_ outputs: KernelOutputs) throws {
    let folder = try TemporaryFolder()
    let (whole, path) = (folder.path("whole.npy"), folder.path("k.npy"))
    try Self.computation(outputs).write(to: whole)
    let expected = try Data(contentsOf: URL(filePath: whole))
    let count = try Self.computation(outputs).plan.tiles.count
    for tiles in Set([count / 2, count]) where tiles > 0 {
      Self.begin(outputs, path, tiles: tiles)
      let journal = try Data(contentsOf: URL(filePath: path + ".journal"))
      let values = try Data(contentsOf: URL(filePath: path + ".partial"))
      for place in stride(from: 0, to: values.count, by: max(1, values.count / 16)) {
        var changed = values
        changed[place] ^= UInt8(1 << (place % 8))
        try changed.write(to: URL(filePath: path + ".partial"))
        try journal.write(to: URL(filePath: path + ".journal"))
        var computed = 0
        try Self.computation(outputs).write(to: path) { _ in computed += 1 }
        #expect(try Data(contentsOf: URL(filePath: path)) == expected, "byte \(place) after \(tiles) tiles")
        #expect(computed <= count - tiles + 1)
        try FileManager.default.removeItem(atPath: path)
      }
    }
  }

  /// A bit of the journal that changes is found too: the same bytes, or an error that says what is wrong.
  @Test func aChangedJournalIsRefusedOrTheBytesAreTheSame() throws {
    let folder = try TemporaryFolder()
    let (whole, path) = (folder.path("whole.npy"), folder.path("k.npy"))
    try Self.computation(.traceSum).write(to: whole)
    let expected = try Data(contentsOf: URL(filePath: whole))
    Self.begin(.traceSum, path, tiles: 4)
    let journal = try Data(contentsOf: URL(filePath: path + ".journal"))
    let values = try Data(contentsOf: URL(filePath: path + ".partial"))
    var refused = 0
    for place in stride(from: 0, to: journal.count, by: 3) {
      var changed = journal
      changed[place] ^= UInt8(1 << (place % 8))
      try changed.write(to: URL(filePath: path + ".journal"))
      try values.write(to: URL(filePath: path + ".partial"))
      do {
        try Self.computation(.traceSum).write(to: path)
        #expect(try Data(contentsOf: URL(filePath: path)) == expected, "byte \(place)")
        try FileManager.default.removeItem(atPath: path)
      } catch is KernelError {
        refused += 1
      } catch is FileError {
        refused += 1
      }
    }
    #expect(refused > 0 && refused < journal.count)
  }

  /// A complete journal beside a file of the final name that is another one: of the same size, but not what it says.
  @Test func anotherFileOfTheFinalNameIsNotTakenForTheKernel() throws {
    let folder = try TemporaryFolder()
    let (whole, path) = (folder.path("whole.npy"), folder.path("k.npy"))
    try Self.computation().write(to: whole)
    let expected = try Data(contentsOf: URL(filePath: whole))
    Self.begin(.full, path, tiles: try Self.computation().plan.tiles.count)
    try FileManager.default.removeItem(atPath: path + ".partial")
    try (expected.dropLast() + [expected.last! ^ 1]).write(to: URL(filePath: path))
    try Self.computation().write(to: path)
    #expect(try Data(contentsOf: URL(filePath: path)) == expected)
    #expect(folder.names == ["k.npy", "whole.npy"])
  }

  /// Wherever a merge ends, another one finishes it: with the values under their final name or not yet, and some of the
  /// parts removed.
  @Test func anInterruptedMergeIsContinued() throws {
    let folder = try TemporaryFolder()
    let (whole, path) = (folder.path("whole.npy"), folder.path("k.npy"))
    try Self.computation(.traceSum).write(to: whole)
    let expected = try Data(contentsOf: URL(filePath: whole))
    let count = try Self.computation(.traceSum).plan.tiles.count
    for (tiles, isNamed, removed) in [
      (1, false, 0), (count, false, 0), (count, true, 0), (count, true, 1), (count, true, 3),
    ] {
      for k in 0..<3 { try Self.computation(.traceSum).write(to: path, shard: KernelShard(k, of: 3)) }
      // What a merge leaves has the form of what an interrupted computation leaves.
      Self.begin(.traceSum, path, tiles: tiles)
      if isNamed { try FileManager.default.moveItem(atPath: path + ".partial", toPath: path) }
      for k in 0..<removed {
        for end in ["partial", "journal"] { try FileManager.default.removeItem(atPath: path + ".\(k)-of-3.\(end)") }
      }
      try Self.computation(.traceSum).merge(to: path, count: 3)
      #expect(try Data(contentsOf: URL(filePath: path)) == expected)
      #expect(folder.names == ["k.npy", "whole.npy"])
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test func aFileOfAnotherComputationIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("k.npy")
    #expect(throws: Stopped.self) { try Self.computation().write(to: path) { _ in throw Stopped() } }
    let other = try KernelComputation(
      of: Self.model.f, at: Self.model.parameters.map { $0 * 1.5 }, on: Self.model.examples)
    #expect {
      try other.write(to: path)
    } throws: { error in
      guard case KernelError.differentComputation(_, let field, _, _) = error else { return false }
      return field == "parameters" && "\(error)".contains("belongs to another computation")
    }
    // Same data, another model.
    let third = try KernelComputation(
      of: { (x: Tensor, p: [Tensor]) in Self.model.f(x, p) * 2 }, at: Self.model.parameters, on: Self.model.examples)
    #expect {
      try third.write(to: path)
    } throws: { error in
      guard case KernelError.differentComputation(_, let field, _, _) = error else { return false }
      return field == "model"
    }
    // Another division of the work, which rounds otherwise.
    #expect {
      try Self.computation().withOutputChunk(1).write(to: path)
    } throws: { error in
      guard case KernelError.differentComputation(_, let field, _, _) = error else { return false }
      return field == "chunk"
    }
    // What was there is still there.
    try Self.computation().write(to: path)
  }

  @Test func shardsAreMerged() throws {
    let folder = try TemporaryFolder()
    let whole = folder.path("whole.npy")
    try Self.computation(.traceSum).write(to: whole)
    let path = folder.path("k.npy")
    for k in [2, 0, 1] {
      #expect {
        try Self.computation(.traceSum).merge(to: path, count: 3)
      } throws: { error in
        guard case KernelError.incompleteShard = error else { return false }
        return true
      }
      try Self.computation(.traceSum).write(to: path, shard: KernelShard(k, of: 3))
    }
    try Self.computation(.traceSum).merge(to: path, count: 3)
    #expect(try Data(contentsOf: URL(filePath: path)) == Data(contentsOf: URL(filePath: whole)))
    #expect(folder.names == ["k.npy", "whole.npy"])
  }

  @Test func aDamagedShardIsFound() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("k.npy")
    for k in 0..<2 { try Self.computation().write(to: path, shard: KernelShard(k, of: 2)) }
    let partial = path + ".1-of-2.partial"
    var bytes = try Data(contentsOf: URL(filePath: partial))
    // The last entry of the kernel lies in the last tile; the other shard's entries are holes.
    for k in bytes.indices.dropFirst(128) { bytes[k] ^= 1 }
    try bytes.write(to: URL(filePath: partial))
    #expect {
      try Self.computation().merge(to: path, count: 2)
    } throws: { "\($0)".contains("is not what the journal says") }
  }

  @Test func schedulersNameTheShard() {
    #expect(
      KernelShard(environment: ["SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"]) == KernelShard(3, of: 8))
    #expect(
      KernelShard(
        environment: ["SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "8"])
        == KernelShard(2, of: 8))
    #expect(KernelShard(environment: ["JOB_COMPLETION_INDEX": "1"], count: 2) == KernelShard(1, of: 2))
    #expect(KernelShard(environment: ["JOB_COMPLETION_INDEX": "1"]) == nil)
    #expect(KernelShard(environment: ["SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "8"]) == nil)
    #expect(KernelShard(environment: [:], count: 2) == nil)
  }

  @Test func onlyNumpyFilesAreWritten() {
    #expect(throws: FileError.self) { try Self.computation().write(to: "kernel.csv") }
  }
}

/// A folder that goes when it is no longer used.
final class TemporaryFolder {
  private let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "autodiff-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }

  var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }
}
