import AutoDiff

/// Half the mean squared error, (1/2n) Σ ‖fᵢ − yᵢ‖², whose gradient flow is ḟ = −(1/n) K (f − y).
///
/// - Shapes: predictions and targets [n, ...] → [].
public func squaredLoss(_ predictions: Tensor, _ targets: Tensor) -> Tensor {
  guard predictions.shape == targets.shape, let n = predictions.shape.first, n > 0 else {
    stop("squaredLoss", "shapes must agree and hold an example", got: "\(predictions.shape) and \(targets.shape)")
  }
  requireOneScalarType("squaredLoss", predictions, targets)
  let residual = predictions - targets
  return dot(residual, residual) / Double(2 * n)
}

/// The mean cross entropy −(1/n) Σ log softmax(fᵢ)[yᵢ].
///
/// - Shapes: logits [n, classes], labels [n] (whole numbers from 0) → [].
public func crossEntropy(_ logits: Tensor, _ labels: Tensor) -> Tensor {
  guard logits.rank == 2, labels.shape == [logits.shape[0]], logits.shape[0] > 0 else {
    stop("crossEntropy", "needs logits [n, classes] and labels [n]", got: "\(logits.shape) and \(labels.shape)")
  }
  requireOneScalarType("crossEntropy", logits, labels)
  return -vmap { (row: Tensor, label: Tensor) in logSoftmax(row).gathered(at: label, for: "crossEntropy") }(
    logits, labels
  ).mean()
}

/// The share of examples whose largest logit is that of their label.
///
/// - Shapes: logits [n, classes], labels [n].
public func accuracy(_ logits: Tensor, _ labels: Tensor) -> Double {
  guard logits.rank == 2, labels.shape == [logits.shape[0]], logits.shape[0] > 0 else {
    stop("accuracy", "needs logits [n, classes] and labels [n]", got: "\(logits.shape) and \(labels.shape)")
  }
  let (values, expected, classes) = (logits.scalars, labels.scalars, logits.shape[1])
  let hits = expected.indices.count { row in
    let entries = values[row * classes..<(row + 1) * classes]
    return entries.max().map { Double(entries.firstIndex(of: $0)! - row * classes) == expected[row] } ?? false
  }
  return Double(hits) / Double(expected.count)
}
