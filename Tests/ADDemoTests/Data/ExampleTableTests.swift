import AutoDiff
import Foundation
import Testing

@testable import ad_demo

@Suite struct ExampleTableTests {
  private func table(_ rows: [[Double]]) throws -> ExampleTable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("table-\(UUID().uuidString).npy").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Tensor(rows.flatMap { $0 }, shape: [rows.count, rows[0].count]).write(to: path)
    return try ExampleTable(contentsOf: path, labelColumn: .none)
  }

  /// The squares of these numbers overflow, vanish, or are not numbers of full precision.
  @Test(arguments: [1, 1e-306, 1e-200, 1e-100, 1e100, 1e200, 1e307]) func standardizesEveryScale(_ scale: Double) throws
  {
    var table = try table([[1, 5], [2, 5], [4, 5], [-3, 5]].map { [$0[0] * scale, $0[1] * scale] })
    try table.prepare(.standardized)
    let column = table.inputs[..., 0].scalars
    let expected = [0, 1, 3, -4].map { $0 / 6.5.squareRoot() }
    // The smallest of these have lost digits already.
    let tolerance = scale < 1e-300 ? 1e-6 : 1e-12
    #expect(zip(column, expected).allSatisfy { ($0 - $1).magnitude < tolerance }, "\(column)")
    #expect(table.inputs[..., 1].scalars == [0, 0, 0, 0])
    #expect(table.description.contains("1 constant columns to 0"))
  }

  @Test(arguments: [1, 1e-200, 1e200, 4e307]) func normalizesEveryScale(_ scale: Double) throws {
    var table = try table([[3 * scale, 4 * scale], [-4 * scale, 0]])
    try table.prepare(.normalized)
    #expect(zip(table.inputs.scalars, [0.6, 0.8, -1, 0]).allSatisfy { ($0 - $1).magnitude < 1e-12 })
    var zero = try self.table([[1, 2], [0, 0]])
    #expect(throws: FileError.self) { try zero.prepare(.normalized) }
  }
}
