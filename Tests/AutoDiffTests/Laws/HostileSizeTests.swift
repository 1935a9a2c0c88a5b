import Foundation
import Testing

@testable import AutoDiff

/// A size that cannot be stops with `operation: requirement, but got values.` and never with a trap of the language.
@Suite struct HostileSizeTests {
  @Test func everySizeIsCheckedByName() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      var stops = 0
      var complaints: [String] = []
      for (index, hostile) in HostileSizes.calls.enumerated() {
        var returns = 0
        for number in HostileSizes.numbers {
          switch ForkedCall.end(of: { hostile.call(number) }) {
          case .returned: returns += 1
          case .timedOut: complaints.append("\(hostile.operations[0]) (call \(index)) of \(number) does not end")
          case .died(let text):
            stops += 1
            let line = text.split(separator: "\n").first { $0.contains("Fatal error: ") } ?? "died without a text"
            let isOurs = hostile.operations.contains { line.contains("Fatal error: \($0): ") }
            if !isOurs || !line.contains(", but got ") {
              complaints.append("\(hostile.operations[0]) (call \(index)) of \(number): \(line)")
            }
          }
        }
        if returns == HostileSizes.numbers.count {
          complaints.append("\(hostile.operations[0]) (call \(index)) takes everything")
        }
      }
      for (index, harmless) in HostileSizes.harmless.enumerated() {
        for number in HostileSizes.numbers where ForkedCall.end(of: { harmless.call(number) }) != .returned {
          complaints.append("the harmless call \(index) of \(number) stops")
        }
      }
      if stops < 500 { complaints.append("only \(stops) calls stopped") }
      FileHandle.standardError.write(Data(complaints.joined(separator: "\n").utf8))
    }
    // Nothing but complaints is written; where all is lost there is no result.
    #expect(result != nil && result.message.isEmpty, "\(result.message)")
  }

  /// The harness tells a text of ours from a trap, and a call that returns from both.
  @Test func theHarnessSeesTraps() async {
    await #expect(processExitsWith: .success) {
      guard ForkedCall.end(of: {}) == .returned else { fatalError() }
      let numbers = [Int.max, 1].shuffled()
      guard case .died(let trap) = ForkedCall.end(of: { _ = numbers[0] + numbers[1] }), !trap.contains(": overflow")
      else { fatalError() }
      guard case .died(let text) = ForkedCall.end(of: { stop("sum", "must fit", got: "\(numbers)") }),
        text.contains("Fatal error: sum: must fit, but got ")
      else { fatalError() }
    }
  }

  /// The message says what was asked for and how much there is.
  @Test func memoryIsNamed() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.eye(1 << 28)
    }
    #expect(
      result.message.contains(
        "eye: the entries must fit into the memory of \(MachineMemory.byteCount) bytes, "
          + "but got shape [268435456, 268435456], which takes 576460752303423488 bytes. Use smaller batches or tiles.")
    )
  }

  /// What is beyond an axis, but never taken, is no mistake.
  @Test func stepsBeyondTheAxisAreHarmless() {
    let x = Tensor([[1, 2, 3], [4, 5, 6]])
    for step in [3, 1 << 62, .max] {
      #expect(x[0, TensorIndex.range(nil, nil, step: step)] == Tensor([1]))
      #expect(x[0, TensorIndex.range(nil, nil, step: -step)] == Tensor([3]))
    }
    #expect(x[0, TensorIndex.range(nil, nil, step: .min)] == Tensor([3]))
    #expect(x[0, TensorIndex.range(1, 1, step: .min)].shape == [0])
    for (from, to, by) in [(0, 3, 1), (0, 3, 2), (1, 3, 5), (2, -1, -1), (2, 0, -2), (1, 1, 1), (0, 0, -1), (2, 1, 1)] {
      let expected = stride(from: from, to: to, by: by).map { x[0, $0].scalar }
      #expect(x[0, stride(from: from, to: to, by: by)].scalars == expected, "\(from) to \(to) by \(by)")
    }
    for (from, through, by) in [
      (0, 2, 1), (0, 2, 2), (1, 2, 5), (2, 0, -1), (2, 1, -2), (1, 1, 1), (0, 0, -1), (2, 1, 1),
    ] {
      let expected = stride(from: from, through: through, by: by).map { x[0, $0].scalar }
      #expect(
        x[0, stride(from: from, through: through, by: by)].scalars == expected, "\(from) through \(through) by \(by)")
    }
  }

  /// Where an extent is 0, nothing is in memory, but strides are made of the others.
  @Test func productsOfExtents() {
    #expect([].entryCount("x") == 1)
    #expect([3, 1, 4].entryCount("x") == 12)
    #expect([3, 0, 4].entryCount("x") == 0)
    #expect([1 << 30, 1 << 29].entryCount("x") == 1 << 59)
    #expect([0, 1 << 30, 1 << 29].entryCount("x") == 0)
    #expect(saturatingSum(.max, 1) == .max && saturatingSum(.min, -1) == .min && saturatingSum(.max, .min) == -1)
    #expect(saturatingProduct(.max, 2) == .max && saturatingProduct(.max, -2) == .min)
    #expect(saturatingProduct(.min, -1) == .max && saturatingProduct(.min, 0) == 0 && saturatingProduct(-3, 4) == -12)
  }
}
