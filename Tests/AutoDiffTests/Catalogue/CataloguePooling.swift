@testable import AutoDiff

extension PrimitiveCatalogue {
  static let pooling: [PrimitiveRow] = [
    PrimitiveRow(
      MaximumPositions.self, PoolingCase.all.map { $0.positions },
      points: [
        // The first of equal entries counts, and not-a-number counts as the largest.
        SpecialPoint(
          primitive: MaximumPositions(places: PoolingCase.all[0].places),
          inputs: [Tensor([1, 5, 7, 2, 5, 1, .nan, 9, 8, 8, 8, 8], shape: [3, 4, 1])],
          value: Tensor([1, 6], shape: [1, 2, 1]), gradients: [.zeros([3, 4, 1])])
      ],
      illShaped: [
        IllShapedCall(
          "maxPool: needs images [..., h, w, channels], but got [4, 4]. Add an axis of channels with expanded(at: -1)."
        ) { maxPool(.ones([4, 4]), window: (2, 2)) },
        IllShapedCall(
          "maxPool: the window must fit into the padded image, but got a window that spans [3, 2] and an image of [2, 4]."
        ) { maxPool(.ones([2, 4, 1]), window: (3, 2)) },
        IllShapedCall("maxPool: every window must meet the image, but got one that lies between or beyond its rows.") {
          maxPool(.ones([2, 2, 1]), window: (1, 1), padding: .explicit(1))
        },
      ]),
    PrimitiveRow(
      GatherPooled.self, PoolingCase.all.map { $0.gather },
      illShaped: [
        IllShapedCall("maxPoolGather: needs positions [1, 2, 1], but got [2, 2, 1].") {
          bind(GatherPooled(places: PoolingCase.all[0].places), [.ones([3, 4, 1]), .ones([2, 2, 1])])
        },
        IllShapedCall("maxPoolGather: positions must lie in an image of 12, but got 12.0.") {
          bind(GatherPooled(places: PoolingCase.all[0].places), [.ones([3, 4, 1]), .filled(12, [1, 2, 1])])
        },
      ]),
    PrimitiveRow(
      ScatterPooled.self, PoolingCase.all.map { $0.scatter },
      illShaped: [
        IllShapedCall("maxPoolScatter: needs one position for each value, but got [1, 2, 2] and [1, 2, 1].") {
          bind(ScatterPooled(places: PoolingCase.all[0].places), [.ones([1, 2, 1]), .ones([1, 2, 2])])
        }
      ]),
    PrimitiveRow(
      AveragePool.self, PoolingCase.all.flatMap { [$0.average(.covered), $0.average(.window)] },
      illShaped: [
        IllShapedCall("averagePool: strides must be positive, but got [1, 0].") {
          averagePool(.ones([2, 2, 1]), window: (1, 1), strides: (1, 0), padding: .same)
        }
      ]),
    PrimitiveRow(
      SpreadAverages.self, PoolingCase.all.flatMap { [$0.spread(.covered), $0.spread(.window)] },
      illShaped: [
        IllShapedCall("averagePoolAdjoint: needs values [..., 1, 2, channels], but got [2, 2, 1].") {
          bind(SpreadAverages(places: PoolingCase.all[0].places, divisor: .window), [.ones([2, 2, 1])])
        }
      ]),
  ]
}

/// The extents of a pooling, and the definition of all that belongs to it in plain loops.
private struct PoolingCase: Sendable {
  let note: String
  var images: [Int] = []
  let image: [Int]
  let channels: Int
  let window: [Int]
  let strides: [Int]
  var padding = ZeroPadding()

  static let all: [PoolingCase] = [
    .init(note: "windows that touch", image: [3, 4], channels: 1, window: [2, 2], strides: [2, 2]),
    .init(note: "windows that overlap", images: [2], image: [3, 3], channels: 2, window: [2, 3], strides: [1, 1]),
    .init(
      note: "padding", images: [2, 1], image: [3, 4], channels: 3, window: [2, 3], strides: [2, 2],
      padding: .init(top: 1, bottom: 0, left: 1, right: 2)),
    .init(note: "the whole image", image: [2, 2], channels: 1, window: [2, 2], strides: [1, 1]),
    .init(note: "no images", images: [0], image: [2, 2], channels: 1, window: [1, 2], strides: [1, 1]),
  ]

  var places: PooledPlaces {
    .init(
      window: .init(
        size: .init(window[0], window[1]), strides: .init(strides[0], strides[1]), padding: padding),
      image: .init(image[0], image[1]))
  }

  private var pooled: [Int] {
    let padded = [image[0] + padding.top + padding.bottom, image[1] + padding.left + padding.right]
    return (0..<2).map { (padded[$0] - window[$0]) / strides[$0] + 1 }
  }
  private var input: [Int] { images + image + [channels] }
  private var output: [Int] { images + pooled + [channels] }

  /// The pixels under the window at a place, in the order of rows.
  private func pixels(at place: ArraySlice<Int>) -> [[Int]] {
    let (row, column) = (place[place.startIndex], place[place.startIndex + 1])
    return Naive.indices(of: window).compactMap { entry in
      let pixel = [row * strides[0] + entry[0] - padding.top, column * strides[1] + entry[1] - padding.left]
      return zip(pixel, image).allSatisfy { $0 >= 0 && $0 < $1 } ? pixel : nil
    }
  }

  /// The indices of the input under the window that belongs to an index of the output.
  private func under(_ index: [Int]) -> [[Int]] {
    let count = images.count
    return pixels(at: index[count..<count + 2]).map { index.prefix(count) + $0 + index.suffix(1) }
  }

  private func source(_ index: [Int], _ position: Double) -> [Int] {
    index.prefix(images.count) + [Int(position) / image[1], Int(position) % image[1]] + index.suffix(1)
  }

  private func weight(_ divisor: PoolingDivisor, _ index: [Int]) -> Double {
    1 / Double(divisor == .window ? window[0] * window[1] : under(index).count)
  }

  private var values: Argument { Argument(output, .interval(-2...2)) }
  private var indices: Argument { Argument(output, .indices(image[0] * image[1])) }

  var positions: Variant {
    Variant(MaximumPositions(places: places), note: note, [Argument(input, .grid(offset: 0))]) { inputs in
      Naive(output) { index in
        let best = under(index).max { inputs[0][$0] < inputs[0][$1] }!
        return Double(best[images.count] * image[1] + best[images.count + 1])
      }
    }
  }

  var gather: Variant {
    Variant(GatherPooled(places: places), note: note, [Argument(input, .interval(-2...2)), indices]) { inputs in
      Naive(output) { inputs[0][source($0, inputs[1][$0])] }
    }
  }

  var scatter: Variant {
    Variant(ScatterPooled(places: places), note: note, [values, indices]) { inputs in
      var x = Naive(input) { _ in 0 }
      for index in Naive.indices(of: output) { x[source(index, inputs[1][index])] += inputs[0][index] }
      return x
    }
  }

  func average(_ divisor: PoolingDivisor) -> Variant {
    Variant(
      AveragePool(places: places, divisor: divisor), note: "\(note), \(divisor)", [Argument(input, .interval(-2...2))]
    ) { inputs in
      Naive(output) { index in under(index).map { inputs[0][$0] }.reduce(0, +) * weight(divisor, index) }
    }
  }

  func spread(_ divisor: PoolingDivisor) -> Variant {
    Variant(SpreadAverages(places: places, divisor: divisor), note: "\(note), \(divisor)", [values]) { inputs in
      var x = Naive(input) { _ in 0 }
      for index in Naive.indices(of: output) {
        for pixel in under(index) { x[pixel] += inputs[0][index] * weight(divisor, index) }
      }
      return x
    }
  }
}
