/// eˣ / Σ eˣ along the last axis.
///
/// Entries of +∞ share 1 among themselves; a row of nothing but −∞ is uniform, as the limit along equal entries.
struct Softmax: Primitive {
  var name: String { "softmax" }

  func shape(of inputs: Inputs) -> [Int] { rowShape(name, inputs[0].shape) }
  func evaluate(_ inputs: Inputs) -> Tensor {
    evaluateRows(inputs[0], shape(of: inputs), { RowFunctions.softmax($0, rows: $1, columns: $2, into: $3) }) {
      RowFunctions.softmax($0, rows: $1, columns: $2, into: $3)
    }
  }
  /// The Jacobian diag(y) − y yᵀ is symmetric: one rule for both modes.
  private func product(_ v: Tensor, _ x: Tensor, _ y: Tensor) -> Tensor {
    chainProduct(dispatch(SoftmaxDeviation(), .two(x, v)), y)
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { product($0, inputs[0], output) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    product(cotangent, inputs[0], output)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { inputs[0].softmax }
}

/// v − ⟨y, v⟩ along the last axis for y = softmax x: the derivative of log softmax at x times a vector v. Transposed,
/// v − y Σ v.
///
/// Where one entry of y is close to 1, all of it that matters is its distance from 1, which is the sum of the others: no
/// difference of y and 1 is formed.
struct SoftmaxDeviation: Primitive {
  var isTransposed = false
  var name: String { "softmaxDeviation" }
  var residuals: Residuals { .inputs }

  func shape(of inputs: Inputs) -> [Int] {
    guard inputs[0].shape == inputs[1].shape else {
      stop("shapes must agree", got: "\(inputs[0].shape) and \(inputs[1].shape)")
    }
    return rowShape(name, inputs[0].shape)
  }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let (x, shape) = (inputs[0], shape(of: inputs))
    let columns = shape.last!
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        x.withEntries(T.self) { x in
          inputs[1].withEntries(T.self) { v in
            let rows = shape.dropLast().reduce(1, *)
            if isTransposed {
              RowFunctions.softmaxDeviationTransposed(x, v, rows: rows, columns: columns, into: y)
            } else {
              RowFunctions.softmaxDeviation(x, v, rows: rows, columns: columns, into: y)
            }
          }
        }
      }
    }
    return perType(x.scalarType, double: run(Double.self), float: run(Float.self))
  }

  private func deviation(_ x: Tensor, _ v: Tensor) -> Tensor { dispatch(SoftmaxDeviation(), .two(x, v)) }

  /// The derivative of ⟨y, v⟩ in x along u is ⟨y, a b⟩ with the deviations a and b of v and u; that of y is y b.
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    let (x, v) = (inputs[0], inputs[1])
    var sum = tangents[1].map { dispatch(self, .two(x, $0)) }
    guard let u = tangents[0] else { return sum }
    let y = dispatch(Softmax(), .one(x))
    let b = deviation(x, u)
    let part =
      isTransposed
      ? bilinearProduct(chainProduct(b, y), -v.sum(axes: [-1], keepingAxes: true))
      : -chainProduct(bilinearProduct(deviation(x, v), b), y).sum(axes: [-1], keepingAxes: true)
        .broadcast(to: x.shape)
    accumulate(&sum, part)
    return sum
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let (x, v) = (inputs[0], inputs[1])
    if argument == 1 { return dispatch(SoftmaxDeviation(isTransposed: !isTransposed), .two(x, cotangent)) }
    // Transposing exchanges the vector and the cotangent.
    let (moved, summed) = isTransposed ? (cotangent, v) : (v, cotangent)
    let y = dispatch(Softmax(), .one(x))
    return bilinearProduct(
      chainProduct(deviation(x, moved), y), -summed.sum(axes: [-1], keepingAxes: true))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(self, inputs.aligned(isBatched, size: size))
  }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (x, v) = (inputs[0], inputs[1])
    let (y, last) = (x.softmax, [v.shape.count - 1])
    func rowSums(_ z: Enclosure) -> Enclosure {
      z.image(terms: v.shape.last!) { $0.sum(axes: last, keepingAxes: true) }.rearranged { $0.broadcast(to: v.shape) }
    }
    func value(_ y: Enclosure, _ v: Enclosure) -> Enclosure {
      v + -(isTransposed ? y * rowSums(v) : rowSums(y * v))
    }
    let range = value(y.range, v.range)
    // In the vector it is 1 − 1 yᵀ or its transpose, a projection of norm √N ‖y‖.
    let along = v.slopes.mapValues { $0.deviation(by: y.range.upper, isTransposed: isTransposed) }
    let across: [Int: SlopeBounds]
    if isTransposed {
      across = y.slopes.mapValues { $0.times(rowSums(v.range).magnitude) }
    } else {
      // ⟨y, v⟩ has the derivative yᵢ (vᵢ − ⟨y, v⟩) in xᵢ.
      let weights = y.range.upper * range.magnitude
      across = x.slopes.mapValues { $0.rowCombination(weights).repeatedAlongRows(v.shape) }
    }
    return ValueBounds(
      initial: value(y.initial, v.initial), range: range, slopes: ValueBounds.joined([along, across]))
  }
}

/// x − log Σ eˣ along the last axis.
struct LogSoftmax: Primitive {
  var name: String { "logSoftmax" }
  var residuals: Residuals { .inputs }

  func shape(of inputs: Inputs) -> [Int] { rowShape(name, inputs[0].shape) }
  func evaluate(_ inputs: Inputs) -> Tensor {
    evaluateRows(inputs[0], shape(of: inputs), { RowFunctions.logSoftmax($0, rows: $1, columns: $2, into: $3) }) {
      RowFunctions.logSoftmax($0, rows: $1, columns: $2, into: $3)
    }
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { dispatch(SoftmaxDeviation(), .two(inputs[0], $0)) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    dispatch(SoftmaxDeviation(isTransposed: true), .two(inputs[0], cotangent))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let y = x.softmax.range.upper
    return ValueBounds(
      initial: x.initial.logSoftmax, range: x.range.logSoftmax,
      slopes: x.slopes.mapValues { $0.deviation(by: y, isTransposed: false) })
  }
}

/// log Σ eˣ along the last axis, which disappears.
struct LogSumExp: Primitive {
  var name: String { "logsumexp" }
  var residuals: Residuals { .inputs }

  func shape(of inputs: Inputs) -> [Int] { rowShape(name, inputs[0].shape).dropLast() }
  func evaluate(_ inputs: Inputs) -> Tensor {
    evaluateRows(inputs[0], shape(of: inputs), { RowFunctions.logSumExp($0, rows: $1, columns: $2, into: $3) }) {
      RowFunctions.logSumExp($0, rows: $1, columns: $2, into: $3)
    }
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { chainProduct($0, dispatch(Softmax(), inputs)).sum(axes: [-1]) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    chainProduct(cotangent.expanded(at: -1), dispatch(Softmax(), inputs))
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let x = inputs[0]
    let y = x.softmax.range.upper
    func value(_ x: Enclosure) -> Enclosure {
      let plain = x.rearranged { dispatch(self, .one($0)) }
      return plain.widened(by: (plain.magnitude + 1) * Rounding.unit * Double(x.shape.last! + 16))
    }
    return ValueBounds(
      initial: value(x.initial), range: value(x.range), slopes: x.slopes.mapValues { $0.rowCombination(y) })
  }
}

private func rowShape(_ name: String, _ shape: [Int]) -> [Int] {
  guard !shape.isEmpty else { stop(name, "needs at least one axis", got: "[]") }
  return shape
}

extension Primitive {
  fileprivate func evaluateRows(
    _ x: Tensor, _ shape: [Int],
    _ double: (UnsafePointer<Double>, Int, Int, UnsafeMutablePointer<Double>) -> Void,
    _ float: (UnsafePointer<Float>, Int, Int, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    let (rows, columns) = (Array(x.shape.dropLast()).product, x.shape.last!)
    return perType(
      x.scalarType,
      double: make(shape, Double.self) { y in x.withEntries(Double.self) { double($0, rows, columns, y) } },
      float: make(shape, Float.self) { y in x.withEntries(Float.self) { float($0, rows, columns, y) } })
  }
}

/// eˣ / Σ eˣ along an axis, without overflow. In derivatives nothing cancels where one entry is close to 1.
///
/// Entries of +∞ share 1 among themselves; where all entries are −∞ the result is uniform.
public func softmax(_ x: Tensor, axis: Int = -1) -> Tensor {
  alongLastAxis(x, axis, "softmax") { bind(Softmax(), .one($0)) }
}

/// log softmax(x) along an axis, without overflow and exact where softmax underflows.
public func logSoftmax(_ x: Tensor, axis: Int = -1) -> Tensor {
  alongLastAxis(x, axis, "logSoftmax") { bind(LogSoftmax(), .one($0)) }
}

private func alongLastAxis(_ x: Tensor, _ axis: Int, _ name: String, _ body: (Tensor) -> Tensor) -> Tensor {
  let axis = normalizedAxis(axis, rank: x.rank, name)
  return axis == x.rank - 1 ? body(x) : body(x.movingAxis(axis, to: -1)).movingAxis(-1, to: axis)
}

/// log Σ eˣ over the given axes (all of them by default), without overflow. Of no entries, or of −∞ only, it is −∞.
public func logsumexp(_ x: Tensor, axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
  let axes = normalizedAxes(axes, rank: x.rank, "logsumexp")
  let kept = (0..<x.rank).filter { !axes.contains($0) }
  let rows = x.permuted(kept + axes).reshaped(to: x.shape.picking(kept) + [x.shape.picking(axes).product])
  let result = bind(LogSumExp(), .one(rows))
  return keepingAxes ? result.restoring(axes) : result
}
