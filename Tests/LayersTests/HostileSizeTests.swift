import AutoDiff
import Layers
import Testing

/// Sizes of layers that cannot be stop with a text.
@Suite struct HostileSizeTests {
  private static let x = Tensor.ones([4, 4, 1])

  private static let calls: [(message: String, call: @Sendable () -> Void)] = [
    ("Dense: the width must be positive, but got -1.", { _ = Dense(-1) }),
    (
      "Parameters: weight: the entries must fit into memory, but got shape [1, 9223372036854775807].",
      { _ = Dense(.max).initialized(like: x, seed: 0) }
    ),
    ("normal: the entries must fit into the memory of", { _ = Dense(1 << 50).initialized(like: x, seed: 0) }),
    (
      "Convolution2D: the entries must fit into memory, but got shape [4294967296, 4294967296, 1, 1].",
      { _ = Convolution2D(1, window: (1 << 32, 1 << 32)).initialized(like: x, seed: 0) }
    ),
    (
      "Convolution2D: extents must not be negative, but got [-1, 2, 1, 1].",
      { _ = Convolution2D(1, window: (-1, 2)).initialized(like: x, seed: 0) }
    ),
    (
      "maxPool: the window must not be empty, but got [0, -9223372036854775808].",
      { _ = MaxPool2D(window: (0, .min))(x, Parameters()) }
    ),
    (
      "averagePool: padded images, windows, strides and dilation must be at most 2147483647 long",
      { _ = AveragePool2D(window: (2, 2), padding: .explicit(.max))(x, Parameters()) }
    ),
  ]

  @Test(arguments: calls.indices)
  func stopsWithTheMessage(index: Int) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [index = index as Int] in
      Self.calls[index].call()
    }
    #expect(result.message.contains(Self.calls[index].message), "\(result.message)")
  }
}
