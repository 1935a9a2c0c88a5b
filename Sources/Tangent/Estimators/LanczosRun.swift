import AutoDiff
import Foundation

/// The state of ``lanczos(_:count:end:using:options:)``: an orthonormal basis Q and the projection H = Qᵀ A Q.
///
/// H is measured, column by column, from the coefficients of the orthogonalization and never assumed to be tridiagonal. So
/// a restart, which makes it arrow-shaped, and a random vector after a breakdown need no formulas of their own.
struct LanczosRun<A: SymmetricOperator> {
  private let a: A
  private let n: Int
  private let count: Int
  private let end: SpectrumEnd
  private let tolerance: Double
  private let productLimit: Int
  private let basisLimit: Int
  private let blockExtent: Int
  /// Rows are the vectors that have been multiplied and those that are next: [at least `size`, n].
  private var basis: Tensor
  /// The vectors in the basis.
  private var size = 0
  /// The vectors at its end that have not been multiplied yet.
  private var pending = 0
  /// H of the vectors that have been multiplied.
  private var projection: [[Double]] = []
  /// The part of A times the vectors multiplied last that lies along the pending ones.
  private var coupling: [[Double]] = []
  /// The largest ‖A q‖ so far.
  private var scale = 0.0
  private var iterations = 0, products = 0, restarts = 0, breakdowns = 0

  private var wantedCount: Int { end == .both ? min(n, 2 * count) : count }

  init(_ a: A, count: Int, end: SpectrumEnd, options: LanczosOptions) {
    (self.a, n, self.count, self.end) = (a, a.dimension, count, end)
    tolerance = options.tolerance ?? pow(a.scalarType.epsilon, 2.0 / 3)
    productLimit = options.productLimit
    blockExtent = max(1, min(n, options.blockExtent ?? count))
    let wanted = end == .both ? 2 * count : count
    // Room for the wanted vectors, as many beside them, and two blocks.
    let least = 2 * wanted + 2 * blockExtent
    basisLimit = min(n, max(least, options.basisLimit ?? max(128, 2 * least)))
    basis = .zeros([blockExtent, n], as: a.scalarType)
  }

  mutating func result(using generator: inout RandomGenerator) throws -> LanczosResult {
    guard n > 0 else { return LanczosResult(emptyOf: a.scalarType) }
    for _ in 0..<blockExtent { appendRandom(using: &generator) }
    var nextCheck = 0
    while true {
      try multiplyPending(using: &generator)
      let done = size - pending
      let isWhole = done == n
      let isLast = products + pending + wantedCount > productLimit
      let isFull = size > basisLimit
      // Ritz pairs are looked at after every growth by an eighth, because they cost the cube of the extent.
      guard isWhole || isLast || isFull || done >= nextCheck else { continue }
      nextCheck = done + done / 8
      let (values, vectors) = try ritzPairs()
      let wanted = wantedIndices(done)
      let largest = values.map(\.magnitude).max() ?? 0
      let converged = done >= wantedCount && wanted.allSatisfy { residual(vectors, $0) <= tolerance * largest }
      if isWhole || converged || isLast {
        return try finish(values, vectors, isWhole ? .wholeSpace : converged ? .converged : .productLimit)
      }
      if isFull {
        restart(values, vectors)
        nextCheck = 0
      }
    }
  }

  // MARK: Steps

  /// Multiplies the pending vectors and makes the next ones of what is new in the products.
  private mutating func multiplyPending(using generator: inout RandomGenerator) throws {
    let (first, extent) = (size - pending, pending)
    let (next, along, lengths) = try product(ofLast: extent)
    iterations += 1
    products += extent
    let known = size
    for i in 0..<first { projection[i] += (0..<extent).map { along[$0 * known + i] } }
    for k in 0..<extent { projection.append(Array(along[k * known..<(k + 1) * known])) }
    pending = 0
    coupling = []
    for k in 0..<extent where size < n {
      append(next[k], from: lengths[k], column: k, of: extent, using: &generator)
    }
  }

  /// The part of A times the last vectors that is orthogonal to the basis, as rows, the coefficients of the rest: [extent,
  /// size], and how long the vectors were before the second projection.
  ///
  /// Here, so that no view of the basis lives on while vectors are added to it in place.
  private mutating func product(ofLast extent: Int) throws -> (new: Tensor, along: [Double], lengths: [Double]) {
    let known = basis[0..<size]
    let product = try a.checkedProduct(with: known[(size - extent)...].transposed, for: "lanczos")
    var next = stopGradient(product).transposed
    var lengths = next.norm(axes: [1]).scalars
    scale = max(scale, lengths.max() ?? 0)
    var along = matmul(next, known.transposed)
    next -= matmul(along, known)
    // Twice is enough: after the second time nothing but rounding is left along the basis. What the basis lacks in
    // orthogonality would grow from step to step without it, so that it is left out only where there is nothing to do.
    lengths = next.norm(axes: [1]).scalars
    let rest = matmul(next, known.transposed)
    let left = rest.norm(axes: [1]).scalars
    if zip(left, lengths).contains(where: { !($0 <= 8 * a.scalarType.epsilon * $1) }) {
      next -= matmul(rest, known)
      along += rest
    }
    return (next, along.scalars, lengths)
  }

  /// Adds what is new in a product to the basis, or a random vector where nothing is.
  ///
  /// - Parameter before: its length before the second projection.
  private mutating func append(
    _ product: Tensor, from before: Double, column: Int, of extent: Int, using generator: inout RandomGenerator
  ) {
    var vector = product
    var row = [Double](repeating: 0, count: extent)
    // Along the block's vectors that came before; along the rest of the basis there is nothing left.
    if pending > 0 {
      let block = basis[size - pending..<size]
      for _ in 0..<2 {
        let along = matmul(block, vector)
        for (k, part) in along.scalars.enumerated() { coupling[k][column] += part }
        vector -= matmul(block.transposed, along)
      }
    }
    let length = vector.norm().scalar
    if length <= 8 * Double(n).squareRoot() * a.scalarType.epsilon * scale {
      breakdowns += 1
      appendRandom(using: &generator)
    } else {
      row[column] = length
      vector = vector / length
      if length < before / 4 {
        // Rounding along the basis was small relative to what has been taken away.
        vector -= matmul(basis[0..<size].transposed, matmul(basis[0..<size], vector))
        vector = vector / vector.norm()
      }
      appendUnit(vector)
    }
    coupling.append(row)
  }

  private mutating func appendRandom(using generator: inout RandomGenerator) {
    while true {
      if let vector = randomUnit(using: &generator) { return appendUnit(vector) }
    }
  }

  /// A random vector orthogonal to the basis; nil if too little of it is new, as may happen where hardly any space is left.
  private func randomUnit(using generator: inout RandomGenerator) -> Tensor? {
    var vector = Tensor.normal([n], as: a.scalarType, using: &generator)
    vector = vector / vector.norm()
    guard size > 0 else { return vector }
    let known = basis[0..<size]
    for _ in 0..<3 {
      vector -= matmul(known.transposed, matmul(known, vector))
      let length = vector.norm()
      if length.scalar < 1e-3 / Double(n) { return nil }
      vector = vector / length
    }
    return vector
  }

  private mutating func appendUnit(_ vector: Tensor) {
    if size == basis.shape[0] {
      // Memory that a short run never touches costs time as well.
      let added = min(basisLimit + blockExtent, 2 * size) - size
      basis = concatenate([basis, .zeros([added, n], as: a.scalarType)])
    }
    basis[size] = vector
    size += 1
    pending += 1
  }

  // MARK: Ritz pairs

  /// Eigenvalues, ascending, and eigenvectors of H: rows of the second are coordinates in the basis.
  private func ritzPairs() throws -> (values: [Double], vectors: [[Double]]) {
    let done = size - pending
    let (values, vectors) = try symmetricEigen(Tensor(projection.map { Array($0[0..<done]) }))
    let columns = vectors.transposed.scalars
    return (values.scalars, (0..<done).map { Array(columns[$0 * done..<($0 + 1) * done]) })
  }

  /// The places of the wanted ones among so many ascending values.
  private func wantedIndices(_ total: Int) -> [Int] {
    let each = min(count, total)
    switch end {
    case .largest: return Array(total - each..<total)
    case .smallest: return Array(0..<each)
    case .both: return Array(Set(0..<each).union(total - each..<total)).sorted()
    }
  }

  /// ‖A x − θ x‖ of a Ritz pair: what A makes of it along the pending vectors.
  private func residual(_ vectors: [[Double]], _ index: Int) -> Double {
    guard let extent = coupling.first?.count else { return 0 }
    let last = vectors[index].suffix(extent)
    return coupling.map { row in zip(row, last).map(*).reduce(0, +) }.reduce(0) { hypot($0, $1) }
  }

  /// Keeps the Ritz vectors nearest to the wanted ends, and the pending vectors.
  private mutating func restart(_ values: [Double], _ vectors: [[Double]]) {
    let done = size - pending
    let kept = min(done, max(wantedCount, basisLimit / 2))
    let indices: [Int]
    switch end {
    case .largest: indices = Array(done - kept..<done)
    case .smallest: indices = Array(0..<kept)
    case .both: indices = Array(0..<kept / 2) + Array(done - (kept - kept / 2)..<done)
    }
    let rotation = Tensor(indices.map { vectors[$0] }, as: a.scalarType)
    let (best, next) = (matmul(rotation, basis[0..<done]), basis[done..<size])
    basis[0..<kept] = best
    basis[kept..<kept + pending] = next
    size = kept + pending
    projection = indices.enumerated().map { place, index in
      (0..<kept).map { $0 == place ? values[index] : 0 }
    }
    restarts += 1
  }

  // MARK: The result

  private mutating func finish(
    _ values: [Double], _ vectors: [[Double]], _ reason: LanczosResult.StoppingReason
  ) throws -> LanczosResult {
    let done = size - pending
    let each = min(count, done)
    let known = basis[0..<done].as(.float64)
    let rounding =
      4 * Double(n).squareRoot() * a.scalarType.epsilon * max(abs(values.first ?? 0), abs(values.last ?? 0))
    func pairs(_ indices: [Int], isLargest: Bool) throws -> LanczosEigenpairs {
      guard !indices.isEmpty else { return LanczosEigenpairs(noneOf: n, a.scalarType) }
      var x = matmul(known.transposed, Tensor(indices.map { vectors[$0] }).transposed)
      x = (x / x.norm(axes: [0], keepingAxes: true)).as(a.scalarType)
      let product = try a.checkedProduct(with: x, for: "lanczos").as(.float64)
      products += indices.count
      let exact = x.as(.float64)
      let lengths = square(exact).sum(axes: [0])
      let theta = (exact * product).sum(axes: [0]) / lengths
      let residuals = ((product - exact * theta).norm(axes: [0]) / sqrt(lengths)).scalars
      let brackets = zip(theta.scalars, residuals).map { theta, residual in
        let inner = Bound(isLargest ? theta - rounding : theta + rounding, .interlacing)
        let outer = Bound(isLargest ? theta + residual + rounding : theta - residual - rounding, .pairResidual)
        return isLargest ? Bracket(theta, lower: inner, upper: outer) : Bracket(theta, lower: outer, upper: inner)
      }
      return LanczosEigenpairs(values: theta.scalars, vectors: x, residuals: residuals, brackets: brackets)
    }
    let largest = try pairs(end == .smallest ? [] : (done - each..<done).reversed(), isLargest: true)
    let smallest = try pairs(end == .largest ? [] : Array(0..<each), isLargest: false)
    return LanczosResult(
      largest: largest, smallest: smallest, stoppingReason: reason, iterations: iterations, products: products,
      restarts: restarts, breakdowns: breakdowns)
  }
}

extension LanczosEigenpairs {
  fileprivate init(noneOf n: Int, _ scalarType: ScalarType) {
    self.init(values: [], vectors: .zeros([n, 0], as: scalarType), residuals: [], brackets: [])
  }
}

extension LanczosResult {
  fileprivate init(emptyOf scalarType: ScalarType) {
    let none = LanczosEigenpairs(noneOf: 0, scalarType)
    self.init(
      largest: none, smallest: none, stoppingReason: .wholeSpace, iterations: 0, products: 0, restarts: 0,
      breakdowns: 0)
  }
}
