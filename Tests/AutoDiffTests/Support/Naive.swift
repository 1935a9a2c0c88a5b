import AutoDiff

/// An array of numbers as a newcomer would write it: the obvious twin of `Tensor`, with which every primitive is compared.
struct Naive: Sendable {
  var shape: [Int]
  /// Row-major.
  var entries: [Double]

  init(_ tensor: Tensor) { (shape, entries) = (tensor.shape, tensor.scalars) }

  /// Computes every entry from its index.
  init(_ shape: [Int], _ value: ([Int]) -> Double) {
    self.shape = shape
    entries = Self.indices(of: shape).map(value)
  }

  /// All indices of a shape in row-major order.
  static func indices(of shape: [Int]) -> [[Int]] {
    var result: [[Int]] = [[]]
    for extent in shape {
      result = result.flatMap { index in (0..<extent).map { index + [$0] } }
    }
    return result
  }

  private func place(_ index: [Int]) -> Int {
    zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }

  subscript(index: [Int]) -> Double {
    get { entries[place(index)] }
    set { entries[place(index)] = newValue }
  }

  var tensor: Tensor { Tensor(entries, shape: shape) }

  func map(_ value: (Double) -> Double) -> Naive {
    var result = self
    result.entries = entries.map(value)
    return result
  }

  /// Combines the entries over some axes into one.
  func reduced(_ axes: [Int], _ combine: ([Double]) -> Double) -> Naive {
    let kept = shape.indices.filter { !axes.contains($0) }
    return Naive(kept.map { shape[$0] }) { outer in
      combine(
        Self.indices(of: axes.map { shape[$0] }).map { inner in
          var index = shape
          for (axis, value) in zip(kept, outer) { index[axis] = value }
          for (axis, value) in zip(axes, inner) { index[axis] = value }
          return self[index]
        })
    }
  }

  /// Replaces every row along the last axis.
  func mappingRows(_ row: ([Double]) -> [Double]) -> Naive {
    var result = self
    let columns = shape.last ?? 1
    guard columns > 0 else { return self }
    for start in stride(from: 0, to: entries.count, by: columns) {
      result.entries.replaceSubrange(start..<start + columns, with: row(Array(entries[start..<start + columns])))
    }
    return result
  }
}

/// Computes what a primitive should give.
typealias Oracle = @Sendable ([Naive]) -> Naive

/// The oracles of whole families.
enum Oracles {
  static func unary(_ value: @escaping @Sendable (Double) -> Double) -> Oracle { { $0[0].map(value) } }

  static func binary(_ value: @escaping @Sendable (Double, Double) -> Double) -> Oracle {
    { inputs in Naive(inputs[0].shape) { value(inputs[0][$0], inputs[1][$0]) } }
  }

  static func reduction(_ axes: [Int], _ combine: @escaping @Sendable ([Double]) -> Double) -> Oracle {
    { $0[0].reduced(axes, combine) }
  }

  static func rows(_ row: @escaping @Sendable ([Double]) -> [Double]) -> Oracle { { $0[0].mappingRows(row) } }

  static func reshape(_ target: [Int]) -> Oracle {
    { inputs in
      var result = inputs[0]
      result.shape = target
      return result
    }
  }

  static func permute(_ axes: [Int]) -> Oracle {
    { inputs in
      Naive(axes.map { inputs[0].shape[$0] }) { index in
        var source = index
        for (place, axis) in axes.enumerated() { source[axis] = index[place] }
        return inputs[0][source]
      }
    }
  }

  static func broadcast(_ target: [Int]) -> Oracle {
    { inputs in
      let source = inputs[0].shape
      return Naive(target) { index in
        inputs[0][zip(index.suffix(source.count), source).map { $1 == 1 ? 0 : $0 }]
      }
    }
  }

  static func slice(_ starts: [Int], _ counts: [Int], _ steps: [Int]) -> Oracle {
    { inputs in Naive(counts) { index in inputs[0][index.indices.map { starts[$0] + index[$0] * steps[$0] }] } }
  }

  static func place(_ target: [Int], _ starts: [Int], _ steps: [Int]) -> Oracle {
    { inputs in
      var result = Naive(target) { _ in 0 }
      for index in Naive.indices(of: inputs[0].shape) {
        result[index.indices.map { starts[$0] + index[$0] * steps[$0] }] = inputs[0][index]
      }
      return result
    }
  }

  static func replaceSlice(_ starts: [Int], _ steps: [Int]) -> Oracle {
    { inputs in
      var result = inputs[1]
      for index in Naive.indices(of: inputs[0].shape) {
        result[index.indices.map { starts[$0] + index[$0] * steps[$0] }] = inputs[0][index]
      }
      return result
    }
  }

  static func concatenate(_ axis: Int) -> Oracle {
    { inputs in
      var shape = inputs[0].shape
      shape[axis] = inputs.map { $0.shape[axis] }.reduce(0, +)
      return Naive(shape) { index in
        var index = index
        var piece = 0
        while index[axis] >= inputs[piece].shape[axis] {
          index[axis] -= inputs[piece].shape[axis]
          piece += 1
        }
        return inputs[piece][index]
      }
    }
  }

  /// The first `batchRank` axes of table and indices run in parallel.
  static func gather(_ axis: Int, _ batchRank: Int) -> Oracle {
    { inputs in
      let (table, indices) = (inputs[0], inputs[1])
      let picked = indices.shape.count - batchRank
      let shape = Array(table.shape[..<axis] + indices.shape[batchRank...] + table.shape[(axis + 1)...])
      return Naive(shape) { index in
        let row = Int(indices[Array(index[..<batchRank] + index[axis..<axis + picked])])
        return table[Array(index[..<axis]) + [row] + Array(index[(axis + picked)...])]
      }
    }
  }

  static func scatterAdd(_ axis: Int, _ extent: Int, _ batchRank: Int) -> Oracle {
    { inputs in
      let (x, indices) = (inputs[0], inputs[1])
      let picked = indices.shape.count - batchRank
      var result = Naive(Array(x.shape[..<axis] + [extent] + x.shape[(axis + picked)...])) { _ in 0 }
      for index in Naive.indices(of: x.shape) {
        let row = Int(indices[Array(index[..<batchRank] + index[axis..<axis + picked])])
        result[Array(index[..<axis]) + [row] + Array(index[(axis + picked)...])] += x[index]
      }
      return result
    }
  }

  /// The sum of products, written with one loop over the output and one over the summed axes.
  static func contraction(_ contraction: (leftBatch: [Int], rightBatch: [Int], leftSummed: [Int], rightSummed: [Int]))
    -> Oracle
  {
    { inputs in
      let (a, b) = (inputs[0], inputs[1])
      let (leftBatch, rightBatch, leftSummed, rightSummed) = contraction
      let leftFree = a.shape.indices.filter { !leftBatch.contains($0) && !leftSummed.contains($0) }
      let rightFree = b.shape.indices.filter { !rightBatch.contains($0) && !rightSummed.contains($0) }
      let summedShape = leftSummed.map { a.shape[$0] }
      let shape = leftBatch.map { a.shape[$0] } + leftFree.map { a.shape[$0] } + rightFree.map { b.shape[$0] }
      return Naive(shape) { index in
        let batch = index.prefix(leftBatch.count)
        let free = index.dropFirst(leftBatch.count)
        var (i, j) = (a.shape, b.shape)
        for (axis, value) in zip(leftBatch, batch) { i[axis] = value }
        for (axis, value) in zip(rightBatch, batch) { j[axis] = value }
        for (axis, value) in zip(leftFree, free) { i[axis] = value }
        for (axis, value) in zip(rightFree, free.dropFirst(leftFree.count)) { j[axis] = value }
        var sum = 0.0
        for summed in Naive.indices(of: summedShape) {
          for (axis, value) in zip(leftSummed, summed) { i[axis] = value }
          for (axis, value) in zip(rightSummed, summed) { j[axis] = value }
          sum += a[i] * b[j]
        }
        return sum
      }
    }
  }
}
