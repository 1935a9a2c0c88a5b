import Testing

@testable import AutoDiff

/// Every operation of `Pooling` against its definition.
struct PoolingTests {
  static let geometries: [PoolingGeometry] = [
    .make(2, [6, 8], 3, window: [2, 2], strides: [2, 2]),
    .make(1, [7, 5], 19, window: [3, 3], strides: [2, 2], padding: [1, 1, 1, 1]),
    .make(3, [5, 9], 1, window: [3, 2], padding: [2, 1, 0, 1]),
    .make(1, [9, 9], 33, window: [2, 3], strides: [3, 1], padding: [0, 1, 2, 2], dilation: [2, 2]),
    .make(17, [3, 4], 5, window: [3, 4]),
    .make(1, [1, 1], 1, window: [1, 1]),
    .make(0, [4, 4], 2, window: [2, 2]),
  ]

  @Test(arguments: geometries) func doubleAgreesWithTheDefinition(_ geometry: PoolingGeometry) {
    check(geometry, Double.self, tolerance: 1e-14)
  }

  @Test(arguments: geometries) func floatAgreesWithTheDefinition(_ geometry: PoolingGeometry) {
    check(geometry, Float.self, tolerance: 1e-6)
  }

  func check<T: LoopScalar>(_ geometry: PoolingGeometry, _: T.Type, tolerance: T) {
    geometry.check("pooling")
    let x: [T] = convolutionNoise(1, geometry.inputCount), u: [T] = convolutionNoise(2, geometry.outputCount)
    let v: [T] = convolutionNoise(3, geometry.inputCount)
    let channels = geometry.channels, area = geometry.input.rows * geometry.input.columns
    let places = geometry.output.rows * geometry.output.columns

    var largest = [T](repeating: -.infinity, count: u.count), index = [Double](repeating: -1, count: u.count)
    var sums = [T](repeating: 0, count: u.count), counts = [Int](repeating: 0, count: u.count)
    geometry.forEachTerm { out, input in
      if x[input] > largest[out] { (largest[out], index[out]) = (x[input], Double(input / channels % area)) }
      sums[out] += x[input]
      counts[out] += 1
    }
    var dx = [T](repeating: 0, count: x.count), picked = [T](repeating: 0, count: u.count)
    for out in u.indices {
      let input = (out / (places * channels) * area + Int(index[out])) * channels + out % channels
      dx[input] += u[out]
      picked[out] = v[input]
    }
    #expect(written(u.count) { Pooling.maximumPositions(geometry, x, into: $0) } == index)
    #expect(written(u.count) { Pooling.gather(geometry, x, positions: index, into: $0) } == largest)
    #expect(written(u.count) { Pooling.gather(geometry, v, positions: index, into: $0) } == picked)
    let gradient = written(x.count) { Pooling.maximumGradient(geometry, u, positions: index, into: $0) }
    #expect(relativeDistance(gradient, dx) <= tolerance)

    for divisor in [Pooling.Divisor.window, .covered] {
      let size = geometry.window.size.rows * geometry.window.size.columns
      func divisorOf(_ out: Int) -> T { T(divisor == .window ? size : counts[out]) }
      let average = u.indices.map { sums[$0] / divisorOf($0) }
      var dx = [T](repeating: 0, count: x.count)
      geometry.forEachTerm { out, input in dx[input] += u[out] / divisorOf(out) }
      let y = written(u.count) { Pooling.average(geometry, dividedBy: divisor, x, into: $0) }
      #expect(relativeDistance(y, average) <= tolerance)
      let gradient = written(x.count) { Pooling.averageGradient(geometry, dividedBy: divisor, u, into: $0) }
      #expect(relativeDistance(gradient, dx) <= tolerance)
    }
  }

  /// With any number of channels, and with whatever lies in the channels and pixels beside.
  @Test(arguments: [1, 2, 5, 16, 17, 40]) func theFirstOfEqualEntriesCountsAndNotANumberIsLargest(channels: Int) {
    let geometry = PoolingGeometry.make(1, [2, 4], channels, window: [2, 2], strides: [2, 2])
    let patterns: [[Double]] = [
      [1, 7, .infinity, .nan, 7, 7, 3, .nan], [.nan, .nan, -.infinity, -.infinity, 1, .nan, -.infinity, -.infinity],
      [-0.0, 0, 2, 2, 0, 0, 2, 2],
    ]
    let expected: [[Double]] = [[1, 3], [0, 2], [0, 2]]
    let x = (0..<8).flatMap { pixel in (0..<channels).map { patterns[$0 % 3][pixel] } }
    let positions = (0..<2).flatMap { place in (0..<channels).map { expected[$0 % 3][place] } }
    #expect(written(2 * channels) { Pooling.maximumPositions(geometry, x, into: $0) } == positions)
    let single = x.map { Float($0) }
    #expect(written(2 * channels) { Pooling.maximumPositions(geometry, single, into: $0) } == positions)
  }
}

extension PoolingGeometry: CustomTestStringConvertible {
  static func make(
    _ images: Int, _ image: [Int], _ channels: Int, window: [Int], strides: [Int] = [1, 1],
    padding: [Int] = [0, 0, 0, 0], dilation: [Int] = [1, 1]
  ) -> Self {
    let convolution = ConvolutionGeometry.make(
      images, image, channels, channels, window: window, strides: strides, padding: padding, dilation: dilation,
      groups: channels)
    return .init(images: images, input: convolution.input, channels: channels, window: convolution.window)
  }

  /// Calls `body` for every entry under every window, in the order of the image.
  func forEachTerm(_ body: (_ output: Int, _ input: Int) -> Void) {
    let convolution = ConvolutionGeometry(
      images: images, input: input, inputChannels: channels, outputChannels: channels, window: window, groups: channels)
    convolution.forEachTerm { output, input, _, _ in body(output, input) }
  }

  /// What the test's output calls the geometry.
  public var testDescription: String { "\(inputShape) to \(outputShape), window \(window.size)" }
}
