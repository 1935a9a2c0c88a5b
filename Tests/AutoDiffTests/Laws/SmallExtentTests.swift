import Testing

@testable import AutoDiff

/// Every primitive whose shapes are free gives what its oracle gives where extents are 0, 1 and 2 in every position, for
/// every way in which such inputs can lie in memory. (A tensor of one entry keeps it without memory, and a tensor of none
/// has nothing to keep: both are where a loop can look at what is not there.)
@Suite struct SmallExtentTests {
  /// All shapes of a rank with these extents.
  static func shapes(ofRank rank: Int, _ extents: [Int] = [0, 1, 2]) -> [[Int]] {
    (0..<rank).reduce([[]]) { shapes, _ in shapes.flatMap { shape in extents.map { shape + [$0] } } }
  }

  static let shapes = (0...3).flatMap { shapes(ofRank: $0) }

  /// A tensor of the same entries in all layouts: in memory of its own, as a view with gaps of a larger one, and as a view
  /// of a tensor with one entry where it has one or none.
  static func layouts(_ shape: [Int], _ type: ScalarType) -> [Tensor] {
    let count = shape.reduce(1, *)
    // Exact in both types, and safe for all functions.
    let entries = (0..<count).map { (i: Int) -> Double in 0.25 + Double(i % 8) / 16 }
    let plain = Tensor(entries, shape: shape, as: type)
    let one = Tensor([0.25], as: type)
    var result = [plain]
    if count == 0 {
      result.append(one[0..<0].reshaped(to: shape))
      result.append(one.broadcast(to: shape))
    } else if count == 1 {
      result.append(one.reshaped(to: shape))
      result.append(Tensor([0.5, 0.25], as: type)[1].reshaped(to: shape))
    }
    let starts = shape.map { _ in 1 }
    let wide = bind(
      EmbedInZeros(target: shape.map { 2 * $0 + 2 }, starts: starts, steps: shape.map { _ in 2 }), [plain])
    result.append(bind(Slice(starts: starts, counts: shape, steps: shape.map { _ in 2 }), [wide]))
    return result
  }

  /// Compares value and shapes of the gradients for all combinations of layouts and for both types.
  static func check(_ primitive: any Primitive, _ shapes: [[Int]], _ oracle: Oracle) {
    for type in ScalarType.allCases {
      var combinations: [[Tensor]] = [[]]
      for shape in shapes {
        combinations = combinations.flatMap { inputs in layouts(shape, type).map { inputs + [$0] } }
      }
      for inputs in combinations { check(primitive, inputs, oracle) }
    }
  }

  static func check(_ primitive: any Primitive, _ inputs: [Tensor], _ oracle: Oracle) {
    let call = { (x: [Tensor]) in bind(primitive, x) }
    let expected = oracle(inputs.map { Naive($0) }).tensor
    let output = call(inputs)
    #expect(output.scalarType == inputs[0].scalarType)
    let note = "\(primitive.name) of \(inputs.map(\.shape)), \(output.scalarType)"
    // Some of these functions are differences that cancel.
    expectClose(output, expected.as(output.scalarType), .exact, atLeast: 1, note)
    let gradients = vjp(of: call, at: inputs).pullback(.ones(like: output))
    for (gradient, input) in zip(gradients, inputs) {
      #expect(gradient.shape == input.shape && gradient.scalars.count == input.count, "gradient of \(note)")
    }
  }

  /// The catalogue's primitives of a family, one of each with its oracle.
  private static func family(_ isMember: (any Primitive) -> Bool) -> [Variant] {
    var names: Set<String> = []
    return PrimitiveCatalogue.variants.filter {
      isMember($0.primitive) && names.insert("\(type(of: $0.primitive)) \($0.note)").inserted
    }
  }

  @Test func functionsOfOneEntry() {
    let family = Self.family { $0 is any UnaryElementwise }
    #expect(family.count > 20)
    for variant in family {
      for shape in Self.shapes { Self.check(variant.primitive, [shape], variant.oracle) }
    }
  }

  @Test func functionsOfTwoEntries() {
    let family = Self.family { $0 is any BinaryElementwise }
    #expect(family.count > 8)
    for variant in family {
      for shape in Self.shapes where shape.count < 3 { Self.check(variant.primitive, [shape, shape], variant.oracle) }
    }
  }

  @Test func selection() {
    for shape in Self.shapes where shape.count < 3 {
      Self.check(Select(), [shape, shape, shape]) { inputs in
        Naive(shape) { inputs[0][$0] != 0 ? inputs[1][$0] : inputs[2][$0] }
      }
    }
  }

  @Test func reductions() {
    for shape in Self.shapes {
      for mask in 0..<1 << shape.count {
        let axes = shape.indices.filter { mask >> $0 & 1 == 1 }
        Self.check(Sum(axes: axes), [shape], Oracles.reduction(axes) { $0.reduce(0, +) })
        Self.check(Norm(axes: axes), [shape], Oracles.reduction(axes) { $0.map { $0 * $0 }.reduce(0, +).squareRoot() })
        for isMaximum in [true, false] {
          Self.check(
            Extremum(axes: axes, isMaximum: isMaximum), [shape],
            Oracles.reduction(axes) { (isMaximum ? $0.max() : $0.min()) ?? (isMaximum ? -.infinity : .infinity) })
        }
      }
    }
  }

  @Test func rows() {
    let normalizations = Self.family { $0 is LayerNorm || $0 is InverseDeviation }
    let exponentials = Self.family { $0 is Softmax || $0 is LogSoftmax || $0 is LogSumExp }
    #expect(normalizations.count >= 2 && exponentials.count == 3)
    for shape in Self.shapes where !shape.isEmpty {
      for variant in exponentials { Self.check(variant.primitive, [shape], variant.oracle) }
      if shape.last! == 0 { continue }
      for variant in normalizations { Self.check(variant.primitive, [shape], variant.oracle) }
    }
  }

  @Test func products() {
    // m, n, k and the batch's extent.
    for extents in Self.shapes(ofRank: 4) {
      let (m, k, n, batch) = (extents[0], extents[1], extents[2], extents[3])
      if batch == 0 {
        Self.check(
          Contraction(leftSummed: [1], rightSummed: [0]), [[m, k], [k, n]], Oracles.contraction(([], [], [1], [0])))
        Self.check(Contraction(leftSummed: [], rightSummed: []), [[m, k], [n]], Oracles.contraction(([], [], [], [])))
        Self.check(
          Contraction(leftSummed: [0, 1], rightSummed: [1, 0]), [[m, k], [k, m]],
          Oracles.contraction(([], [], [0, 1], [1, 0])))
      }
      Self.check(
        Contraction(leftBatch: [0], rightBatch: [0], leftSummed: [2], rightSummed: [1]),
        [[batch, m, k], [batch, k, n]],
        Oracles.contraction(([0], [0], [2], [1])))
    }
  }

  /// A product of a matrix with itself, transposed, takes another way.
  @Test func productsWithItself() {
    for shape in Self.shapes(ofRank: 2) {
      for type in ScalarType.allCases {
        for x in Self.layouts(shape, type) {
          let naive = Naive(x)
          let expected = Naive([shape[0], shape[0]]) { index in
            (0..<shape[1]).reduce(0) { $0 + naive[[index[0], $1]] * naive[[index[1], $1]] }
          }
          expectClose(matmul(x, x.transposed), expected.tensor.as(type), .exact, "\(shape)")
        }
      }
    }
  }

  @Test func views() {
    let small = Self.shapes.filter { $0.count < 3 }
    for shape in Self.shapes {
      for target in Self.shapes where target.reduce(1, *) == shape.reduce(1, *) {
        Self.check(Reshape(target: target), [shape], Oracles.reshape(target))
      }
      for axes in Self.permutations(shape.count) { Self.check(Permute(axes: axes), [shape], Oracles.permute(axes)) }
      for target in Self.shapes where target.count >= shape.count {
        let pairs = zip(shape, target.suffix(shape.count))
        guard pairs.allSatisfy({ extent, wanted in extent == wanted || extent == 1 }) else { continue }
        Self.check(Broadcast(target: target), [shape], Oracles.broadcast(target))
      }
    }
    for shape in small {
      for counts in Self.shapes(ofRank: shape.count) where zip(shape, counts).allSatisfy({ $0 >= $1 }) {
        for step in [1, -1, Int.max, Int.min] {
          // Steps beyond the extent are allowed where they are never taken.
          if Swift.abs(step.clamped) > 1, counts.contains(where: { $0 > 1 }) { continue }
          let starts = zip(shape, counts).map { $1 == 0 ? 0 : step < 0 ? $0 - 1 : 0 }
          let steps = shape.map { _ in step }
          Self.check(Slice(starts: starts, counts: counts, steps: steps), [shape]) { inputs in
            Naive(counts) { index in
              inputs[0][index.indices.map { starts[$0] + (index[$0] == 0 ? 0 : index[$0] * step) }]
            }
          }
          Self.check(EmbedInZeros(target: shape, starts: starts, steps: steps), [counts]) { inputs in
            var result = Naive(shape) { _ in 0 }
            for index in Naive.indices(of: counts) {
              result[index.indices.map { starts[$0] + (index[$0] == 0 ? 0 : index[$0] * step) }] = inputs[0][index]
            }
            return result
          }
        }
      }
      for axis in shape.indices {
        for extent in 0...2 {
          var other = shape
          other[axis] = extent
          Self.check(Concatenate(axis: axis), [shape, other], Oracles.concatenate(axis))
        }
      }
    }
  }

  @Test func indexing() {
    for shape in Self.shapes where !shape.isEmpty && shape.count < 3 {
      for axis in shape.indices {
        for count in 0...2 where shape[axis] > 0 || count == 0 {
          let places = Tensor((0..<count).map { Double($0 % Swift.max(1, shape[axis])) })
          for type in ScalarType.allCases {
            for table in Self.layouts(shape, type) {
              Self.check(Gather(axis: axis, batchRank: 0), [table, places], Oracles.gather(axis, 0))
            }
            var picked = shape
            picked[axis] = count
            for values in Self.layouts(picked, type) {
              Self.check(
                ScatterAdd(axis: axis, extent: shape[axis], batchRank: 0), [values, places],
                Oracles.scatterAdd(axis, shape[axis], 0))
            }
          }
        }
      }
    }
  }

  /// Inputs with one entry or none are cut out of a tensor with one entry, for all other primitives.
  @Test(arguments: PrimitiveCatalogue.variants)
  func inputsThatAreViewsOfOneEntry(_ variant: Variant) {
    var generator = RandomGenerator(seed: variant.seed)
    let inputs = variant.sample(using: &generator)
    let expected = variant.apply(inputs)
    let cut = inputs.map { x in
      let one = Tensor([x.count == 1 ? x.scalar : 0.5], as: x.scalarType)
      return x.count == 1 ? one.reshaped(to: x.shape) : x.count == 0 ? one[0..<0].reshaped(to: x.shape) : x
    }
    expectClose(variant.apply(cut), expected, .exact, seed: variant.seed, "views of one entry")
  }

  @Test func imagesAndChannels() {
    for images in 0...2 {
      for type in ScalarType.allCases {
        for x in Self.layouts([images, 2, 2, 1], type) {
          let w = Tensor.ones([2, 2, 1, 1], as: type)
          let sums = x.reshaped(to: [images, 4]).sum(axes: [1]).reshaped(to: [images, 1, 1, 1])
          expectClose(convolution(x, w), sums, .exact)
          expectClose(averagePool(x, window: (2, 2)), sums / 4, .exact)
          expectClose(maxPool(x, window: (2, 2)), x.max(axes: [1, 2], keepingAxes: true), .exact)
        }
      }
    }
  }

  /// What the issue showed.
  @Test func viewOfNoEntriesHasNone() {
    #expect(Tensor([4])[0..<0].sum().scalar == 0)
    #expect(Tensor([4])[0..<0].scalars.isEmpty)
    #expect(Tensor([[5.0]])[0..<0].reshaped(to: [0, 6]).sum(axes: [0]).scalars == [0, 0, 0, 0, 0, 0])
    let none = Tensor([[5.0]])[0..<0]
    #expect(matmul(none.reshaped(to: [3, 0]), none.reshaped(to: [0, 3])) == .zeros([3, 3]))
    #expect(none.reshaped(to: [0, 10_000_000]).sum(axes: [0]).max().scalar == 0)
    #expect((Tensor([2])[0..<0] * Tensor([3])[0..<0]).scalars.isEmpty)
    #expect(exp(Tensor([2])[0..<0]).scalars.isEmpty)
    #expect(dot(Tensor([2])[0..<0], Tensor([3])[0..<0]).scalar == 0)
    var sum = Tensor([7])[0..<0]
    sum += Tensor([1])[0..<0]
    #expect(sum.shape == [0] && sum.scalars.isEmpty)
  }

  private static func permutations(_ rank: Int) -> [[Int]] {
    (0..<rank).reduce([[]]) { lists, next in
      lists.flatMap { list in (0...list.count).map { place in list[..<place] + [next] + list[place...] } }
    }
  }
}

extension Int {
  /// A number whose magnitude is a number too.
  fileprivate var clamped: Int { Swift.max(self, -.max) }
}
