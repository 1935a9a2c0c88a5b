import TestSupport
import Testing

@testable import AutoDiff

/// Large buffers of programs, which come from the pool while they are needed.
@Suite struct ProgramMemoryTests {
  /// A network whose layers are each larger than what stays in a program's own memory.
  private static func loss(_ p: [Tensor]) -> Tensor {
    var h = p[0]
    for w in p.dropFirst() { h = tanh(matmul(h, w) + 0.25) * 1.5 }
    return square(h).sum() / Double(h.count)
  }

  private static func parameters(_ type: ScalarType, width: Int = 220) -> [Tensor] {
    var random = RandomGenerator(seed: 3)
    return (0..<5).map { k in .normal([k == 0 ? 600 : width, width], as: type, using: &random) / 15 }
  }

  @Test(arguments: [ScalarType.float64, .float32]) func largeProgramsAreThoseWithoutAProgram(type: ScalarType) {
    let p = Self.parameters(type)
    let gradient = { (p: [Tensor]) in valueWithGradient(of: Self.loss, at: p) }
    let recorded = compiled { (p: [Tensor]) -> [Tensor] in
      let (value, slope) = gradient(p)
      return [value] + slope
    }
    let (value, slope) = gradient(p)
    for _ in 0..<3 {
      let results = recorded(p)
      expectClose(results[0], value, tolerance: type == .float64 ? 1e-12 : 1e-5)
      #expect(Array(results.dropFirst()) == slope)
    }
    // A state of a loop, which the loop gives its memory.
    let descent = compiled { (p: [Tensor]) -> [Tensor] in
      repeated(3, p) { q in zip(q, gradient(q).gradient).map { $0 - 0.5 * $1 } }
    }
    let stepwise = (0..<3).reduce(p) { q, _ in zip(q, gradient(q).gradient).map { $0 - 0.5 * $1 } }
    #expect(descent(p) == stepwise)
    // Results that are used further, that are inputs, constants, or the same as others.
    let again = compiled { (p: [Tensor]) -> [Tensor] in
      let y = tanh(p[0]) * 2
      return [y, y * y + p[0], p[1], y, .ones([300, 300], as: type), y.transposed]
    }
    let y = tanh(p[0]) * 2
    #expect(again(p) == [y, y * y + p[0], p[1], y, .ones([300, 300], as: type), y.transposed])
    #expect(again(p)[0] == y)
  }

  @Test func fromSeveralThreads() async {
    let p = Self.parameters(.float32)
    let recorded = SharedCompiled { (p: [Tensor]) in gradient(of: Self.loss, at: p) }
    let expected = gradient(of: Self.loss, at: p)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 { group.addTask { (0..<5).allSatisfy { _ in recorded(p) == expected } } }
      for await isRight in group { #expect(isRight) }
    }
  }

  @Test func aRunNeedsNoMoreThanWithoutAProgramAndKeepsNothing() async {
    // In a process of its own, because the pool is everybody's.
    await #expect(processExitsWith: .success) {
      let p = Self.parameters(.float64, width: 600)
      let function = { (p: [Tensor]) in gradient(of: Self.loss, at: p) }
      /// The most bytes in use while a function runs, nothing being kept.
      func peak(_ body: () -> Void) -> Int { withPooledMemoryLimit(1, body).peak }
      let recorded = compiled(function)
      _ = recorded(p)
      _ = function(p)
      let before = peak {}
      let (least, most) = (peak { _ = recorded(p) } - before, peak { _ = function(p) } - before)
      guard least > 0, least <= most else { fatalError("\(least) bytes are not less than \(most)") }
      guard peak({}) == before else { fatalError("kept \(peak {} - before) bytes") }
      // A run that fails gives everything back.
      let failing = compiled(throwing: { (a: Tensor) throws -> Tensor in
        try cholesky(matmul(a, tanh(a).transposed) - 5).sum() + square(a + 1).sum()
      })
      for _ in 0..<3 {
        do {
          _ = try failing(p[0])
          fatalError("no error")
        } catch {}
      }
      guard peak({}) == before else { fatalError("kept \(peak {} - before) bytes behind an error") }
    }
  }
}
