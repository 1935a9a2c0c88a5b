import Testing

@testable import AutoDiff

/// A user's own tree.
private struct Line: TensorTree, Equatable {
  var slope: Tensor
  var intercept: Tensor?
  /// Not a tensor: it is kept as it is.
  var name = "line"

  mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
    slope.forEachTensor(body)
    intercept.forEachTensor(body)
  }
}

@Suite struct TensorTreeTests {
  @Test func leavesComeInAFixedOrder() {
    let (a, b, c) = (Tensor(1), Tensor([2.0, 3]), Tensor([[4.0]]))
    #expect(a.leaves == [a])
    #expect([a, b, c].leaves == [a, b, c])
    #expect(["z": a, "a": b, "m": c].leaves == [b, c, a])
    #expect([2: a, 1: b].leaves == [b, a])
    #expect(Optional(b).leaves == [b])
    #expect(Tensor?.none.leaves == [])
    #expect(Pair(a, [b, c]).leaves == [a, b, c])
    #expect(Line(slope: a, intercept: b).leaves == [a, b])
    #expect(Line(slope: a).leaves == [a])
    #expect(["lines": [Line(slope: a, intercept: nil), Line(slope: b, intercept: c)]].leaves == [a, b, c])
    #expect([Tensor]().leaves.isEmpty)
  }

  @Test func mappingKeepsTheStructure() {
    let tree = ["x": [Tensor(1), Tensor(2)], "y": [Tensor(3)]]
    #expect(tree.mapTensors { $0 * 2 } == ["x": [Tensor(2), Tensor(4)], "y": [Tensor(6)]])
    #expect(tree == ["x": [Tensor(1), Tensor(2)], "y": [Tensor(3)]], "a value, not a reference")
    #expect(
      tree.replacingLeaves(with: [Tensor(7), Tensor(8), Tensor(9)]) == ["x": [Tensor(7), Tensor(8)], "y": [Tensor(9)]])
    #expect(Line(slope: Tensor(1), name: "mine").mapTensors { $0 + 1 } == Line(slope: Tensor(2), name: "mine"))
  }

  @Test func gradientsOfTreesAreTrees() {
    let line = Line(slope: Tensor([1.0, 2]), intercept: Tensor(3), name: "fit")
    let g = gradient(of: { (l: Line) in (l.slope * 5).sum() * l.intercept! }, at: line)
    #expect(g == Line(slope: Tensor([15.0, 15]), intercept: Tensor(15), name: "fit"))
    let nested = ["first": [line], "second": [Line(slope: Tensor([0.0]))]]
    let h = gradient(of: { (t: [String: [Line]]) in t["first"]![0].slope.sum() }, at: nested)
    #expect(h["first"]![0].slope == .ones([2]) && h["first"]![0].intercept == Tensor(0))
    #expect(h["second"]![0].slope == .zeros([1]) && h["second"]![0].intercept == nil)
    let optional: Tensor? = Tensor(4)
    #expect(gradient(of: { (x: Tensor?) in x! * x! }, at: optional) == Tensor(8))
    let none = gradient(of: { (x: Tensor?) in x ?? Tensor(1) }, at: Tensor?.none)
    #expect(none == nil)
  }

  @Test func everyTransformTakesTrees() {
    let line = Line(slope: Tensor([1.0, 2]), intercept: Tensor(3))
    let f = { (l: Line) in [l.slope * l.intercept!, square(l.slope)] }
    let direction = Line(slope: Tensor([1.0, 0]), intercept: Tensor(1))
    let expected = [Tensor([4.0, 2]), Tensor([2.0, 0])]
    #expect(jvp(of: f, at: line, along: direction).tangent == expected)
    #expect(linearize(f, at: line).derivative(direction) == expected)
    #expect(vjp(of: f, at: line).pullback([Tensor([1.0, 1]), .zeros([2])]).intercept == Tensor(3))
    let batch = Line(slope: Tensor([[1.0, 2], [3, 4]]), intercept: Tensor([10.0, 100]))
    #expect(vmap(f)(batch) == [Tensor([[10.0, 20], [300, 400]]), Tensor([[1.0, 4], [9, 16]])])
    let scalar = { (l: Line) in (l.slope * l.slope).sum() * l.intercept! }
    #expect(hvp(of: scalar, at: line, along: direction) == Line(slope: Tensor([8.0, 4]), intercept: Tensor(2)))
    #expect(jacobian(of: { (l: Line) in f(l)[0] }, at: line).slope == 3 * .eye(2))
  }

  // MARK: Vector space

  @Test func vectorSpaceOperations() {
    let a = ["x": Tensor([1.0, 2]), "y": Tensor(3)]
    let b = ["x": Tensor([10.0, 20]), "y": Tensor(30)]
    #expect(a.adding(b) == ["x": Tensor([11.0, 22]), "y": Tensor(33)])
    #expect(a.adding(b, scaledBy: -1) == ["x": Tensor([-9.0, -18]), "y": Tensor(-27)])
    #expect(b.subtracting(a) == ["x": Tensor([9.0, 18]), "y": Tensor(27)])
    #expect(a.scaled(by: 2) == ["x": Tensor([2.0, 4]), "y": Tensor(6)])
    #expect(a.interpolated(to: b, at: 0) == a && a.interpolated(to: b, at: 1) == b)
    #expect(a.innerProduct(b) == Tensor(140))
    expectClose(a.euclideanNorm, sqrt(Tensor(14)), .exact)
    #expect(a.zeroed == ["x": Tensor([0.0, 0]), "y": Tensor(0)])
    #expect(a.entryCount == 3 && a.flattenedEntries == Tensor([1.0, 2, 3]))
    #expect(a.replacingEntries(with: Tensor([4.0, 5, 6])) == ["x": Tensor([4.0, 5]), "y": Tensor(6)])
    #expect(a.zipTensors(b) { $1 / $0 } == ["x": Tensor([10.0, 10]), "y": Tensor(10)])
    #expect([Tensor]().innerProduct([]) == Tensor(0) && [Tensor]().flattenedEntries.shape == [0])
    #expect([Tensor]().euclideanNorm == Tensor(0))
  }

  @Test func vectorSpaceOperationsAreDifferentiable() {
    let a = [Tensor([3.0, 0]), Tensor(4)]
    #expect(gradient(of: { (t: [Tensor]) in t.euclideanNorm }, at: a) == [Tensor([0.6, 0]), Tensor(0.8)])
    #expect(gradient(of: { (t: [Tensor]) in t.innerProduct(t) }, at: a) == a.scaled(by: 2))
    #expect(gradient(of: { (t: [Tensor]) in t.euclideanNorm }, at: a.zeroed) == a.zeroed)
    let scaled = gradient(of: { (t: [Tensor]) in t.adding(t, scaledBy: 2).innerProduct(a) }, at: a)
    #expect(scaled == a.scaled(by: 3))
  }

  // MARK: Errors

  @Test func structuresMustAgree() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = [Tensor(1)].adding([Tensor([1.0, 2])])
    }
    #expect(result.message.contains("adding: both trees must have the same leaves, but got [[]] and [[2]]."))
  }

  @Test func replacementsMustBeAsMany() async {
    let few = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = [Tensor(1), Tensor(2)].replacingLeaves(with: [Tensor(1)])
    }
    #expect(few.message.contains("replacingLeaves: needs a tensor for every leaf, but got 1."))
    let many = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = [Tensor(1)].replacingLeaves(with: [Tensor(1), Tensor(2)])
    }
    #expect(many.message.contains("replacingLeaves: needs as many tensors as leaves, but got 2 for 1."))
  }

  @Test func aVectorMustFillTheTree() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = [Tensor(1), Tensor(2)].replacingEntries(with: Tensor([1.0, 2, 3]))
    }
    #expect(result.message.contains("replacingEntries: needs a vector of 2 entries, but got [3]."))
  }
}
