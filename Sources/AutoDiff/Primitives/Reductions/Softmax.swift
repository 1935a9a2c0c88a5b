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
  private func product(_ v: Tensor, _ y: Tensor) -> Tensor {
    let weighted = v * y
    return weighted - y * weighted.sum(axes: [-1], keepingAxes: true)
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { product($0, output) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    product(cotangent, output)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
}

/// x − log Σ eˣ along the last axis.
struct LogSoftmax: Primitive {
  var name: String { "logSoftmax" }

  func shape(of inputs: Inputs) -> [Int] { rowShape(name, inputs[0].shape) }
  func evaluate(_ inputs: Inputs) -> Tensor {
    evaluateRows(inputs[0], shape(of: inputs), { RowFunctions.logSoftmax($0, rows: $1, columns: $2, into: $3) }) {
      RowFunctions.logSoftmax($0, rows: $1, columns: $2, into: $3)
    }
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { $0 - (exp(output) * $0).sum(axes: [-1], keepingAxes: true) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    cotangent - exp(output) * cotangent.sum(axes: [-1], keepingAxes: true)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
}

/// log Σ eˣ along the last axis, which disappears.
struct LogSumExp: Primitive {
  var name: String { "logsumexp" }

  func shape(of inputs: Inputs) -> [Int] { rowShape(name, inputs[0].shape).dropLast() }
  func evaluate(_ inputs: Inputs) -> Tensor {
    evaluateRows(inputs[0], shape(of: inputs), { RowFunctions.logSumExp($0, rows: $1, columns: $2, into: $3) }) {
      RowFunctions.logSumExp($0, rows: $1, columns: $2, into: $3)
    }
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    tangents[0].map { ($0 * dispatch(Softmax(), inputs)).sum(axes: [-1]) }
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    dispatch(Softmax(), inputs) * cotangent.expanded(at: -1)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
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

/// eˣ / Σ eˣ along an axis, without overflow.
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
