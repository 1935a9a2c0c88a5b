@testable import AutoDiff

extension PrimitiveCatalogue {
  static let convolution: [PrimitiveRow] = [
    PrimitiveRow(
      ConvolutionProduct.self,
      ConvolutionCase.all.flatMap { $0.variants },
      illShaped: [
        IllShapedCall(
          "convolution: needs images [..., h, w, inputs] and weights [rows, columns, inputs / groups, outputs], "
            + "but got [4, 4] and [2, 2, 1, 1]. Add an axis of channels with expanded(at: -1)."
        ) { AutoDiff.convolution(.ones([4, 4]), .ones([2, 2, 1, 1])) },
        IllShapedCall(
          "convolution: weights must have inputs / groups channels, but got 3 inputs, 1 groups and weights [2, 2, 2, 5]."
        ) { AutoDiff.convolution(.ones([4, 4, 3]), .ones([2, 2, 2, 5])) },
        IllShapedCall("convolution: strides must be positive, but got [0, 1].") {
          AutoDiff.convolution(.ones([4, 4, 3]), .ones([2, 2, 3, 5]), strides: (0, 1), padding: .same)
        },
        IllShapedCall(
          "convolution: the window must fit into the padded image, but got a window that spans [5, 5] and an image of "
            + "[4, 4]."
        ) { AutoDiff.convolution(.ones([4, 4, 3]), .ones([3, 3, 3, 5]), dilation: (2, 2)) },
        IllShapedCall(
          "convolution: groups must divide the channels of input and output, but got 2 groups, 4 and 3 channels."
        ) { AutoDiff.convolution(.ones([4, 4, 4]), .ones([2, 2, 2, 3]), groups: 2) },
        IllShapedCall(
          "convolutionWeightGradient: needs an input [..., 3, 4, channels] and an output's gradient [..., h, w, outputs], "
            + "but got [3, 4, 2] and [2, 2, 3]."
        ) { bind(ConvolutionCase.all[0].product(.weights), [.ones([3, 4, 2]), .ones([2, 2, 3])]) },
      ]),
    PrimitiveRow(
      ExtractPatches.self,
      ConvolutionCase.all.filter { $0.groups == 1 && $0.sets.isEmpty }.map { $0.patches },
      illShaped: [
        IllShapedCall("patches: needs images [..., 3, 4, channels], but got [4, 3, 2].") {
          bind(ConvolutionCase.all[0].extraction, [.ones([4, 3, 2])])
        }
      ]),
    PrimitiveRow(
      AddPatches.self,
      ConvolutionCase.all.filter { $0.groups == 1 && $0.sets.isEmpty }.map { $0.patchesAdjoint },
      illShaped: [
        IllShapedCall("patchesAdjoint: needs patches [..., 2, 3, 4 · channels], but got [2, 3, 6].") {
          bind(ConvolutionCase.all[0].addition, [.ones([2, 3, 6])])
        }
      ]),
  ]
}

/// The extents of a convolution, and the definition of all that belongs to it in plain loops.
struct ConvolutionCase: Sendable {
  let note: String
  var sets: [Int] = []
  var images: [Int] = []
  let image: [Int]
  let channels: (inputs: Int, outputs: Int)
  let window: [Int]
  var strides = [1, 1]
  var padding = ZeroPadding()
  var dilation = [1, 1]
  var groups = 1

  static let all: [ConvolutionCase] = [
    .init(note: "plain", image: [3, 4], channels: (2, 3), window: [2, 2]),
    .init(note: "one place", image: [2, 2], channels: (1, 1), window: [2, 2]),
    .init(
      note: "strides, padding and dilation", images: [2], image: [4, 5], channels: (1, 2), window: [2, 3],
      strides: [2, 1], padding: .init(top: 1, bottom: 0, left: 2, right: 1), dilation: [1, 2]),
    .init(note: "groups", images: [2], image: [2, 3], channels: (4, 6), window: [1, 2], groups: 2),
    // Fewer places than a patch has entries: the weights' gradient is stated as outer products.
    .init(note: "few places", images: [2], image: [3, 3], channels: (3, 2), window: [2, 3]),
    .init(note: "few places of groups", image: [2, 2], channels: (6, 4), window: [2, 2], groups: 2),
    .init(
      note: "few places with strides and padding", image: [4, 5], channels: (4, 2), window: [3, 3], strides: [2, 2],
      padding: .init(top: 0, bottom: 1, left: 1, right: 0)),
    .init(
      note: "sets", sets: [2], images: [2], image: [3, 3], channels: (2, 2), window: [2, 2],
      padding: .init(top: 1, bottom: 0, left: 0, right: 0)),
    .init(note: "sets of groups", sets: [3], image: [2, 2], channels: (2, 4), window: [2, 1], groups: 2),
    .init(note: "many sets", sets: [3, 3], image: [2, 2], channels: (1, 2), window: [2, 2]),
    .init(note: "no images", images: [0], image: [2, 2], channels: (1, 2), window: [2, 1]),
    .init(note: "no sets", sets: [0], images: [2], image: [2, 2], channels: (1, 2), window: [2, 1]),
  ]

  private var slidingWindow: SlidingWindow {
    .init(
      size: .init(window[0], window[1]), strides: .init(strides[0], strides[1]), padding: padding,
      dilation: .init(dilation[0], dilation[1]))
  }

  func product(_ result: ConvolutionProduct.Role) -> ConvolutionProduct {
    .init(
      result: result, window: slidingWindow, image: .init(image[0], image[1]), groups: groups, setRank: sets.count)
  }
  var extraction: ExtractPatches { .init(window: slidingWindow, image: .init(image[0], image[1])) }
  var addition: AddPatches { .init(window: slidingWindow, image: .init(image[0], image[1])) }

  private var places: [Int] {
    let padded = [image[0] + padding.top + padding.bottom, image[1] + padding.left + padding.right]
    return (0..<2).map { (padded[$0] - (window[$0] - 1) * dilation[$0] - 1) / strides[$0] + 1 }
  }
  private var input: [Int] { sets + images + image + [channels.inputs] }
  private var weights: [Int] { sets + window + [channels.inputs / groups, channels.outputs] }
  private var output: [Int] { sets + images + places + [channels.outputs] }
  private var patchShape: [Int] { sets + images + places + [window[0] * window[1] * channels.inputs] }

  /// Calls `body` with every place, entry of the window, and pixel under it.
  private func forEachPixel(_ body: (_ image: [Int], _ place: [Int], _ entry: [Int], _ pixel: [Int]) -> Void) {
    for image in Naive.indices(of: sets + images) {
      for place in Naive.indices(of: places) {
        for entry in Naive.indices(of: window) {
          let row = place[0] * strides[0] + entry[0] * dilation[0] - padding.top
          let column = place[1] * strides[1] + entry[1] * dilation[1] - padding.left
          if (0..<self.image[0]).contains(row), (0..<self.image[1]).contains(column) {
            body(image, place, entry, [row, column])
          }
        }
      }
    }
  }

  /// Calls `body` with the indices of every product in the form.
  private func forEachTerm(_ body: (_ x: [Int], _ w: [Int], _ y: [Int]) -> Void) {
    let (perInput, perOutput) = (channels.inputs / groups, channels.outputs / groups)
    forEachPixel { image, place, entry, pixel in
      for o in 0..<channels.outputs {
        for c in 0..<perInput {
          body(
            image + pixel + [o / perOutput * perInput + c], image.prefix(sets.count) + entry + [c, o],
            image + place + [o])
        }
      }
    }
  }

  /// The convolution and both gradients.
  var variants: [Variant] {
    func argument(_ shape: [Int]) -> Argument { Argument(shape, .interval(-2...2)) }
    return [
      Variant(product(.output), note: "value, \(note)", [argument(input), argument(weights)]) { inputs in
        var y = Naive(output) { _ in 0 }
        forEachTerm { y[$2] += inputs[0][$0] * inputs[1][$1] }
        return y
      },
      Variant(product(.weights), note: "weight gradient, \(note)", [argument(input), argument(output)]) { inputs in
        var w = Naive(weights) { _ in 0 }
        forEachTerm { w[$1] += inputs[0][$0] * inputs[1][$2] }
        return w
      },
      Variant(product(.input), note: "input gradient, \(note)", [argument(weights), argument(output)]) { inputs in
        var x = Naive(input) { _ in 0 }
        forEachTerm { x[$0] += inputs[0][$1] * inputs[1][$2] }
        return x
      },
    ]
  }

  private func forEachPatchEntry(_ body: (_ x: [Int], _ patch: [Int]) -> Void) {
    forEachPixel { image, place, entry, pixel in
      for c in 0..<channels.inputs {
        body(image + pixel + [c], image + place + [(entry[0] * window[1] + entry[1]) * channels.inputs + c])
      }
    }
  }

  var patches: Variant {
    Variant(extraction, note: note, [Argument(input, .interval(-2...2))]) { inputs in
      var patches = Naive(patchShape) { _ in 0 }
      forEachPatchEntry { patches[$1] = inputs[0][$0] }
      return patches
    }
  }

  var patchesAdjoint: Variant {
    Variant(addition, note: note, [Argument(patchShape, .interval(-2...2))]) { inputs in
      var x = Naive(input) { _ in 0 }
      forEachPatchEntry { x[$0] += inputs[0][$1] }
      return x
    }
  }
}
