import Testing

@testable import AutoDiff

@Suite struct MatrixPackingTests {
  /// Every entry is where the micro-kernel expects it, and what is missing in the last panel is zero.
  @Test(arguments: MatrixLayout.allCases)
  func panelsHoldEntriesAndZeros(layout: MatrixLayout) {
    func run<T: LoopScalar>(_: T.Type) {
      for (rows, steps) in [(1, 1), (3, 20), (12, 16), (13, 17), (45, 33), (100, 5)] {
        let matrix = TestMatrix<T>(rows, steps, layout, seed: 16)
        for source in [PanelSource(left: matrix.view), PanelSource(right: matrix.view.transposed)] {
          let width = source.width
          let first = steps == 1 ? 0 : 1
          var panels = [T](repeating: 7, count: source.paddedRows * (steps - first))
          panels.withUnsafeMutableBufferPointer {
            source.pack(rows: 0..<rows, steps: first..<steps, into: $0.baseAddress!)
          }
          var wrong = 0
          for row in 0..<source.paddedRows {
            for p in first..<steps {
              let place = row / width * width * (steps - first) + (p - first) * width + row % width
              let entry = row < rows ? matrix.view.base[row * matrix.view.rowStride + p * matrix.view.columnStride] : 0
              if panels[place] != entry { wrong += 1 }
            }
          }
          #expect(wrong == 0, "\(T.self) \(rows) x \(steps), \(source.side)")
        }
      }
    }
    run(Double.self)
    run(Float.self)
  }

  @Test func piecesCoverTheExtent() {
    for (extent, most, unit) in [(1, 1, 1), (100, 30, 1), (100, 30, 12), (784, 256, 1), (5, 264, 12), (0, 4, 2)] {
      let cut = Cut(extent, most: max(most, unit), multipleOf: unit)
      #expect((0..<cut.count).flatMap { Array(cut[$0]) } == Array(0..<extent))
      #expect((0..<cut.count).allSatisfy { !cut[$0].isEmpty && cut[$0].lowerBound % unit == 0 })
    }
  }
}
