import AutoDiff
import Foundation
import Testing

@testable import Layers

@Suite struct LossesTests {
  static let logits: Tensor = {
    var random = RandomGenerator(seed: 21)
    return .normal([6, 4], using: &random) * 3
  }()
  static let labels = Tensor([0, 3, 1, 1, 2, 0])

  // MARK: Squared loss

  @Test func squaredLossIsALoop() throws {
    var random = RandomGenerator(seed: 22)
    let targets = Tensor.normal([6, 4], using: &random)
    let sum = zip(Self.logits.scalars, targets.scalars).map { ($0 - $1) * ($0 - $1) }.reduce(0, +)
    expectClose(squaredLoss(Self.logits, targets), Tensor(sum / 12))
    // Its gradient is the residual over n, which is what gradient flow needs.
    expectClose(gradient(of: { squaredLoss($0, targets) }, at: Self.logits), (Self.logits - targets) / 6)
    try checkDerivatives(of: { squaredLoss($0, targets) }, at: Self.logits, orders: 1...3).requirePassed()
    #expect(squaredLoss(Tensor([1, 2]), Tensor([1, 4])) == Tensor(1))
  }

  @Test func squaredLossNeedsEqualShapes() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = squaredLoss(.zeros([2, 3]), .zeros([2]))
    }
    #expect(result.message.contains("squaredLoss: shapes must agree and hold an example, but got [2, 3] and [2]."))
    let empty = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = squaredLoss(.zeros([0, 3]), .zeros([0, 3]))
    }
    #expect(empty.message.contains("squaredLoss: "))
  }

  // MARK: Cross entropy

  @Test func crossEntropyIsALoop() throws {
    let losses = zip(Self.logits.rows, Self.labels.scalars).map { row, label in
      Foundation.log(row.map { Foundation.exp($0) }.reduce(0, +)) - row[Int(label)]
    }
    expectClose(crossEntropy(Self.logits, Self.labels), Tensor(losses.reduce(0, +) / 6))
    try checkDerivatives(of: { crossEntropy($0, Self.labels) }, at: Self.logits, orders: 1...3).requirePassed()
  }

  @Test func crossEntropyHasTheKnownGradient() {
    let hits = Tensor((0..<6).map { i in (0..<4).map { Double($0) == Self.labels[i].scalar ? 1 : 0 } })
    expectClose(gradient(of: { crossEntropy($0, Self.labels) }, at: Self.logits), (softmax(Self.logits) - hits) / 6)
  }

  @Test func crossEntropyBearsLargeLogits() {
    let logits = Tensor([[1e4, 0, -1e4], [0, 1e4, 0]])
    #expect(crossEntropy(logits, Tensor([0, 1])).scalar == 0)
    #expect(crossEntropy(logits, Tensor([2, 1])).scalar == 1e4)
    #expect(gradient(of: { crossEntropy($0, Tensor([2, 1])) }, at: logits).isFinite)
  }

  @Test func singlePrecisionStaysSingle() {
    let loss = crossEntropy(Self.logits.as(.float32), Self.labels.as(.float32))
    #expect(loss.scalarType == .float32)
    expectClose(loss.as(.float64), crossEntropy(Self.logits, Self.labels), tolerance: 1e-6)
  }

  @Test func crossEntropyNeedsALabelForEveryRow() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = crossEntropy(.zeros([2, 3]), .zeros([3]))
    }
    #expect(
      result.message.contains("crossEntropy: needs logits [n, classes] and labels [n], but got [2, 3] and [3]."))
  }

  // MARK: Accuracy

  @Test func accuracyCountsHits() async {
    let logits = Tensor([[0.1, 2, 1], [3, 2, 1], [0, 0, 0], [1, 2, 3]])
    #expect(accuracy(logits, Tensor([1, 0, 0, 1])) == 0.75)
    #expect(accuracy(logits, Tensor([0, 1, 2, 0])) == 0)
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = accuracy(.zeros([2]), .zeros([2]))
    }
    #expect(result.message.contains("accuracy: needs logits [n, classes] and labels [n], but got [2] and [2]."))
  }
}
