import Testing

@testable import AutoDiff

/// The interception point: who takes an operation, and what it refuses.
@Suite struct BindTests {
  @Test func theHighestTraceTakesTheOperation() {
    _ = gradient(
      of: { (x: Tensor) in
        let outer = (x.node as? TracedNode)?.trace
        _ = jvp(
          of: { (y: Tensor) -> Tensor in
            let inner = (y.node as? TracedNode)?.trace
            #expect(inner!.level > outer!.level)
            #expect(((x * y).node as? TracedNode)?.trace === inner)
            #expect(((x * x).node as? TracedNode)?.trace === outer)
            #expect((Tensor(1) * 2).node.level == 0)
            return y
          }, at: x, along: Tensor(1))
        return x
      }, at: Tensor(3))
  }

  @Test func constantsAreNotTraced() {
    _ = gradient(
      of: { (x: Tensor) in
        #expect(x.isTraced && (x + 1).isTraced)
        #expect(!Tensor(1).isTraced && !exp(Tensor(1)).isTraced)
        return x
      }, at: Tensor(1))
  }

  /// A value and its derivative rules agree on shapes and types, traced or not.
  @Test func tracedValuesShowWhatPlainOnesShow() {
    let x = Tensor([[1, 2, 3]] as [[Double]], as: .float32)
    _ = gradient(
      of: { (y: Tensor) in
        #expect(y.shape == x.shape && y.scalarType == .float32 && y.rank == 2 && y.count == 3)
        #expect(y.scalars == x.scalars && y.floats == x.floats && y == x)
        return y.sum()
      }, at: x)
  }

  @Test func mixedTypesStop() async {
    let plain = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor(1) + Tensor(1, as: .float32)
    }
    #expect(
      plain.message.contains(
        "add: all inputs must have one scalar type, but got float64 and float32. Convert with .as(.float32) or "
          + ".as(.float64)."))
    let many = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = select(Tensor(1), Tensor(1), Tensor(1, as: .float32))
    }
    #expect(
      many.message.contains("select: all inputs must have one scalar type, but got float64 and float64 and float32."))
  }

  @Test func evaluationRulesCannotReadTracedNumbers() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(of: { (x: Tensor) in Exp().evaluate([x]) }, at: Tensor(1))
    }
    #expect(result.message.contains("the numbers of a value inside a transform cannot be used here"))
  }
}
