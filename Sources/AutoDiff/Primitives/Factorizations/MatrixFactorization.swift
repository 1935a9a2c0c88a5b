/// A primitive that may find that there is no result. A recorded program looks when it runs.
protocol CheckedPrimitive: Primitive {
  /// Throws the reason why an output is none.
  func check(_ output: Tensor, of inputs: Inputs) throws
}

extension Tensor {
  /// Whether it is known only when a program runs, which then checks what follows from it.
  var isCheckedLater: Bool { beneathRecordable().recorded?.recorder.keepsChecks ?? false }
}

/// A primitive that factors every matrix of a stack [..., m, n] and may find that one has no factors.
///
/// A rule of evaluation cannot throw, and a transform that runs it could do nothing with an error. So `evaluate` marks the
/// result of such a matrix with not-a-number throughout, and ``factors(of:)``, through which the public functions call,
/// looks for the mark and throws the reason. It looks at the numbers under all traces, so it throws inside a gradient
/// and also inside vmap, where one bad example is enough.
protocol MatrixFactorization: CheckedPrimitive {
  /// The shape of what belongs to one matrix; stops where it has no such factors.
  func resultShape(rows: Int, columns: Int) -> [Int]

  /// Factors one matrix.
  func factor<T: LoopScalar>(
    _ a: UnsafePointer<T>, rows: Int, columns: Int, into result: UnsafeMutablePointer<T>
  ) throws(LinearAlgebraError)
}

extension MatrixFactorization {
  /// From so many matrices on, threads share the matrices instead of the work in each.
  private var matricesForThreads: Int { 8 }

  func shape(of inputs: Inputs) -> [Int] {
    let shape = inputs[0].shape
    guard shape.count >= 2 else { stop("needs a matrix [m, n] or a stack of them", got: "\(shape)") }
    return shape.dropLast(2) + resultShape(rows: shape[shape.count - 2], columns: shape[shape.count - 1])
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    perType(inputs[0].scalarType, double: evaluate(inputs[0], Double.self), float: evaluate(inputs[0], Float.self))
  }

  private func evaluate<T: LoopScalar>(_ a: Tensor, _: T.Type) -> Tensor {
    let shape = shape(of: .one(a))
    let matrices = Array(a.shape.dropLast(2)).product
    let (rows, columns) = (a.shape[a.rank - 2], a.shape[a.rank - 1])
    let resultCount = resultShape(rows: rows, columns: columns).product
    return make(shape, T.self) { results in
      a.withEntries(T.self) { a in
        func factor(_ k: Int) {
          let result = results + k * resultCount
          do {
            try self.factor(a + k * rows * columns, rows: rows, columns: columns, into: result)
          } catch {
            result.update(repeating: .nan, count: resultCount)
          }
        }
        if matrices >= matricesForThreads {
          ThreadTeam.run(matrices, factor)
        } else {
          for k in 0..<matrices { factor(k) }
        }
      }
    }
  }

  /// Examples are matrices of the stack.
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }

  /// The factors of every matrix. Throws the reason why the first bad one has none.
  func factors(of a: Tensor) throws(LinearAlgebraError) -> Tensor {
    let result = bind(self, .one(a))
    if result.isBounded || result.isCheckedLater { return result }
    // The numbers' own type: a check may compute in a higher precision than it shows.
    try check(result.beneathTraces(for: name), of: a.beneathTraces(for: name))
    return result
  }

  /// Throws the reason why a matrix has no factors, if `factors` are marked.
  func check(_ factors: Tensor, of inputs: Inputs) throws { try check(factors, of: inputs[0]) }

  private func check(_ factors: Tensor, of a: Tensor) throws(LinearAlgebraError) {
    // Not `perType`, which would forget the type of the error.
    switch a.scalarType {
    case .float64: try check(factors, of: a, Double.self)
    case .float32: try check(factors, of: a, Float.self)
    }
  }

  private func check<T: LoopScalar>(_ result: Tensor, of a: Tensor, _: T.Type) throws(LinearAlgebraError) {
    let (rows, columns) = (a.shape[a.rank - 2], a.shape[a.rank - 1])
    let resultCount = resultShape(rows: rows, columns: columns).product
    guard result.count > 0 else { return }
    let bad = result.withEntries(T.self) { entries in
      stride(from: 0, to: result.count, by: resultCount).first { entries[$0].isNaN }
    }
    guard let bad else { return }
    // The matrix is factored once more, for the reason.
    let failure: LinearAlgebraError? = a.withEntries(T.self) { entries in
      withPooledScratch(T.self, resultCount) { scratch in
        do throws(LinearAlgebraError) {
          let matrix = entries + bad / resultCount * rows * columns
          try factor(matrix, rows: rows, columns: columns, into: scratch)
          return nil
        } catch {
          return error
        }
      }
    }
    if let failure { throw failure }
  }

  /// The extent of a matrix that must be square.
  func squareExtent(_ rows: Int, _ columns: Int) -> Int {
    guard rows == columns else { stop("the matrix must be square", got: "[\(rows), \(columns)]") }
    return rows
  }
}

// MARK: - Parts of matrices

/// Which half of a matrix, the diagonal included.
public enum Triangle: Hashable, Sendable {
  /// On and below the diagonal.
  case lower
  /// On and above the diagonal.
  case upper

  /// The other half: that of the transposed matrix.
  public var flipped: Triangle { self == .lower ? .upper : .lower }

  /// 1 in the half, `diagonal` on the diagonal, 0 elsewhere.
  func mask(_ n: Int, diagonal: Double = 1, as scalarType: ScalarType) -> Tensor {
    func make<T: LoopScalar>(_: T.Type) -> Tensor {
      .make([n, n], T.self, for: "triangle") { entries in
        for i in 0..<n {
          let row = entries + i * n
          row.update(repeating: self == .lower ? 1 : 0, count: i)
          row[i] = T(diagonal)
          (row + i + 1).update(repeating: self == .lower ? 0 : 1, count: n - i - 1)
        }
      }
    }
    return perType(scalarType, double: make(Double.self), float: make(Float.self))
  }
}

extension Tensor {
  /// (A + Aᵀ) / 2 for every matrix of a stack.
  var symmetricPart: Tensor { (self + transposed) * 0.5 }

  /// The diagonal of a square matrix, or of every one of a stack. Its sum is the trace.
  ///
  /// The way back, from a vector v to a diagonal matrix: `Tensor.eye(n) * v`.
  ///
  /// - Shapes: [..., n, n] → [..., n]; another shape stops.
  public var diagonal: Tensor {
    guard rank >= 2, shape[rank - 1] == shape[rank - 2] else {
      stop("diagonal", "needs a square matrix [n, n] or a stack of them", got: "\(shape)")
    }
    let n = shape[rank - 1]
    let rows = reshaped(to: shape.dropLast(2) + [n * n])
    let slice = Slice(
      starts: rows.shape.map { _ in 0 }, counts: shape.dropLast(1), steps: shape.dropLast(2).map { _ in 1 } + [n + 1])
    return bind(slice, .one(rows))
  }
}

/// The symmetric part (A + Aᵀ) / 2 of a matrix in memory.
enum SymmetricPart {
  /// Writes its lower half, by all threads. Exact where the matrix is symmetric.
  ///
  /// - Shapes: `a` and `target` n × n, row-major and contiguous; the upper half of `target` is left alone.
  static func writeLowerHalf<T: LoopScalar>(
    of a: UnsafePointer<T>, n: Int, into target: UnsafeMutablePointer<T>
  ) {
    let tile = 32
    ThreadTeam.run((n + tile - 1) / tile) { band in
      let rows = band * tile..<min(n, (band + 1) * tile)
      for first in stride(from: 0, to: rows.upperBound, by: tile) {
        for i in rows {
          for j in first..<max(first, min(first + tile, i + 1)) {
            let (below, above) = (a[i * n + j], a[j * n + i])
            // Halved first, so that nothing overflows; not where they agree, because a half may be rounded.
            target[i * n + j] = below == above ? below : below / 2 + above / 2
          }
        }
      }
    }
  }
}
