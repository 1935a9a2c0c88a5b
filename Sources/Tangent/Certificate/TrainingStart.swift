import AutoDiff
import Layers

/// A model, its data, and where its training begins: what certificates are about.
///
/// Every output of every example counts as one datum; there are m of them. The training loss is Σ r² or half of it, as the
/// theorem says.
public struct TrainingStart<Example: TensorTree, P: TensorTree> {
  let f: (Example, P) throws -> Tensor
  /// θ₀.
  public let parameters: P
  let examples: Example
  /// The labels, datum after datum.
  let targets: Tensor
  /// m.
  public let datumCount: Int
  private let outputCount: Int
  let exampleCount: Int

  /// Φ, whose rows are the gradients at θ₀: [m, p].
  let gradients: Tensor
  /// A bound of the rounding error of ``gradients`` in the Frobenius norm.
  let gradientError: Double
  /// ‖r‖ at θ₀, r = f − y.
  public let residualNorm: Bracket
  /// What rounding may add to ‖r‖ when it is computed in the parameters' type.
  let residualNoise: Double
  /// λ_min and λ_max of the tangent kernel of all data at θ₀, both ends proved, rounding of the gradients included.
  public let smallestEigenvalue: Bracket, largestEigenvalue: Bracket

  /// Looks at a model where its training begins.
  ///
  /// - Parameters:
  ///   - f: the model: one example and the parameters to one output, any tree.
  ///   - p: θ₀.
  ///   - examples: a tree whose leaves have the shape [n, example leaf shape...].
  ///   - targets: [n, output entries...], the entries of an output leaf after leaf; another number of entries stops.
  /// - Throws: ``KernelMatrixError/labelNotFinite(example:output:value:)``; ``AutoDiff/BoundError`` if the gradients at θ₀
  ///   cannot be bounded, and what the model and the eigenproblem throw.
  /// - Complexity: some thirty gradients per datum, m² p flops, and memory for m gradients.
  public init<Output: TensorTree>(
    of f: @escaping (Example, P) throws -> Output, from p: P, on examples: Example, targets: Tensor
  ) throws {
    self.f = { try f($0, $1).flattenedEntries }
    (parameters, self.examples) = (p, examples)
    exampleCount = Tangent.exampleCount(of: examples, "TrainingStart")
    outputCount = exampleCount > 0 ? try f(examples.mapTensors { $0[0] }, p).entryCount : 0
    datumCount = exampleCount * outputCount
    guard targets.count == datumCount, datumCount > 0 else {
      stop(
        "TrainingStart", "needs a target for every output of every example, at least one",
        got: "\(targets.shape) for \(exampleCount) examples of \(outputCount) outputs")
    }
    self.targets = targets.flattened.as(.float64)
    if let datum = self.targets.scalars.firstIndex(where: { !$0.isFinite }) {
      throw KernelMatrixError.labelNotFinite(
        example: datum / outputCount, output: datum % outputCount, value: self.targets.scalars[datum])
    }

    let found = try Self.outputBounds(self.f, p, examples, exampleCount, outputCount, radius: 0)
    let gradients = stack(found.map(\.gradient))
    self.gradients = gradients
    gradientError = found.map(\.gradientError).euclideanNorm * (1 + roundingShare)
    let labels = self.targets.scalars
    let lower = zip(found, labels).map { max(0, $0.value.lower - $1, $1 - $0.value.upper) }
    let upper = zip(found, labels).map { max(abs($0.value.lower - $1), abs($0.value.upper - $1)) }
    let least = lower.euclideanNorm * (1 - 1e-12)
    let most = upper.euclideanNorm * (1 + 1e-12)
    residualNorm = Bracket(
      (least + most) / 2, lower: Bound(least, .propagation), upper: Bound(most, .propagation))
    // The bounds are those of double precision whatever the type, and sixteen times as far apart as an operation rounds.
    let coarseness = max(1, (p.leaves.first?.scalarType ?? .float64).epsilon / Double.ulpOfOne / 16)
    residualNoise = found.map { $0.value.upper - $0.value.lower }.euclideanNorm * coarseness
    (smallestEigenvalue, largestEigenvalue) = try Self.spectrum(gradients, error: gradientError)
  }

  /// The ends of the spectrum of G Gᵀ for all G within a distance of what was computed.
  private static func spectrum(_ gradients: Tensor, error: Double) throws -> (smallest: Bracket, largest: Bracket) {
    let (m, p) = (gradients.shape[0], gradients.shape[1])
    let spectrum = try KernelSpectrum(of: matmul(gradients, gradients.transposed))
    // Rounding of the product, also to 0, then the singular values of G, which move by no more than G.
    let size = gradients.norm().scalar
    let tiny = Double(m) * Double(p + 16) * Double.leastNormalMagnitude
    let rounding = Double(p + 16) * Double.ulpOfOne * size * size + tiny
    func singular(_ eigenvalue: Double) -> Double { max(0, eigenvalue).squareRoot() }
    func bracket(_ given: Bracket) -> Bracket {
      let low = singular(given.lower.value - rounding) * (1 - 1e-15) - error
      let high = singular(given.upper.value + rounding) * (1 + 1e-15) + error
      let (least, most) = (max(0, low), high * high * (1 + 1e-15) + Double.leastNormalMagnitude)
      return Bracket(
        min(max(given.estimate, least * least), most), lower: Bound(least * least * (1 - 1e-15), .wholeResidual),
        upper: Bound(most, .wholeResidual))
    }
    // With fewer parameters than data the kernel is singular.
    let smallest =
      p < m ? Bracket(0, error: 0, .derived) : bracket(spectrum.smallest)
    return (smallest, bracket(spectrum.largest))
  }

  private static func outputBounds(
    _ f: @escaping (Example, P) throws -> Tensor, _ p: P, _ examples: Example, _ n: Int, _ outputs: Int, radius: Double
  ) throws -> [OutputBounds] {
    let ball = BoundedBall(around: p, radius: radius)
    defer { ball.close() }
    var result: [OutputBounds] = []
    for index in 0..<n {
      let example = examples.mapTensors { $0[index] }
      for output in 0..<outputs {
        result.append(try OutputBounds(of: { try f(example, $0)[output] }, in: ball, radius: radius))
        if let primitive = ball.ownDerivatives { throw BoundError.ownDerivatives(primitive: primitive) }
      }
    }
    return result
  }

  /// Proved upper ends of U and of the gradients' Lipschitz constant on a ball, over all data.
  func upperEnds(radius: Double) throws -> (gradientNorm: Double, lipschitz: Double) {
    let found = try Self.outputBounds(f, parameters, examples, exampleCount, outputCount, radius: radius)
    return (found.map(\.gradientNorm).max()!, found.map(\.lipschitz).max()!)
  }

  /// A bound of ‖f − f(θ₀)‖ at θ₀ with the constant f(θ₀) as the model computes it, rounded in the parameters' type.
  func differenceFromItself() throws -> Double {
    let (f, p) = (f, parameters)
    let difference = { (x: Example, q: P) in try f(x, q) - (try f(x, p)) }
    let found = try Self.outputBounds(difference, p, examples, exampleCount, outputCount, radius: 0)
    return found.map { max(abs($0.value.lower), abs($0.value.upper)) }.euclideanNorm * (1 + 1e-12)
  }

  /// An attained lower end of U: the largest gradient at θ₀.
  var attainedGradientNorm: Double {
    let norms = gradients.norm(axes: [1])
    return max(0, norms.max().scalar * (1 - 1e-12) - gradientError)
  }

  /// An attained lower end of the Lipschitz constant: the largest Hessian norm that ascents from the data with the largest
  /// gradients found on a ball.
  ///
  /// - Parameter data: for how many of the data.
  func attainedLipschitz(radius: Double, data: Int, options: LipschitzOptions) throws -> Double {
    let norms = gradients.norm(axes: [1]).scalars
    let chosen = norms.indices.sorted { norms[$0] > norms[$1] }.prefix(data)
    var largest = 0.0
    for datum in chosen {
      let example = examples.mapTensors { $0[datum / outputCount] }
      let output = datum % outputCount
      let ascent = BallAscent(
        f: { try f(example, $0)[output] }, center: parameters, radius: radius, options: options)
      var generator = RandomGenerator(seed: options.seed &+ UInt64(datum))
      largest = max(largest, try ascent.hessianNorm(using: &generator).peak.value)
    }
    return largest
  }

  /// All outputs, datum after datum.
  func outputs(_ p: P) throws -> Tensor {
    try vmap { (x: Example) in try f(x, p) }(examples).flattened
  }

  /// r = f − y.
  func residual(_ p: P) throws -> Tensor {
    let values = try outputs(p)
    return values - targets.as(values.scalarType)
  }
}

extension TrainingStart where P == Parameters {
  /// The start of a layer's training; see ``init(of:from:on:targets:)``.
  public init<Model: Layer>(
    of model: Model, from p: Parameters, on examples: Example, targets: Tensor
  ) throws where Model.Input == Example {
    try self.init(of: { (x: Example, p: Parameters) in model(x, p) }, from: p, on: examples, targets: targets)
  }
}
