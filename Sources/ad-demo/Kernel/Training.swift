import AutoDiff
import Layers

/// Images with their labels, as tensors.
struct LabelledImages {
  /// [n, pixels].
  var images: Tensor
  /// [n].
  var labels: Tensor

  var count: Int { images.shape[0] }

  /// The digits as numbers of a scalar type.
  init(_ digits: Digits, as scalarType: ScalarType = .float64) {
    images = Tensor(digits.pixels, shape: [digits.count, Digits.pixelCount], as: scalarType)
    labels = Tensor(digits.labels.map(Double.init), as: scalarType)
  }

  private init(images: Tensor, labels: Tensor) { (self.images, self.labels) = (images, labels) }

  /// Some of the images.
  subscript(range: Range<Int>) -> LabelledImages {
    LabelledImages(images: images[range], labels: labels[range])
  }

  /// The images at the given places.
  func gathered(at places: [Int]) -> LabelledImages {
    LabelledImages(images: images.gathered(at: places), labels: labels.gathered(at: places))
  }

  /// The mean cross entropy of a model's answers.
  func loss(of model: some Layer<Tensor, Tensor>, at p: Parameters) -> Tensor {
    crossEntropy(model.batched(images, p), labels)
  }

  /// The share of the images that a model recognizes.
  func accuracy(of model: some Layer<Tensor, Tensor>, at p: Parameters) -> Double {
    Layers.accuracy(model.batched(images, p), labels)
  }
}

extension GradientDescent {
  /// Trains a model on mini-batches, which are drawn anew for every epoch.
  ///
  /// - Parameter progress: Called after every step.
  /// - Returns: The parameters after the last step.
  func train(
    _ model: some Layer<Tensor, Tensor>, from p: Parameters, on data: LabelledImages, epochs: Int, batchSize: Int,
    using generator: inout RandomGenerator, progress: () -> Void
  ) -> Parameters {
    var state = start(at: p)
    for _ in 0..<epochs {
      let order = (0..<data.count).shuffled(using: &generator)
      for start in stride(from: 0, to: data.count, by: batchSize) {
        let batch = data.gathered(at: Array(order[start..<min(start + batchSize, data.count)]))
        state = step(state, along: gradient(of: { batch.loss(of: model, at: $0) }, at: state.parameters))
        progress()
      }
    }
    return state.parameters
  }
}
