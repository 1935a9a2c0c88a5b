import AutoDiff
import Layers
import Tangent

/// Two kinds of digits to tell apart: some to train on, some held out.
struct DigitPair {
  /// Images of length 1: [n, pixels] and [m, pixels].
  let known: Tensor, heldOut: Tensor
  /// 1 for the first kind and −1 for the second: [n] and [m].
  let labels: Tensor, heldOutLabels: Tensor

  /// The first images of both kinds, in the order of the data.
  ///
  /// - Throws: ``UsageError`` where there are too few.
  init(_ digits: Digits, _ first: Int, _ second: Int, known: Int, heldOut: Int) throws(UsageError) {
    let all = LabelledImages(digits)
    let places = digits.labels.indices.filter { digits.labels[$0] == first || digits.labels[$0] == second }
    guard known + heldOut <= places.count else {
      throw UsageError(
        "\(known) digits to train on and \(heldOut) held out are more than the \(places.count) that show \(first) or "
          + "\(second).")
    }
    func part(_ range: Range<Int>) -> (images: Tensor, labels: Tensor) {
      let some = all.gathered(at: Array(places[range]))
      let lengths = some.images.norm(axes: [1], keepingAxes: true)
      return (some.images / lengths, (some.labels .== Double(first)).as(.float64) * 2 - 1)
    }
    (self.known, labels) = part(0..<known)
    (self.heldOut, heldOutLabels) = part(known..<known + heldOut)
  }
}

/// The paper's network with random weights on some digits: how large its kernels are, and its training beside truncations
/// of the hierarchy.
///
/// The targets are the outputs at the start plus the labels, so that every network is asked for the same change.
struct HierarchyStudy {
  /// The levels of the truncations.
  static let levels = [2, 3, 4]

  /// ‖K^(r)‖∞ at the start for r = 2, 3, ….
  let kernelSizes: [Double]
  /// ‖K^(2)(t) − K^(2)(0)‖∞, time by time.
  let kernelMovements: [Double]
  /// The network's training and the truncations.
  let comparison: HierarchyComparison<Parameters>
  /// The outputs on the digits held out before training; nil where none were asked for.
  private let heldOutStart: Tensor?

  /// Draws a network, and trains it.
  ///
  /// - Parameters:
  ///   - highestOrder: the last of the kernels whose size is measured, at least 4.
  ///   - times: increasing from 0, which is the first of them.
  ///   - isPredicting: whether outputs on the digits held out are followed too.
  init(
    _ network: HierarchyNetwork, seed: UInt64, on digits: DigitPair, highestOrder: Int, at times: [Double],
    isPredicting: Bool
  ) throws {
    let x = digits.known
    let p = network.initialized(like: x[0], seed: seed)
    heldOutStart = isPredicting ? network.batched(digits.heldOut, p) : nil
    comparison = try compareHierarchy(
      levels: Self.levels, of: network, from: p, on: x, targets: network.batched(x, p) + digits.labels,
      newPoints: isPredicting ? digits.heldOut : nil, at: times,
      solver: ODESolver(relativeTolerance: 1e-9, absoluteTolerance: 1e-13), keepingKernels: true)
    let start = comparison.truncations[2].kernels[0]
    let higher = highestOrder < 5 ? [] : (5...highestOrder).map { higherKernel(order: $0, of: network, at: p, on: x) }
    kernelSizes = (start + higher).map { abs($0).max().scalar }
    kernelMovements = comparison.parameters.map { q in
      abs(higherKernel(order: 2, of: network, at: q, on: x) - start[0]).max().scalar
    }
  }

  /// The root mean square of the distance from the network's outputs on the digits held out, for every level and time.
  var heldOutErrors: [[Double]] {
    let count = Double(heldOutStart?.count ?? 0)
    return comparison.predictionErrors.map { errors in errors.map { $0 / count.squareRoot() } }
  }

  /// The share of the digits held out that the change of the outputs recognizes at the last time: by the network itself,
  /// then by the truncations.
  func heldOutAccuracies(_ labels: Tensor) -> [Double] {
    guard let heldOutStart else { return [] }
    let courses = [comparison.truth.predictions] + comparison.truncations.map(\.predictions)
    return courses.compactMap(\.last).map { ((($0 - heldOutStart) * labels) .> 0).mean().scalar }
  }
}
