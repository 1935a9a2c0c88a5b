/// One step of divide and conquer: the eigenvectors of diag(D₁, D₂) + ρ z zᵀ from those of the two halves.
///
/// - Source: M. Gu, S. C. Eisenstat, *A divide-and-conquer algorithm for the symmetric tridiagonal eigenproblem*,
///   SIAM J. Matrix Anal. Appl. 16 (1995): the vector z is recomputed from the rounded roots, which makes the
///   eigenvectors orthogonal however close the roots are.
struct RankOneMerge<T: LoopScalar> {
  /// The eigenvalues of the halves, n₁ + n₂ of them; overwritten with the new ones.
  let d: UnsafeMutablePointer<T>
  /// The eigenvectors as rows, zero outside the two diagonal blocks; overwritten.
  let rows: UnsafeMutablePointer<T>
  let rowStride: Int
  /// The rows of each half by ascending eigenvalue, counted within the half; overwritten with those of the whole.
  let order: UnsafeMutablePointer<Int>
  let n1: Int
  let n2: Int
  /// The entry that couples the halves. |coupling| has been subtracted from both diagonal entries beside it.
  let coupling: T
  /// n² entries.
  let gathered: UnsafeMutablePointer<T>
  /// n rows of n entries rounded up to whole vectors.
  let weights: UnsafeMutablePointer<T>

  /// Which columns of a row may be nonzero.
  private enum Support {
    case first, both, second
  }

  /// The rows that take part in the secular equation, by ascending eigenvalue, and those that are eigenvectors as they
  /// stand.
  private struct Deflation {
    var kept: [Int] = []
    var settled: [Int] = []
    var support: [Support]
    var z: [T]
    var rho: T
  }

  /// Returns false when a root of the secular equation does not converge.
  func run() -> Bool {
    let deflation = deflate()
    let k = deflation.kept.count
    if k > 0 {
      let lanes = T.Lanes.count
      let width = (k + lanes - 1) / lanes * lanes
      let isSolved = withPooledScratch(T.self, 4 * width) { memory in
        let (poles, squares, vector, roots) = (memory, memory + width, memory + 2 * width, memory + 3 * width)
        for j in 0..<width {
          poles[j] = j < k ? d[deflation.kept[j]] : .infinity
          let z = j < k ? deflation.z[deflation.kept[j]] : 0
          squares[j] = z * z
        }
        let equation = SecularEquation(poles: poles, weights: squares, count: k, rho: deflation.rho)
        guard solve(equation, roots: roots, width: width) else { return false }
        recompute(vector, equation, width: width)
        for j in 0..<k where deflation.z[deflation.kept[j]] < 0 { vector[j] = -vector[j] }
        combine(deflation, vector, width: width)
        let settled = deflation.settled.map { d[$0] }
        d.update(from: roots, count: k)
        for (j, value) in settled.enumerated() { d[k + j] = value }
        return true
      }
      guard isSolved else { return false }
    }
    TridiagonalEigen.sort(d, count: n1 + n2, into: order)
    return true
  }

  /// Finds the rows whose coupling is negligible, turning pairs with nearly equal eigenvalues so that one of them is.
  @inline(never)
  private func deflate() -> Deflation {
    let n = n1 + n2
    var z = [T](repeating: 0, count: n)
    let half = T(0.5).squareRoot()
    for i in 0..<n1 { z[i] = rows[i * rowStride + n1 - 1] * half }
    for i in n1..<n { z[i] = rows[i * rowStride + n1] * (coupling < 0 ? -half : half) }
    let rho = 2 * abs(coupling)
    var result = Deflation(
      support: (0..<n).map { $0 < n1 ? .first : .second }, z: z, rho: rho)
    var largest = rho
    for i in 0..<n { largest = max(largest, abs(d[i])) }
    let tolerance = 4 * T.ulpOfOne * largest

    var pending: Int?
    var (i, j) = (0, 0)
    while i < n1 || j < n2 {
      let next: Int
      if j == n2 || i < n1 && d[order[i]] <= d[n1 + order[n1 + j]] {
        next = order[i]
        i += 1
      } else {
        next = n1 + order[n1 + j]
        j += 1
      }
      if rho * abs(result.z[next]) <= tolerance {
        result.settled.append(next)
        continue
      }
      guard let previous = pending else {
        pending = next
        continue
      }
      let norm = (result.z[previous] * result.z[previous] + result.z[next] * result.z[next]).squareRoot()
      let (c, s) = (result.z[next] / norm, -result.z[previous] / norm)
      if abs((d[next] - d[previous]) * c * s) <= tolerance {
        result.z[next] = norm
        result.z[previous] = 0
        if result.support[previous] != result.support[next] { result.support[next] = .both }
        VectorLoops.rotate(rows + previous * rowStride, rows + next * rowStride, cosine: c, sine: s, n)
        let (low, high) = (d[previous], d[next])
        d[previous] = low * c * c + high * s * s
        d[next] = low * s * s + high * c * c
        result.settled.append(previous)
      } else {
        result.kept.append(previous)
      }
      pending = next
    }
    if let pending { result.kept.append(pending) }
    return result
  }

  /// Row i of `weights` becomes dⱼ − λᵢ.
  @inline(never)
  private func solve(_ equation: SecularEquation<T>, roots: UnsafeMutablePointer<T>, width: Int) -> Bool {
    let k = equation.count
    let rootsPerTask = max(1, min(16, 16_384 / k))
    let tasks = (k + rootsPerTask - 1) / rootsPerTask
    return withPooledScratch(Bool.self, tasks) { converged in
      ThreadTeam.run(tasks) { task in
        converged[task] = true
        for i in task * rootsPerTask..<min(k, (task + 1) * rootsPerTask) {
          guard let root = equation.root(i, distances: weights + i * width) else {
            converged[task] = false
            return
          }
          roots[i] = root
        }
      }
      return (0..<tasks).allSatisfy { converged[$0] }
    }
  }

  /// |zⱼ| of the matrix whose eigenvalues the computed roots are exactly:
  /// zⱼ² ∝ (λⱼ − dⱼ) Πᵢ≠ⱼ (λᵢ − dⱼ) / (dᵢ − dⱼ).
  @inline(never)
  private func recompute(_ vector: UnsafeMutablePointer<T>, _ equation: SecularEquation<T>, width: Int) {
    let k = equation.count
    let lanes = T.Lanes.count
    let poles = equation.poles
    let vectorsPerTask = 4
    ThreadTeam.run((width / lanes + vectorsPerTask - 1) / vectorsPerTask) { task in
      for j in stride(
        from: task * vectorsPerTask * lanes, to: min(width, (task + 1) * vectorsPerTask * lanes), by: lanes)
      {
        let here = T.Lanes(poles + j)
        var product = T.Lanes(repeating: -1)
        func multiply(_ i: Int) {
          product = product * (T.Lanes(weights + i * width + j) / (here - T.Lanes(repeating: poles[i])))
        }
        for i in 0..<j { multiply(i) }
        for i in stride(from: j + lanes, to: k, by: 1) { multiply(i) }
        product.store(vector + j)
        for i in j..<min(k, j + lanes) {
          for column in j..<min(k, j + lanes) {
            let distance = weights[i * width + column]
            vector[column] *= i == column ? distance : distance / (poles[column] - poles[i])
          }
        }
        for column in j..<min(k, j + lanes) { vector[column] = abs(vector[column]).squareRoot() }
      }
    }
  }

  /// Forms the new eigenvectors: the rows that were kept, mixed by the eigenvectors of the rank-one problem.
  @inline(never)
  private func combine(_ deflation: Deflation, _ vector: UnsafePointer<T>, width: Int) {
    let n = n1 + n2
    let (kept, support) = (deflation.kept, deflation.support)
    let k = kept.count
    // By support, so that the zero blocks take no part in the two products.
    let first = kept.indices.filter { support[kept[$0]] == .first }
    let both = kept.indices.filter { support[kept[$0]] == .both }
    let second = kept.indices.filter { support[kept[$0]] == .second }
    let arrangement = first + both + second
    let upper = first.count + both.count
    let lower = both.count + second.count

    let rowsPerTask = max(1, min(64, 16_384 / k))
    ThreadTeam.run((k + rowsPerTask - 1) / rowsPerTask) { task in
      withPooledScratch(T.self, k) { row in
        for i in task * rowsPerTask..<min(k, (task + 1) * rowsPerTask) {
          let distances = weights + i * width
          let lanes = T.Lanes.count
          var j = 0
          while j + lanes <= k {
            (T.Lanes(vector + j) / T.Lanes(distances + j)).store(row + j)
            j += lanes
          }
          while j < k {
            row[j] = vector[j] / distances[j]
            j += 1
          }
          let factor = 1 / VectorLoops.dot(row, row, k).squareRoot()
          for p in 0..<k { distances[p] = row[arrangement[p]] * factor }
        }
      }
    }

    let (top, bottom) = (gathered, gathered + upper * n1)
    let settled = bottom + lower * n2
    ThreadTeam.run((n + 31) / 32) { task in
      for p in 32 * task..<min(n, 32 * task + 32) {
        if p >= k {
          (settled + (p - k) * n).update(from: rows + deflation.settled[p - k] * rowStride, count: n)
          continue
        }
        let row = rows + kept[arrangement[p]] * rowStride
        if p < upper { (top + p * n1).update(from: row, count: n1) }
        if p >= first.count { (bottom + (p - first.count) * n2).update(from: row + n1, count: n2) }
      }
    }
    mix(k, column: 0, top, count: upper, columns: n1, into: rows, width: width)
    mix(k, column: first.count, bottom, count: lower, columns: n2, into: rows + n1, width: width)
    ThreadTeam.run((n - k + 31) / 32) { task in
      for p in 32 * task..<min(n - k, 32 * task + 32) {
        (rows + (k + p) * rowStride).update(from: settled + p * n, count: n)
      }
    }
  }

  private func mix(
    _ k: Int, column: Int, _ source: UnsafePointer<T>, count: Int, columns: Int, into target: UnsafeMutablePointer<T>,
    width: Int
  ) {
    MatrixProduct.multiply(
      MatrixView(base: weights + column, rows: k, columns: count, rowStride: width, columnStride: 1),
      MatrixView(base: source, rows: count, columns: columns, rowStride: columns, columnStride: 1),
      into: target, rowStride: rowStride)
  }
}
