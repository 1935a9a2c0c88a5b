import Testing

@testable import AutoDiff

/// The laws of batching: vmap is a stacked loop, in any combination with the other transforms.
extension Variant {
  /// All choices of at least one batched argument.
  private var choices: [[Bool]] {
    (1..<(1 << arguments.count)).map { bits in arguments.indices.map { bits >> $0 & 1 == 1 } }
  }

  /// Inputs of which some carry examples along a leading axis.
  private struct Examples {
    let size: Int
    let isBatched: [Bool]
    let inputs: [Tensor]

    /// The leaves that vmap hides an axis of.
    var batched: [Tensor] { zip(inputs, isBatched).filter(\.1).map(\.0) }

    /// All inputs, with the batched ones replaced.
    func merging(_ batched: ArraySlice<Tensor>) -> [Tensor] {
      var rest = batched
      return zip(inputs, isBatched).map { $1 ? rest.removeFirst() : $0 }
    }

    /// The inputs of one example.
    func example(_ k: Int) -> [Tensor] { zip(inputs, isBatched).map { $1 ? $0[k] : $0 } }
  }

  private func examples(_ isBatched: [Bool], _ size: Int, using generator: inout RandomGenerator) -> Examples {
    Examples(
      size: size, isBatched: isBatched,
      inputs: zip(arguments, isBatched).map { $0.sample($1 ? [size] : [], using: &generator) })
  }

  /// Stacks the results of a loop; without examples, nothing of the right shape.
  private func stacked(_ size: Int, _ shape: [Int], _ type: ScalarType, _ result: (Int) -> Tensor) -> Tensor {
    size == 0 ? .zeros([0] + shape, as: type) : stack((0..<size).map(result))
  }

  func checkVmap(size: Int) {
    for isBatched in choices {
      var generator = RandomGenerator(seed: seed)
      let single = apply(sample(using: &generator))
      let examples = examples(isBatched, size, using: &generator)
      let result = vmap { (batched: [Tensor]) in apply(examples.merging(batched[...])) }(examples.batched)
      let loop = stacked(size, single.shape, single.scalarType) { apply(examples.example($0)) }
      expectClose(result, loop, .exact, atLeast: 1, seed: seed, "batched \(isBatched)")
    }
  }

  /// jvp of vmap = vmap of jvp = a loop of jvp.
  func checkVmapCommutesWithForward(size: Int) {
    for isBatched in choices {
      var generator = RandomGenerator(seed: seed)
      let single = apply(sample(using: &generator))
      let points = examples(isBatched, size, using: &generator)
      let directions = Examples(
        size: size, isBatched: isBatched,
        inputs: zip(points.inputs, arguments).map {
          $1.moves ? dyadicDirection(like: $0, using: &generator) : .zeros(like: $0)
        })
      let count = points.batched.count
      let loop = stacked(size, single.shape, single.scalarType) {
        jvp(of: apply, at: points.example($0), along: directions.example($0)).tangent
      }
      let inside = vmap { (batched: [Tensor]) in
        jvp(of: apply, at: points.merging(batched[..<count]), along: directions.merging(batched[count...])).tangent
      }(points.batched + directions.batched)
      let outside = jvp(
        of: { (inputs: [Tensor]) in
          let moved = Examples(size: size, isBatched: isBatched, inputs: inputs)
          return vmap { (batched: [Tensor]) in apply(moved.merging(batched[...])) }(moved.batched)
        }, at: points.inputs, along: directions.inputs
      ).tangent
      expectClose(inside, loop, .analytic, atLeast: 1, seed: seed, "vmap of jvp, batched \(isBatched)")
      expectClose(outside, loop, .analytic, atLeast: 1, seed: seed, "jvp of vmap, batched \(isBatched)")
    }
  }

  /// vjp of vmap = vmap of vjp = a loop of vjp; what examples share gets the sum of their cotangents.
  func checkVmapCommutesWithReverse(size: Int) {
    for isBatched in choices {
      var generator = RandomGenerator(seed: seed)
      let single = apply(sample(using: &generator))
      let points = examples(isBatched, size, using: &generator)
      let model = Tensor.zeros([size] + single.shape, as: single.scalarType)
      let cotangents = dyadicDirection(like: model, using: &generator)
      let pulled = (0..<size).map { vjp(of: apply, at: points.example($0)).pullback(cotangents[$0]) }
      let count = points.batched.count
      let inside = vmap { (batched: [Tensor]) in
        vjp(of: apply, at: points.merging(batched[..<count])).pullback(batched[count])
      }(points.batched + [cotangents])
      let outside = vjp(
        of: { (inputs: [Tensor]) in
          let moved = Examples(size: size, isBatched: isBatched, inputs: inputs)
          return vmap { (batched: [Tensor]) in apply(moved.merging(batched[...])) }(moved.batched)
        }, at: points.inputs
      ).pullback(cotangents)
      for k in arguments.indices {
        let loop = stacked(size, arguments[k].shape, arguments[k].scalarType) { pulled[$0][k] }
        expectClose(
          inside[k], loop, .analytic, atLeast: 1, seed: seed, "vmap of vjp, argument \(k), batched \(isBatched)")
        expectClose(
          outside[k], isBatched[k] ? loop : loop.sum(axes: [0]), .analytic, atLeast: 1, seed: seed,
          "vjp of vmap, argument \(k), batched \(isBatched)")
      }
    }
  }

  /// vmap of vmap = two loops, for arguments that are batched inside, outside or both.
  func checkNestedVmap() {
    enum Place: CaseIterable { case inner, outer, both }
    var patterns: [[Place]] = [[]]
    for _ in arguments { patterns = patterns.flatMap { pattern in Place.allCases.map { pattern + [$0] } } }
    let (outerSize, innerSize) = (2, 3)
    for pattern in patterns where pattern.contains(where: { $0 != .inner }) && pattern.contains(where: { $0 != .outer })
    {
      var generator = RandomGenerator(seed: seed)
      let inputs = zip(arguments, pattern).map { argument, place in
        switch place {
        case .inner: argument.sample([innerSize], using: &generator)
        case .outer: argument.sample([outerSize], using: &generator)
        case .both: argument.sample([outerSize, innerSize], using: &generator)
        }
      }
      let (isOuter, isInner) = (pattern.map { $0 != .inner }, pattern.map { $0 != .outer })
      let outerExamples = Examples(size: outerSize, isBatched: isOuter, inputs: inputs)
      let result = vmap { (outer: [Tensor]) in
        let innerExamples = Examples(size: innerSize, isBatched: isInner, inputs: outerExamples.merging(outer[...]))
        return vmap { (inner: [Tensor]) in apply(innerExamples.merging(inner[...])) }(innerExamples.batched)
      }(outerExamples.batched)
      let loop = stack(
        (0..<outerSize).map { i in
          let innerExamples = Examples(size: innerSize, isBatched: isInner, inputs: outerExamples.example(i))
          return stack((0..<innerSize).map { apply(innerExamples.example($0)) })
        })
      expectClose(result, loop, .exact, atLeast: 1, seed: seed, "pattern \(pattern)")
    }
  }
}
