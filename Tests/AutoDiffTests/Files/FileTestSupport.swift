import Foundation
import Testing

@testable import AutoDiff

/// Seeded noise for fuzzing (splitmix64).
struct FileNoise: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// A damaged copy: bytes changed, removed, doubled, taken from a list of dangerous pieces, or cut off.
  mutating func damaged(_ bytes: [UInt8], pieces: [String]) -> [UInt8] {
    var copy = bytes
    for _ in 0..<Int.random(in: 1...3, using: &self) where !copy.isEmpty {
      let place = Int.random(in: 0..<copy.count, using: &self)
      switch Int.random(in: 0..<6, using: &self) {
      case 0: copy[place] = UInt8.random(in: .min ... .max, using: &self)
      case 1: copy[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
      case 2: copy.removeSubrange(place...)
      case 3: copy.remove(at: place)
      case 4: copy.insert(contentsOf: pieces.randomElement(using: &self)!.utf8, at: place)
      default:
        let piece = Array(pieces.randomElement(using: &self)!.utf8)
        copy.replaceSubrange(place..<min(place + piece.count, copy.count), with: piece)
      }
    }
    return copy
  }
}

/// The error that a call throws.
func fileError<R>(_ body: () throws(FileError) -> R, sourceLocation: SourceLocation = #_sourceLocation) -> FileError? {
  do {
    _ = try body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    return nil
  } catch {
    return error
  }
}

/// Runs a test with a folder of its own that is removed afterwards.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("AutoDiffTests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder.path)
}
