import Testing

@testable import AutoDiff

/// The laws that every primitive obeys. The catalogue's rows go through them, and so do the primitives of users.
extension Variant {
  // MARK: Value

  func checkValue() {
    var generator = RandomGenerator(seed: seed)
    let inputs = sample(using: &generator)
    let expected = oracle(inputs.map { Naive($0) })
    let output = apply(inputs)
    expectClose(output.as(.float64), expected.tensor, .exact, seed: seed, "value and oracle")
  }

  /// Views with gaps, with reversed and exchanged axes and with repeated entries give what their copies give.
  func checkViews() {
    var generator = RandomGenerator(seed: seed)
    let inputs = sample(using: &generator)
    let expected = apply(inputs)
    for (name, view) in Self.views {
      expectClose(apply(inputs.map(view)), expected, .exact, seed: seed, name)
      for k in inputs.indices where inputs.count > 1 {
        var mixed = inputs
        mixed[k] = view(inputs[k])
        expectClose(apply(mixed), expected, .exact, seed: seed, "argument \(k) \(name)")
      }
    }
    let repeated = inputs.map { $0.count > 0 && $0.rank > 0 ? $0[0..<1].broadcast(to: $0.shape) : $0 }
    let copies = repeated.map { Tensor($0.scalars, shape: $0.shape, as: $0.scalarType) }
    expectClose(apply(repeated), apply(copies), .exact, seed: seed, "repeated along the first axis")
  }

  /// The same entries, laid out in memory in other ways.
  private static let views: [(String, @Sendable (Tensor) -> Tensor)] = [
    (
      "transposed in memory",
      { x in
        let reversed = Array((0..<x.rank).reversed())
        let copy = Tensor(x.permuted(reversed).scalars, shape: reversed.map { x.shape[$0] }, as: x.scalarType)
        return copy.permuted(reversed)
      }
    ),
    (
      "with gaps",
      { x in
        guard x.rank > 0, x.count > 0 else { return x }
        let target = x.shape.map { 2 * $0 + 1 }
        let ones = x.shape.map { _ in 1 }
        let wide = bind(EmbedInZeros(target: target, starts: ones, steps: x.shape.map { _ in 2 }), [x])
        return bind(Slice(starts: ones, counts: x.shape, steps: x.shape.map { _ in 2 }), [wide])
      }
    ),
    (
      "backward in memory",
      { x in
        guard x.rank > 0, x.count > 0 else { return x }
        let backward = Slice(starts: x.shape.map { $0 - 1 }, counts: x.shape, steps: x.shape.map { _ in -1 })
        let copy = Tensor(bind(backward, [x]).scalars, shape: x.shape, as: x.scalarType)
        return bind(backward, [copy])
      }
    ),
  ]

  /// What `shape(of:)` declares is what comes out: plain, as value, tangent and cotangents, and inside vmap.
  func checkShapes() {
    var generator = RandomGenerator(seed: seed)
    let inputs = sample(using: &generator)
    let declared = primitive.shape(of: Inputs(inputs))
    let output = apply(inputs)
    #expect(output.shape == declared)
    let tangents = inputs.map { Tensor.zeros(like: $0) }
    let forward = jvp(
      of: { (x: [Tensor]) in
        let y = apply(x)
        #expect(y.shape == declared && y.scalarType == output.scalarType)
        return y
      }, at: inputs, along: tangents)
    #expect(forward.value.shape == declared && forward.tangent.shape == declared)
    #expect(forward.value.scalarType == output.scalarType && forward.tangent.scalarType == output.scalarType)
    let reverse = vjp(
      of: { (x: [Tensor]) in
        let y = apply(x)
        #expect(y.shape == declared && y.scalarType == output.scalarType)
        return y
      }, at: inputs)
    #expect(reverse.value.shape == declared)
    let batched = vmap { (x: [Tensor]) in
      let y = apply(x)
      #expect(y.shape == declared && y.scalarType == output.scalarType)
      return y
    }(sample([2], using: &generator))
    #expect(batched.shape == [2] + declared)
  }

  /// In `.float32` the primitive gives what it gives in `.float64`, to the accuracy of the former; derivatives too.
  func checkSinglePrecision() {
    guard arguments.allSatisfy({ $0.scalarType == .float64 }), !(primitive is Convert) else { return }
    var generator = RandomGenerator(seed: seed)
    let single = sample(using: &generator).map { $0.as(.float32) }
    let double = single.map { $0.as(.float64) }
    let directions = single.map { dyadicDirection(like: $0, using: &generator) }
    let (value, tangent) = jvp(of: apply, at: single, along: directions)
    let reference = jvp(of: apply, at: double, along: directions.map { $0.as(.float64) })
    // Positions are exact in one type only, and a drawing has the type that it is asked for.
    let type: ScalarType = primitive is MaximumPositions || primitive is RandomDraw ? .float64 : .float32
    #expect(value.scalarType == type && tangent.scalarType == type)
    // Sums that cancel are as good as their terms.
    let scale = double.flatMap(\.scalars).map(\.magnitude).max() ?? 0
    expectClose(value, reference.value, .exact, atLeast: 0.1 * scale, seed: seed, "value")
    expectClose(tangent, reference.tangent, .analytic, atLeast: 0.1 * scale, seed: seed, "tangent")
    let cotangent = dyadicDirection(like: value, using: &generator)
    let pulled = vjp(of: apply, at: single).pullback(cotangent)
    let pulledReference = vjp(of: apply, at: double).pullback(cotangent.as(.float64))
    #expect(pulled.allSatisfy { $0.scalarType == .float32 })
    expectClose(pulled, pulledReference, .analytic, atLeast: 0.1 * scale, seed: seed, "cotangent")
  }

  /// The rules of differentiation look at no more than the primitive names as its residuals: all else may be forgotten.
  func checkResiduals() {
    var generator = RandomGenerator(seed: seed)
    let inputs = Inputs(sample(using: &generator))
    let output = primitive.evaluate(inputs)
    let cotangent = dyadicDirection(like: output, using: &generator)
    let tangents = inputs.map { dyadicDirection(like: $0, using: &generator) }
    func forgotten(_ x: Tensor) -> Tensor { .withheld(x.shape, x.scalarType) }
    let known = primitive.residuals.contains(.inputs) ? inputs : inputs.map(forgotten)
    let result = primitive.residuals.contains(.output) ? output : forgotten(output)
    func expectSame(_ rule: (Inputs, Tensor) -> Tensor?, _ name: String) {
      let (all, kept) = (rule(inputs, output), rule(known, result))
      #expect((all == nil) == (kept == nil))
      if let all, let kept { expectClose(kept, all, .exact, seed: seed, name) }
    }
    let moving = Tangents(inputs.indices.map { arguments[$0].moves ? tangents[$0] : nil })
    expectSame({ primitive.jvp($0, moving, output: $1) }, "tangent")
    for argument in arguments.indices where arguments[argument].moves {
      expectSame({ primitive.vjp($0, output: $1, cotangent: cotangent, argument: argument) }, "cotangent \(argument)")
    }
  }

  // MARK: Derivatives

  /// The function and its derivatives of lower order, whose derivatives have the given order.
  func functions(ofOrder order: Int, using generator: inout RandomGenerator) -> [LawFunction] {
    var functions = [LawFunction(self, using: &generator)]
    for _ in 1..<order {
      functions = functions.flatMap { [$0.pushforward(using: &generator), $0.pullback(using: &generator)] }
    }
    return functions
  }

  func checkDifferences(order: Int) {
    guard order <= self.order else { return }
    var generator = RandomGenerator(seed: seed)
    for function in functions(ofOrder: order, using: &generator) { function.checkAgainstDifferences(using: &generator) }
  }

  func checkAdjoint(order: Int) {
    var generator = RandomGenerator(seed: seed)
    for function in functions(ofOrder: order, using: &generator) { function.checkAdjoint(using: &generator) }
  }
}
