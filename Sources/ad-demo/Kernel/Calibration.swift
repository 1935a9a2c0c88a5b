import AutoDiff
import Foundation
import Layers

/// How good probabilities of classes are: how often they are right, and whether they know how often.
struct Calibration {
  /// The share of examples whose most probable class is theirs.
  let accuracy: Double
  /// The mean of −log of the probability of the right class.
  let logLoss: Double
  /// The expected calibration error: the mean distance between confidence and accuracy, over bins of confidence.
  let error: Double
  /// By bin of confidence that has examples: their mean confidence, their accuracy, and how many they are.
  let bins: [(confidence: Double, accuracy: Double, count: Int)]

  /// Compares probabilities with labels.
  ///
  /// - Parameters:
  ///   - logits: [n, classes]; probabilities are their softmax.
  ///   - labels: [n].
  ///   - binCount: the bins of equal width that confidence, the probability of the most probable class, is sorted into.
  /// - Source: Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017.
  init(logits: Tensor, labels: Tensor, binCount: Int = 15) {
    let (n, classes) = (logits.shape[0], logits.shape[1])
    let (probabilities, expected) = (softmax(logits.as(.float64)).scalars, labels.scalars)
    logLoss = crossEntropy(logits.as(.float64), labels.as(.float64)).scalar
    var sums = [(confidence: Double, hits: Int, count: Int)](repeating: (0, 0, 0), count: binCount)
    var hits = 0
    for row in 0..<n {
      let entries = probabilities[row * classes..<(row + 1) * classes]
      let confidence = entries.max() ?? 0
      let isHit = Double(entries.firstIndex(of: confidence)! - row * classes) == expected[row]
      let bin = min(binCount - 1, Int(confidence * Double(binCount)))
      sums[bin] = (sums[bin].confidence + confidence, sums[bin].hits + (isHit ? 1 : 0), sums[bin].count + 1)
      hits += isHit ? 1 : 0
    }
    accuracy = n == 0 ? 0 : Double(hits) / Double(n)
    bins = sums.filter { $0.count > 0 }.map {
      ($0.confidence / Double($0.count), Double($0.hits) / Double($0.count), $0.count)
    }
    error = bins.reduce(0) { $0 + ($1.confidence - $1.accuracy).magnitude * Double($1.count) } / Double(max(1, n))
  }

  /// The factor on logits that makes the probabilities of known labels largest, by golden-section search. The mean log
  /// probability is concave in it.
  static func sharpness(logits: Tensor, labels: Tensor) -> Double {
    func loss(_ logFactor: Double) -> Double { crossEntropy(logits * exp(logFactor), labels).scalar }
    let ratio = (5.0.squareRoot() - 1) / 2
    var (low, high) = (-4.0, 10.0)
    var (a, b) = (high - ratio * (high - low), low + ratio * (high - low))
    var (lossA, lossB) = (loss(a), loss(b))
    while high - low > 1e-4 {
      if lossA < lossB {
        (high, b, lossB) = (b, a, lossA)
        a = high - ratio * (high - low)
        lossA = loss(a)
      } else {
        (low, a, lossA) = (a, b, lossB)
        b = low + ratio * (high - low)
        lossB = loss(b)
      }
    }
    return exp((low + high) / 2)
  }
}

/// The reliability diagram of some predictors: accuracy over confidence, beside the line on which they are equal.
func reliabilityChart(title: String, _ predictors: [(name: String, calibration: Calibration)]) -> LineChart {
  var chart = LineChart(
    title: title, x: Axis("confidence"), y: Axis("share of right answers"),
    series: predictors.map { name, calibration in
      // What few examples say is noise.
      let bins = calibration.bins.filter { $0.count >= 8 }
      return LineChart.Series(name, bins.map { Point($0.confidence, $0.accuracy) }, style: .linePoints)
    })
  chart.series.append(LineChart.Series("calibrated", [Point(0, 0), Point(1, 1)]))
  return chart
}
