import Testing

@testable import AutoDiff

/// A tree whose `forEachTensor` forgets a tensor is found before it silently spoils a gradient.
@Suite struct ForgottenLeafTests {
  private struct Line: TensorTree {
    var slope = Tensor(2)
    var intercept = Tensor(1)
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&slope)
      body(&intercept)
    }
  }
  private struct Forgetful: TensorTree {
    var slope = Tensor(2)
    var intercept = Tensor(1)
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) { body(&slope) }
  }
  private struct Nested: TensorTree {
    var scale = Tensor(3)
    var lines: [String: [Forgetful]] = ["a": [Forgetful()]]
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&scale)
      lines.forEachTensor(body)
    }
  }
  private struct WithoutPart: TensorTree {
    var scale = Tensor(3)
    var line: Line? = Line()
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) { body(&scale) }
  }
  private struct Twice: TensorTree {
    var slope = Tensor(2)
    var intercept = Tensor(1)
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&slope)
      body(&slope)
    }
  }
  private struct Restless: TensorTree {
    final class Calls: @unchecked Sendable { var count = 0 }
    let calls = Calls()
    var slope = Tensor(2)
    var intercept = Tensor(1)
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      calls.count += 1
      body(&slope)
      if calls.count % 2 == 0 { body(&intercept) }
    }
  }
  /// Constants are kept in a type that is not a tree.
  private struct Standardized: TensorTree {
    struct Constants { let mean = Tensor(5) }
    let constants = Constants()
    var line = Line()
    let name = "standardized"
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) { line.forEachTensor(body) }
  }

  @Test func completeTreesPass() {
    #expect(gradient(of: { $0.slope * $0.intercept }, at: Line()).slope.scalar == 1)
    #expect(gradient(of: { $0.line.slope * $0.constants.mean }, at: Standardized()).line.slope.scalar == 5)
    let trees = ["b": [Pair(Line(), Line?.none)], "a": []]
    #expect(gradient(of: { $0["b"]![0].first.slope * 3 }, at: trees)["b"]![0].first.slope.scalar == 3)
    let shared = Tensor(4)
    #expect(gradient(of: { $0.slope * $0.intercept }, at: Line(slope: shared, intercept: shared)).slope.scalar == 4)
  }

  private static let calls: [(message: String, call: @Sendable () -> Void)] = [
    ("Forgetful.intercept: forEachTensor of Forgetful must", { _ = gradient(of: { $0.slope }, at: Forgetful()) }),
    ("Forgetful.intercept: ", { _ = jvp(of: { $0.slope }, at: Forgetful(), along: Forgetful()) }),
    ("Forgetful.intercept: ", { _ = vjp(of: { $0.slope }, at: Forgetful()) }),
    ("Forgetful.intercept: ", { _ = linearize({ $0.slope }, at: Forgetful()) }),
    ("Forgetful.intercept: ", { _ = jacobian(of: { $0.slope }, at: Forgetful()) }),
    ("Forgetful.intercept: ", { _ = hvp(of: { $0.slope }, at: Forgetful(), along: Forgetful()) }),
    ("Forgetful.intercept: ", { _ = hessian(of: { $0.slope }, at: Forgetful()) }),
    (
      "Forgetful.intercept: ",
      { _ = vmap { $0.slope }(Forgetful(slope: Tensor([1, 2]), intercept: Tensor([1, 2]))) }
    ),
    ("Array<Forgetful>[0].intercept: ", { _ = gradient(of: { $0[0].slope }, at: [Forgetful()]) }),
    ("Nested.lines[0][0].intercept: ", { _ = gradient(of: { $0.scale }, at: Nested()) }),
    ("WithoutPart.line: ", { _ = gradient(of: { $0.scale }, at: WithoutPart()) }),
    ("Twice.intercept: ", { _ = gradient(of: { $0.slope }, at: Twice()) }),
    ("Restless: forEachTensor must visit the same leaves", { _ = gradient(of: { $0.slope }, at: Restless()) }),
  ]

  @Test func forgottenTensorsAreNamed() async {
    for index in Self.calls.indices {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        [index = index as Int] in
        ForgottenLeafTests.calls[index].call()
      }
      #expect(result.message.contains(Self.calls[index].message), "\(index): \(result.message)")
    }
  }
}
