extension ValueBounds {
  /// The bounds of a sum of values, each times a number.
  static func combination(_ a: ValueBounds, _ b: ValueBounds, factor: Double = 1) -> ValueBounds {
    func sum(_ x: Enclosure, _ y: Enclosure) -> Enclosure { x + (factor == 1 ? y : factor == -1 ? -y : y * factor) }
    let size = Tensor(abs(factor)).broadcast(to: b.shape)
    return ValueBounds(
      initial: sum(a.initial, b.initial), range: sum(a.range, b.range),
      slopes: joined([a.slopes, factor.magnitude == 1 ? b.slopes : b.slopes.mapValues { $0.times(size) }]))
  }

  /// The bounds of the product, entry by entry: D(ab) = diag(b) Da + diag(a) Db.
  static func product(_ a: ValueBounds, _ b: ValueBounds) -> ValueBounds {
    let (sizeA, sizeB) = (a.range.magnitude, b.range.magnitude)
    return ValueBounds(
      initial: a.initial * b.initial, range: a.range * b.range,
      slopes: joined([a.slopes.mapValues { $0.times(sizeB) }, b.slopes.mapValues { $0.times(sizeA) }]))
  }

  /// The bounds of the value times a number.
  func times(_ factor: Double) -> ValueBounds {
    let size = Tensor(abs(factor)).broadcast(to: shape)
    return ValueBounds(
      initial: initial * factor, range: range * factor, slopes: slopes.mapValues { $0.times(size) })
  }

  var negated: ValueBounds { ValueBounds(initial: -initial, range: -range, slopes: slopes) }

  /// Bounds of the sums of derivatives, leaf by leaf.
  static func joined(_ parts: [[Int: SlopeBounds]]) -> [Int: SlopeBounds] {
    var all: [Int: [SlopeBounds]] = [:]
    for part in parts { for (leaf, slopes) in part { all[leaf, default: []].append(slopes) } }
    return all.mapValues(SlopeBounds.sum)
  }

  /// The bounds after a rearrangement of entries that uses none of them twice; new entries are 0.
  func rearranged(_ f: (Tensor) -> Tensor) -> ValueBounds {
    ValueBounds(
      initial: initial.rearranged(f), range: range.rearranged(f), slopes: slopes.mapValues { $0.rearranged(f) })
  }

  /// The bounds after a linear map with coefficients of at least 0.
  ///
  /// For B = A diag(scale) the norm is bounded by Schur's test, ‖B‖₂² ≤ largest row sum · largest column sum.
  ///
  /// - Parameters:
  ///   - terms: how many terms an output has at most.
  ///   - columnSums: the sums of the columns of A, of this value's shape.
  ///   - map: A.
  func mapped(terms: Int, columnSums: Tensor, by map: (Tensor) -> Tensor) -> ValueBounds {
    let up = Rounding.up(terms: terms + columnSums.count)
    return ValueBounds(
      initial: initial.image(terms: terms, map), range: range.image(terms: terms, map),
      slopes: slopes.mapValues { slope in
        let rowSums = map(slope.scale)
        guard rowSums.count > 0, columnSums.count > 0 else { return SlopeBounds(scale: rowSums, rows: rowSums) }
        let (mostOfRows, mostOfColumns) = (rowSums.max().scalar, (slope.scale * columnSums).max().scalar)
        let norm = mostOfRows.squareRoot() * mostOfColumns.squareRoot() * up
        return SlopeBounds(scale: Tensor(norm).broadcast(to: rowSums.shape), rows: map(slope.rows) * up)
      })
  }

  /// The bounds of a bilinear map with coefficients of 0 and 1, in each output at most one for a pair of entries.
  ///
  /// Dy = B(Da, b) + B(a, Db). For one of the two, the map from the moving factor to the output, with the other factor
  /// fixed, has the norm that `norm` bounds; the row of an output is bounded by B(rows, |b|) and by the root of
  /// B(scale², b²), because it is a combination of rows of diag(scale) Q.
  ///
  /// - Parameters:
  ///   - terms: how many terms an output has at most.
  ///   - multiply: B.
  ///   - norm: a bound of the norm of the map of one argument (0 or 1) while the other is anywhere in its range.
  static func bilinear(
    _ a: ValueBounds, _ b: ValueBounds, terms: Int, norm: (_ argument: Int, _ other: ValueBounds) -> Double,
    _ multiply: (Tensor, Tensor) -> Tensor
  ) -> ValueBounds {
    let up = Rounding.up(terms: terms)
    func part(_ slopes: [Int: SlopeBounds], _ argument: Int, _ other: ValueBounds) -> [Int: SlopeBounds] {
      guard !slopes.isEmpty else { return [:] }
      let (size, factor) = (other.range.magnitude, norm(argument, other))
      func ordered(_ mine: Tensor, _ other: Tensor) -> Tensor {
        argument == 0 ? multiply(mine, other) : multiply(other, mine)
      }
      return slopes.mapValues { slope in
        let rows = minimum(ordered(slope.rows, size), rootOfSquares(slope.scale, size, ordered))
        let scale = Tensor(factor * slope.norm * Rounding.up).broadcast(to: rows.shape)
        return SlopeBounds(scale: scale, rows: rows * up)
      }
    }
    return ValueBounds(
      initial: .product(a.initial, b.initial, terms: terms, multiply),
      range: .product(a.range, b.range, terms: terms, multiply),
      slopes: joined([part(a.slopes, 0, b), part(b.slopes, 1, a)]))
  }
}

/// √B(x², y²) for numbers of at least 0, rounded up where squares are too small to be represented.
private func rootOfSquares(_ x: Tensor, _ y: Tensor, _ multiply: (Tensor, Tensor) -> Tensor) -> Tensor {
  let sizes = [x, y].map { $0.count == 0 ? 1 : $0.max().scalar }
  guard sizes.allSatisfy({ $0 > 0 }) else { return multiply(x, y) }
  // Relative to the largest, where nothing that is lost is larger than the least normal number.
  let squares = multiply(square(x / sizes[0]), square(y / sizes[1])) + Double.leastNormalMagnitude
  return sqrt(squares) * sizes[0] * sizes[1]
}
