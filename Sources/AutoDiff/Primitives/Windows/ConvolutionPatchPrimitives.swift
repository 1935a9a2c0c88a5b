/// The entries under a window at each of its places, zeros where it leaves the image: [..., h, w, channels] →
/// [..., h', w', rows · columns · channels]. A convolution is the product of the patches with its weights.
struct ExtractPatches: LinearPrimitive, Hashable {
  let window: SlidingWindow
  /// The extents of an image.
  let image: RowsAndColumns
  var name: String { "patches" }

  func shape(of inputs: Inputs) -> [Int] {
    let shape = inputs[0].shape
    guard shape.count >= 3, shape.suffix(3).dropLast() == [image.rows, image.columns] else {
      stop("needs images [..., \(image.rows), \(image.columns), channels]", got: "\(shape)")
    }
    return shape.dropLast(3) + geometry(shape, channels: shape[shape.count - 1]).patchShape.dropFirst()
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (x, target) = (inputs[0], shape(of: inputs))
    let geometry = geometry(x.shape, channels: x.shape[x.rank - 1])
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(target, T.self) { patches in
        x.withEntries(T.self) { Convolution.patches(geometry, images: 0..<geometry.images, of: $0, into: patches) }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(AddPatches(window: window, image: image), .one(cotangent))
  }

  /// Examples are images.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }

  fileprivate func geometry(_ shape: [Int], channels: Int) -> ConvolutionGeometry {
    let geometry = ConvolutionGeometry(
      images: Array(shape.dropLast(3)).product, input: image, inputChannels: channels, outputChannels: 1,
      window: window)
    geometry.check(name)
    return geometry
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let terms = window.size.rows * window.size.columns
    let ones = Tensor.ones(shape(of: .one(x.range.lower)))
    return x.mapped(terms: terms, columnSums: transpose(ones, inputShape: x.shape)) { dispatch(self, .one($0)) }
  }
}

/// Adds patches up to images where they came from: the adjoint of ``ExtractPatches``.
struct AddPatches: LinearPrimitive, Hashable {
  let window: SlidingWindow
  /// The extents of an image.
  let image: RowsAndColumns
  var name: String { "patchesAdjoint" }

  func shape(of inputs: Inputs) -> [Int] {
    let shape = inputs[0].shape
    let (places, size) = (window.positions(on: image), window.size.rows * window.size.columns)
    guard shape.count >= 3, shape.suffix(3).dropLast() == [places.rows, places.columns],
      shape[shape.count - 1] % size == 0
    else { stop("needs patches [..., \(places.rows), \(places.columns), \(size) · channels]", got: "\(shape)") }
    return shape.dropLast(3) + [image.rows, image.columns, shape[shape.count - 1] / size]
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let (patches, target) = (inputs[0], shape(of: inputs))
    let geometry = forward.geometry(target, channels: target[target.count - 1])
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(target, T.self) { x in
        patches.withEntries(T.self) {
          Convolution.patchesAdjoint(geometry, images: 0..<geometry.images, of: $0, into: x)
        }
      }
    }
    return perType(patches.scalarType, double: run(Double.self), float: run(Float.self))
  }

  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor { dispatch(forward, .one(cotangent)) }

  /// Examples are images.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }

  private var forward: ExtractPatches { .init(window: window, image: image) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let terms = window.size.rows * window.size.columns
    let ones = Tensor.ones(shape(of: .one(x.range.lower)))
    return x.mapped(terms: terms, columnSums: transpose(ones, inputShape: x.shape)) { dispatch(self, .one($0)) }
  }
}

extension ConvolutionProduct {
  /// A convolution is the product of patches with its weights; groups of channels run in parallel.
  ///
  /// With many positions the gradient itself is smaller than these factors, and computed without patches: where there are
  /// a quarter as many as a patch has entries, their inner products take more work for any number of outputs.
  package func outerProducts(
    _ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int
  ) -> OuterProducts? {
    guard result == .output, argument == 1, setRank == 0 else { return nil }
    let weights = inputs[1].shape
    let (channels, outputs) = (weights[2], weights[3] / groups)
    guard 4 * (output.count / max(1, weights[3])) < weights.dropLast().product else { return nil }
    let patches = dispatch(ExtractPatches(window: window, image: image), .one(inputs[0]))
    let positions = patches.shape.dropLast().reduce(1, *)
    // The channels of a patch, like those of the output, are those of the first group, then of the second, and so on.
    let grouped = patches.reshaped(to: [positions, weights[0], weights[1], groups, channels])
    return OuterProducts(
      left: grouped.permuted([0, 3, 1, 2, 4]), right: cotangent.reshaped(to: [positions, groups, outputs]),
      leftAxes: [0, 1, 2], rightAxes: [4], parallelAxes: [3],
      shape: [weights[0], weights[1], channels, groups, outputs])
  }
}
