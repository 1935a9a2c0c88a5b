import AutoDiff

/// One computation of the kernels of an ``InfiniteNetwork``: what single examples contribute, once, then tiles of pairs.
struct LimitComputation {
  /// What of the tangent kernel is computed beside the covariance of the outputs.
  enum Terms { case covariance, sum, layerwise }

  private let activations: [DualActivation]
  private let scales: [AffineScales]
  private let scalarType: ScalarType
  private let directions: Directions
  /// ‖x‖² or ‖x‖²/d of all examples.
  private let moments: Tensor
  /// What each example contributes in every hidden layer.
  private var marginals: [Marginal] = []
  private let rowCount: Int
  /// The columns of the kernel among all examples: those of z behind those of x, or the same as the rows.
  private let columns: Range<Int>
  private var isSymmetric: Bool { columns.lowerBound == 0 }

  init(_ operation: String, _ network: InfiniteNetwork, _ x: Tensor, _ z: Tensor?, wantsSlopes: Bool) throws(LimitError)
  {
    for (input, name) in [(x, "x"), (z ?? x, "z")] {
      guard input.rank == 2, input.shape[1] == x.shape[1] else {
        stop(
          operation, "examples must be [n, d] and [m, d]", got: "\(x.shape)" + (z.map { " and \($0.shape)" } ?? ""))
      }
      if !input.isTraced, !input.isFinite {
        let example = input.scalars.firstIndex { !$0.isFinite }! / input.shape[1]
        throw .inputNotFinite(input: name, example: example)
      }
    }
    activations = network.activations
    scales = network.parameterization.scales(hiddenLayers: activations.count)
    scalarType = x.scalarType
    rowCount = x.shape[0]
    columns = z.map { x.shape[0]..<x.shape[0] + $0.shape[0] } ?? 0..<x.shape[0]
    let all = z.map { concatenate([x.as(.float64), $0.as(.float64)]) } ?? x.as(.float64)
    directions = Directions(all)
    let inputs = network.parameterization.dividesByInputs ? Double(max(1, x.shape[1])) : 1
    moments = notVanishing(square(directions.norms) / inputs, where: directions.norms .> 0)
    var variances = moments * scales[0].weightCovariance + scales[0].biasCovariance
    /// Throws where the second moments behind so many hidden layers are not numbers.
    func check(_ moments: Tensor, layer: Int) throws(LimitError) {
      guard !moments.isTraced, let bad = moments.scalars.firstIndex(where: { !$0.isFinite }) else { return }
      throw .momentNotFinite(
        activation: layer == 0 ? "the input" : activations[layer - 1].name, layer: layer, example: bad)
    }
    try check(variances, layer: 0)
    for (index, activation) in activations.enumerated() {
      let request = DualRequest(activation: activation.name, layer: index + 1, tolerance: network.tolerance)
      let marginal = try activation.dual.marginal(variances, wantsSlopes: wantsSlopes, request)
      marginals.append(marginal)
      let next = scales[index + 1]
      variances = marginal.moment * next.weightCovariance + next.biasCovariance
      try check(marginal.moment, layer: index + 1)
      try check(variances, layer: index + 1)
    }
  }

  /// The covariance of the outputs, then the tangent kernel or its terms, layer by layer weights before biases.
  ///
  /// - Parameter first: what comes before it is not used, and may be anything.
  /// - Throws: ``LimitError/kernelNotFinite(kernel:row:column:)`` where an entry is too large for the scalar type.
  func run(_ terms: Terms, from first: Int = 0) throws(LimitError) -> [Tensor] {
    let results = tiled(terms)
    for (k, result) in results.enumerated() where k >= first && !result.isTraced && !result.isFinite {
      let bad = result.scalars.firstIndex { !$0.isFinite }!
      throw .kernelNotFinite(kernel: k == 0 ? "nngp" : "ntk", row: bad / columns.count, column: bad % columns.count)
    }
    return results
  }

  private func tiled(_ terms: Terms) -> [Tensor] {
    let (n, m) = (rowCount, columns.count)
    if directions.isTraced || n * m == 0 { return tile(0..<n, columns, terms).map { $0.as(scalarType) } }
    let count = terms == .covariance ? 1 : terms == .sum ? 2 : 1 + 2 * scales.count
    var results = Array(repeating: Tensor.zeros([n, m], as: scalarType), count: count)
    // Tiles whose intermediate results stay in the cache.
    let height = max(1, (1 << 16) / m)
    for start in stride(from: 0, to: n, by: height) {
      let rows = start..<min(start + height, n)
      let from = isSymmetric ? start : 0
      for (k, tile) in tile(rows, columns.lowerBound + from..<columns.upperBound, terms).enumerated() {
        var tile = tile.as(scalarType)
        if isSymmetric {
          let square = tile[.all, 0..<rows.count]
          tile[.all, 0..<rows.count] = (square + square.transposed) * 0.5
          results[k][start..<n, rows] = tile.transposed
        }
        results[k][rows, from..<m] = tile
      }
    }
    return results
  }

  /// The kernels of some pairs.
  private func tile(_ rows: Range<Int>, _ columns: Range<Int>, _ terms: Terms) -> [Tensor] {
    let (minus, plus) = directions.correlations(rows, columns)
    var pairs = GaussianPairs(first: moments[rows].expanded(at: 1), second: moments[columns], minus: minus, plus: plus)
    var tangents: [Tensor] = []
    func collect(_ scales: AffineScales) {
      guard terms != .covariance else { return }
      let weights = pairs.covariance * scales.weightTangent
      if terms == .layerwise {
        tangents += [weights, .filled(scales.biasTangent, weights.shape)]
      } else {
        let term = weights + scales.biasTangent
        tangents = [tangents.first.map { $0 + term } ?? term]
      }
    }
    collect(scales[0])
    pairs = pairs.affine(weight: scales[0].weightCovariance, bias: scales[0].biasCovariance)
    for (index, activation) in activations.enumerated() {
      let (dual, scales) = (activation.dual, scales[index + 1])
      let (first, second) = (marginals[index].rows(rows), marginals[index].columns(columns))
      if terms != .covariance {
        let slopes = dual.slopes(of: pairs, first, second) * scales.weightCovariance
        for k in tangents.indices { tangents[k] *= slopes }
      }
      pairs = dual.image(of: pairs, first, second)
      collect(scales)
      pairs = pairs.affine(weight: scales.weightCovariance, bias: scales.biasCovariance)
    }
    return [pairs.covariance] + tangents
  }
}
