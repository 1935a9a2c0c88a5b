import Testing

@testable import AutoDiff

/// Every operation of `Convolution` against the definition, in seven loops.
struct ConvolutionTests {
  /// Windows, strides, paddings, dilations, groups and channels that do not fit each other or the tiles.
  static let geometries: [ConvolutionGeometry] = [
    .make(2, [5, 7], 3, 4, window: [3, 3], padding: [1, 1, 1, 1]),
    .make(1, [1, 1], 1, 1, window: [1, 1]),
    .make(3, [6, 5], 5, 7, window: [1, 1]),
    .make(2, [4, 4], 16, 33, window: [1, 1], strides: [2, 2]),
    .make(5, [9, 8], 1, 17, window: [3, 2], strides: [2, 1], padding: [2, 0, 1, 3]),
    .make(2, [9, 11], 2, 1, window: [2, 3], strides: [3, 2], padding: [0, 1, 2, 1], dilation: [2, 3]),
    .make(2, [10, 13], 3, 5, window: [4, 3], strides: [2, 3], padding: [3, 2, 1, 0], dilation: [1, 2]),
    .make(1, [40, 33], 16, 32, window: [3, 3], padding: [1, 1, 1, 1]),
    .make(2, [17, 19], 8, 40, window: [5, 5], strides: [2, 2], padding: [2, 2, 2, 2]),
    .make(2, [7, 7], 6, 9, window: [3, 3], padding: [1, 1, 1, 1], groups: 3),
    .make(3, [6, 6], 4, 4, window: [3, 3], strides: [2, 2], padding: [1, 0, 1, 0], groups: 4),
    .make(2, [12, 5], 6, 66, window: [2, 2], padding: [1, 1, 0, 0], dilation: [3, 2], groups: 2),
    .make(2, [5, 5], 3, 2, window: [1, 1], strides: [3, 3], padding: [2, 2, 2, 2]),
    .make(2, [9, 8], 40, 40, window: [3, 3], padding: [1, 1, 1, 1], groups: 40),
    .make(9, [3, 4], 16, 16, window: [2, 3], strides: [1, 2], padding: [0, 1, 1, 1], groups: 16),
    .make(2, [7, 6], 19, 38, window: [3, 2], strides: [2, 1], padding: [1, 0, 1, 0], dilation: [1, 2], groups: 19),
    .make(1, [8, 5], 34, 17, window: [3, 3], strides: [2, 2], groups: 17),
    .make(3, [5, 5], 6, 4, window: [2, 2], padding: [1, 0, 0, 1], groups: 2),
    .make(20, [30, 9], 20, 20, window: [1, 2], groups: 5),
    .make(2, [3, 4], 2, 3, window: [2, 2], padding: [4, 3, 2, 5]),
    .make(30, [2, 3], 2, 70, window: [2, 2]),
    .make(1, [3, 700], 2, 3, window: [1, 9], padding: [0, 0, 4, 4]),
    .make(0, [4, 4], 2, 3, window: [3, 3]),
  ]

  @Test(arguments: geometries) func doubleAgreesWithTheDefinition(_ geometry: ConvolutionGeometry) {
    check(geometry, Double.self, tolerance: 1e-13)
  }

  @Test(arguments: geometries) func floatAgreesWithTheDefinition(_ geometry: ConvolutionGeometry) {
    check(geometry, Float.self, tolerance: 1e-5)
  }

  /// Panels hold every column, and panels that threads write at the same time hold it once.
  @Test(arguments: [2, 4, 8, 16], [1, 2]) func panels(lanes: Int, mostVectors: Int) {
    for columns in 1...70 {
      for lastOverlaps in [false, true] {
        let panels = ConvolutionPanels(
          columns: columns, lanes: lanes, mostVectors: mostVectors, lastOverlaps: lastOverlaps)
        let held = (0..<panels.count).flatMap { panels[$0].first..<panels[$0].first + panels[$0].count }
        #expect(Set(held) == Set(0..<columns), "\(columns) columns")
        #expect(lastOverlaps || held.count == columns, "\(columns) columns")
      }
    }
  }

  func check<T: LoopScalar>(_ geometry: ConvolutionGeometry, _: T.Type, tolerance: T) {
    geometry.check("convolution")
    let x: [T] = convolutionNoise(1, geometry.inputCount), w: [T] = convolutionNoise(2, geometry.weightCount)
    let u: [T] = convolutionNoise(3, geometry.outputCount)
    var y = [T](repeating: 0, count: u.count), dx = [T](repeating: 0, count: x.count)
    var dw = [T](repeating: 0, count: geometry.images * w.count)
    geometry.forEachTerm { out, input, weight, image in
      y[out] += x[input] * w[weight]
      dx[input] += u[out] * w[weight]
      dw[image * w.count + weight] += u[out] * x[input]
    }
    let total = (0..<w.count).map { entry in
      (0..<geometry.images).reduce(0) { $0 + dw[$1 * w.count + entry] }
    }
    #expect(relativeDistance(written(y.count) { Convolution.forward(geometry, x, w, into: $0) }, y) <= tolerance)
    #expect(relativeDistance(written(x.count) { Convolution.inputGradient(geometry, u, w, into: $0) }, dx) <= tolerance)
    #expect(
      relativeDistance(written(dw.count) { Convolution.weightGradients(geometry, x, u, into: $0) }, dw) <= tolerance)
    #expect(
      relativeDistance(written(w.count) { Convolution.weightGradient(geometry, x, u, into: $0) }, total) <= tolerance)
  }

  /// ⟨x ∗ w, u⟩ = ⟨x, dx(u, w)⟩ = ⟨w, dw(x, u)⟩.
  @Test(arguments: geometries) func gradientsAreAdjoints(_ geometry: ConvolutionGeometry) {
    let x: [Double] = convolutionNoise(4, geometry.inputCount), w: [Double] = convolutionNoise(5, geometry.weightCount)
    let u: [Double] = convolutionNoise(6, geometry.outputCount)
    let value = innerProduct(written(u.count) { Convolution.forward(geometry, x, w, into: $0) }, u)
    let byInput = innerProduct(written(x.count) { Convolution.inputGradient(geometry, u, w, into: $0) }, x)
    let byWeights = innerProduct(written(w.count) { Convolution.weightGradient(geometry, x, u, into: $0) }, w)
    let scale = 1e-13 * Double(1 + u.count)
    #expect(abs(value - byInput) <= scale)
    #expect(abs(value - byWeights) <= scale)
  }

  @Test(arguments: geometries) func resultsDoNotDependOnTheNumberOfThreads(_ geometry: ConvolutionGeometry) {
    let x: [Float] = convolutionNoise(7, geometry.inputCount), w: [Float] = convolutionNoise(8, geometry.weightCount)
    let u: [Float] = convolutionNoise(9, geometry.outputCount)
    func all() -> [[Float]] {
      [
        written(u.count) { Convolution.forward(geometry, x, w, into: $0) },
        written(x.count) { Convolution.inputGradient(geometry, u, w, into: $0) },
        written(w.count) { Convolution.weightGradient(geometry, x, u, into: $0) },
        written(w.count * geometry.images) { Convolution.weightGradients(geometry, x, u, into: $0) },
      ]
    }
    #expect(all() == withThreadLimit(1) { all() })
  }

  /// The patches times the weights of each group are the convolution, and ⟨patches(x), u⟩ = ⟨x, patchesAdjoint(u)⟩.
  @Test(arguments: geometries) func patchesAreWhatTheConvolutionMultiplies(_ geometry: ConvolutionGeometry) {
    let x: [Double] = convolutionNoise(10, geometry.inputCount),
      w: [Double] = convolutionNoise(11, geometry.weightCount)
    let images = min(1, geometry.images)..<geometry.images
    let part = geometry.with(images: images.count)
    let depth = geometry.patchCount
    let count = part.patchShape.reduce(1, *)
    let patches = written(count) { Convolution.patches(geometry, images: images, of: x, into: $0) }
    var y = [Double](repeating: 0, count: part.outputCount)
    for entry in y.indices {
      let (place, out) = entry.quotientAndRemainder(dividingBy: geometry.outputChannels)
      let patch = (place * geometry.groups + out / geometry.groupOutputChannels) * depth
      for k in 0..<depth { y[entry] += patches[patch + k] * w[k * geometry.outputChannels + out] }
    }
    let all = written(geometry.outputCount) { Convolution.forward(geometry, x, w, into: $0) }
    #expect(relativeDistance(y, Array(all.suffix(y.count))) <= 1e-13)

    let u: [Double] = convolutionNoise(12, count)
    let dx = written(part.inputCount) { Convolution.patchesAdjoint(geometry, images: images, of: u, into: $0) }
    let difference = innerProduct(patches, u) - innerProduct(Array(x.suffix(dx.count)), dx)
    #expect(abs(difference) <= 1e-13 * Double(1 + count))
  }

  @Test func paddingToSameKeepsTheExtent() {
    for extent in 1...9 {
      for size in 1...4 {
        for stride in 1...3 {
          for dilation in 1...2 {
            let image = RowsAndColumns(extent, extent + 1)
            let window = SlidingWindow(
              size: .init(size, 3), strides: .init(stride, 1), dilation: .init(dilation, 2)
            ).paddedToSame(on: image)
            #expect(window.positions(on: image) == .init((extent + stride - 1) / stride, extent + 1))
            #expect(window.padding.bottom - window.padding.top == 0 || window.padding.bottom - window.padding.top == 1)
          }
        }
      }
    }
  }
}

extension ConvolutionGeometry {
  static func make(
    _ images: Int, _ image: [Int], _ inputChannels: Int, _ outputChannels: Int, window: [Int], strides: [Int] = [1, 1],
    padding: [Int] = [0, 0, 0, 0], dilation: [Int] = [1, 1], groups: Int = 1
  ) -> Self {
    .init(
      images: images, input: .init(image[0], image[1]), inputChannels: inputChannels, outputChannels: outputChannels,
      window: .init(
        size: .init(window[0], window[1]), strides: .init(strides[0], strides[1]),
        padding: .init(top: padding[0], bottom: padding[1], left: padding[2], right: padding[3]),
        dilation: .init(dilation[0], dilation[1])),
      groups: groups)
  }

  /// Calls `body` for every product in the convolution's definition, with the flat indices of its factors.
  func forEachTerm(_ body: (_ output: Int, _ input: Int, _ weight: Int, _ image: Int) -> Void) {
    for image in 0..<images {
      for row in 0..<output.rows {
        for column in 0..<output.columns {
          for i in 0..<window.size.rows {
            for j in 0..<window.size.columns {
              let y = row * window.strides.rows + i * window.dilation.rows - window.padding.top
              let x = column * window.strides.columns + j * window.dilation.columns - window.padding.left
              guard 0..<input.rows ~= y, 0..<input.columns ~= x else { continue }
              for channel in 0..<groupInputChannels {
                for out in 0..<outputChannels {
                  let group = out / groupOutputChannels
                  body(
                    ((image * output.rows + row) * output.columns + column) * outputChannels + out,
                    ((image * input.rows + y) * input.columns + x) * inputChannels + group * groupInputChannels
                      + channel,
                    ((i * window.size.columns + j) * groupInputChannels + channel) * outputChannels + out, image)
                }
              }
            }
          }
        }
      }
    }
  }
}

extension ConvolutionGeometry: CustomTestStringConvertible {
  /// What the test's output calls the geometry.
  public var testDescription: String {
    let (strides, padding, dilation) = (window.strides, window.padding, window.dilation)
    return "\(inputShape) ∗ \(weightShape), strides \(strides.rows) \(strides.columns), "
      + "padding \(padding.top) \(padding.bottom) \(padding.left) \(padding.right), "
      + "dilation \(dilation.rows) \(dilation.columns), groups \(groups)"
  }
}
