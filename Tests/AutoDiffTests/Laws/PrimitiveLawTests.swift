import Testing

@testable import AutoDiff

/// Every law on every row of the catalogue.
@Suite struct PrimitiveLawTests {
  @Test(arguments: PrimitiveCatalogue.variants)
  func valueIsThatOfTheOracle(_ variant: Variant) { variant.checkValue() }

  @Test(arguments: PrimitiveCatalogue.variants)
  func viewsGiveWhatCopiesGive(_ variant: Variant) { variant.checkViews() }

  @Test(arguments: PrimitiveCatalogue.variants)
  func declaredShapeIsTheActualShape(_ variant: Variant) { variant.checkShapes() }

  @Test(arguments: PrimitiveCatalogue.variants)
  func singlePrecisionAgreesWithDouble(_ variant: Variant) { variant.checkSinglePrecision() }

  @Test(arguments: PrimitiveCatalogue.variants)
  func rulesReadOnlyTheResiduals(_ variant: Variant) { variant.checkResiduals() }

  @Test(arguments: PrimitiveCatalogue.variants)
  func structuredGradientsAreTheGradients(_ variant: Variant) { variant.checkStructure() }

  @Test(arguments: PrimitiveCatalogue.variants, [1, 2, 3])
  func forwardDerivativeIsTheCentralDifference(_ variant: Variant, order: Int) {
    variant.checkDifferences(order: order)
  }

  @Test(arguments: PrimitiveCatalogue.variants, [1, 2, 3])
  func reverseIsTheAdjointOfForward(_ variant: Variant, order: Int) { variant.checkAdjoint(order: order) }

  @Test(arguments: PrimitiveCatalogue.variants, [0, 1, 3])
  func vmapIsAStackedLoop(_ variant: Variant, size: Int) { variant.checkVmap(size: size) }

  @Test(arguments: PrimitiveCatalogue.variants, [0, 1, 3])
  func vmapCommutesWithForward(_ variant: Variant, size: Int) { variant.checkVmapCommutesWithForward(size: size) }

  @Test(arguments: PrimitiveCatalogue.variants, [0, 1, 3])
  func vmapCommutesWithReverse(_ variant: Variant, size: Int) { variant.checkVmapCommutesWithReverse(size: size) }

  @Test(arguments: PrimitiveCatalogue.variants)
  func nestedVmapIsTwoLoops(_ variant: Variant) { variant.checkNestedVmap() }
}

/// What is promised at zeros, infinities, ties and in the tails.
@Suite struct SpecialPointTests {
  @Test(arguments: PrimitiveCatalogue.points)
  func valueAndDerivatives(_ point: SpecialPoint) {
    check(point)
  }

  /// The same in the other type, where the numbers are not beyond its range.
  @Test(arguments: PrimitiveCatalogue.points)
  func valueAndDerivativesInSinglePrecision(_ point: SpecialPoint) {
    let numbers = ([point.value] + point.inputs + point.gradients.compactMap { $0 }).flatMap(\.scalars)
    let isInRange = numbers.allSatisfy { !$0.isFinite || $0 == 0 || (1e-30...1e30).contains($0.magnitude) }
    guard isInRange, !(point.primitive is Convert) else { return }
    // Where an input rounds, so does all that depends on it: only inputs that the type holds say something.
    guard point.inputs.flatMap(\.scalars).allSatisfy({ !$0.isFinite || Double(Float($0)) == $0 }) else { return }
    let single = SpecialPoint(
      primitive: point.primitive, inputs: point.inputs.map { $0.as(.float32) }, value: point.value.as(.float32),
      gradients: point.gradients.map { $0?.as(.float32) },
      second: point.second.flatMap { !$0.isFinite || $0 == 0 || $0.magnitude > 1e-30 ? $0 : nil })
    check(single)
  }

  private func check(_ point: SpecialPoint) {
    let function = { (inputs: [Tensor]) in bind(point.primitive, inputs) }
    expectEntrywise(function(point.inputs), point.value, "value")
    let (value, pullback) = vjp(of: function, at: point.inputs)
    expectEntrywise(value, point.value, "value on the tape")
    let gradients = pullback(.ones(like: value))
    for (k, expected) in point.gradients.enumerated() {
      guard let expected else { continue }
      expectEntrywise(gradients[k], expected, "cotangent \(k)")
      guard point.value.count == 1, point.inputs[k].count == 1 else { continue }
      let alone = { (x: Tensor) in
        var inputs = point.inputs
        inputs[k] = x
        return function(inputs)
      }
      let tangent = jvp(of: alone, at: point.inputs[k], along: .ones(like: point.inputs[k])).tangent
      expectEntrywise(tangent, expected, "tangent \(k)")
    }
    if let second = point.second {
      let slope = { (x: Tensor) in gradient(of: { function([$0]) }, at: x) }
      let expected = Tensor(second, as: value.scalarType)
      expectEntrywise(gradient(of: slope, at: point.inputs[0]), expected, "second derivative")
      expectEntrywise(
        jvp(of: slope, at: point.inputs[0], along: .ones(like: value)).tangent, expected,
        "second derivative, forward over reverse")
    }
  }
}

/// Programmer's errors stop with the primitive's name and what was wrong.
@Suite struct IllShapedCallTests {
  @Test(arguments: PrimitiveCatalogue.rows.filter { !$0.illShaped.isEmpty }.map(\.typeName))
  func stopsWithTheMessage(typeName: String) async throws {
    for (index, call) in PrimitiveCatalogue.row(typeName).illShaped.enumerated() {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        [typeName = typeName as String, index = index as Int] in
        PrimitiveCatalogue.row(typeName).illShaped[index].call()
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(text.contains(call.message), "expected \"\(call.message)\", got \"\(text)\"")
    }
  }

  /// Only where every shape is welcome may a row have no such call.
  @Test func everyFamilyHasAnIllShapedCall() {
    let without = PrimitiveCatalogue.rows.filter(\.illShaped.isEmpty).map(\.typeName)
    #expect(Set(without) == ["Convert", "StopGradient"])
  }
}
