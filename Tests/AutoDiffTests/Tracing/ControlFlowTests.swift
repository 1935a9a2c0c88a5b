import Testing

@testable import AutoDiff

/// Swift's own control flow works on traced values: a number can be read under derivatives, not under vmap.
@Suite struct ControlFlowTests {
  /// Square roots by Newton's iteration, until it stands still.
  private static func newtonRoot(_ a: Tensor) -> Tensor {
    var x = a
    while true {
      let next = (x + a / x) * 0.5
      if abs(next - x).scalar <= 1e-15 * x.scalar { return next }
      x = next
    }
  }

  private static func piecewise(_ x: Tensor) -> Tensor { x.scalar > 0 ? x * x : -x * 3 }

  @Test func whileLoop() {
    expectClose(Self.newtonRoot(Tensor(9)).scalar, 3, .exact)
    expectClose(gradient(of: Self.newtonRoot, at: Tensor(9)).scalar, 1 / 6, .analytic)
    expectClose(jvp(of: Self.newtonRoot, at: Tensor(9), along: Tensor(1)).tangent.scalar, 1 / 6, .analytic)
  }

  @Test func branches() {
    for (x, slope, second) in [(2.0, 4.0, 2.0), (-2, -3, 0)] {
      #expect(gradient(of: Self.piecewise, at: Tensor(x)).scalar == slope)
      #expect(jvp(of: Self.piecewise, at: Tensor(x), along: Tensor(1)).tangent.scalar == slope)
      #expect(hessian(of: Self.piecewise, at: Tensor(x)).scalar == second)
      #expect(hvp(of: Self.piecewise, at: Tensor(x), along: Tensor(1)).scalar == second)
      let twice = gradient(of: { gradient(of: Self.piecewise, at: $0) }, at: Tensor(x))
      #expect(twice.scalar == second)
    }
  }

  @Test func numbersAreReadAtEveryDepth() {
    let result = gradient(
      of: { (x: Tensor) in
        jvp(
          of: { (y: Tensor) -> Tensor in
            #expect(y.scalar == 3 && x.scalar == 3 && (x * y).scalars == [9])
            return x * y * y
          }, at: x, along: Tensor(1)
        ).tangent
      }, at: Tensor(3))
    #expect(result.scalar == 12)
  }

  @Test func outsideOfTheBatchNumbersStayReadable() {
    // The weight is not batched, so that its number may be read.
    let result = vmap { (x: Tensor) in
      gradient(of: { (w: Tensor) in w.scalar > 0 ? w * w : w }, at: Tensor(3)) * x
    }(Tensor([1.0, 2]))
    #expect(result == Tensor([6.0, 12]))
  }

  @Test func selectReplacesTheBranchUnderVmap() {
    let f = { (x: Tensor) in select(x .> 0, x * x, -x * 3) }
    let x = Tensor([2.0, -2])
    #expect(vmap(f)(x) == Tensor([4.0, 6]))
    #expect(vmap { (x: Tensor) in gradient(of: f, at: x) }(x) == Tensor([4.0, -3]))
  }

  /// The other branch may be undefined without spoiling the gradient.
  @Test func selectKeepsNotANumberOut() {
    let f = { (x: Tensor) in select(x .> 0, log(select(x .> 0, x, .ones(like: x))), x) }
    #expect(gradient(of: { f($0).sum() }, at: Tensor([2.0, -3])) == Tensor([0.5, 1]))
    let g = { (x: Tensor) in select(x .> 0, sqrt(x), .zeros(like: x)).sum() }
    let slopes = gradient(of: g, at: Tensor([4.0, -1])).scalars
    #expect(slopes[0] == 0.25)
  }

  @Test func readingUnderVmapNamesSelect() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap { (x: Tensor) in x.scalar > 0 ? x : -x }(Tensor([1.0, -1]))
    }
    #expect(
      result.message.contains(
        "scalar: the value of one example cannot be read inside vmap. Examples may differ; choose between values with "
          + "select(_:_:_:)."))
  }

  @Test func readingUnderADerivativeUnderVmapNamesSelect() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap { (x: Tensor) in gradient(of: { $0.scalars[0] > 0 ? $0 : -$0 }, at: x) }(Tensor([1.0, -1]))
    }
    #expect(result.message.contains("scalars: the value of one example cannot be read inside vmap."))
  }

  @Test func aRuleThatReadsNumbersIsTold() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = vmap { (x: Tensor) in
        #expect(x == x)
        return x
      }(Tensor([1.0]))
    }
    #expect(result.message.contains("cannot be read inside vmap"))
  }
}
