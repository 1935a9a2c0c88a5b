import AutoDiff

/// Vectors by length and direction, for the angles between them.
struct Directions {
  /// ‖x‖: [count].
  let norms: Tensor
  /// x/‖x‖, and 0 for x = 0: [count, d].
  private let units: Tensor

  var isTraced: Bool { units.isTraced }

  init(_ vectors: Tensor) {
    norms = vectors.norm(axes: [1])
    units = vectors / nonzero(norms).expanded(at: 1)
  }

  /// 1 − c and 1 + c for the correlations c = xᵀz/(‖x‖‖z‖) of some vectors with others, [rows, columns].
  ///
  /// Both are half the square of a difference or sum of unit vectors; computed so, √(1 − c) is accurate however small it is.
  /// From a matrix product they come faster, which is enough where c is not close to ±1.
  func correlations(_ rows: Range<Int>, _ columns: Range<Int>) -> (minus: Tensor, plus: Tensor) {
    let (x, z) = (units[rows, ...], units[columns, ...])
    if isTraced {
      let (a, b) = (x.expanded(at: 1), z)
      return (square(a - b).sum(axes: [2]) * 0.5, square(a + b).sum(axes: [2]) * 0.5)
    }
    let cosines = matmul(x, z.transposed)
    let entries = cosines.scalars
    return (
      corrected(1 - cosines, entries.indices.filter { 1 - entries[$0] < Self.close }, x, z, sign: -1),
      corrected(1 + cosines, entries.indices.filter { 1 + entries[$0] < Self.close }, x, z, sign: 1)
    )
  }

  /// Above it a difference of two numbers of size 1 keeps all but six of its bits.
  private static let close = 1.0 / 64

  /// `values` with ½‖x + sign · z‖² in some places.
  private func corrected(_ values: Tensor, _ places: [Int], _ x: Tensor, _ z: Tensor, sign: Double) -> Tensor {
    guard !places.isEmpty else { return values }
    let (width, dimension) = (z.shape[0], x.shape[1])
    var entries = values.scalars
    // So many at a time that the vectors take a few megabytes.
    let count = max(1, (1 << 18) / max(1, dimension))
    for start in stride(from: 0, to: places.count, by: count) {
      let part = places[start..<min(start + count, places.count)]
      let difference = x.gathered(at: part.map { $0 / width }) + z.gathered(at: part.map { $0 % width }) * sign
      for (place, value) in zip(part, square(difference).sum(axes: [1]).scalars) { entries[place] = value / 2 }
    }
    return Tensor(entries, shape: values.shape)
  }
}
