import AutoDiff
import Testing

/// Expects two trees to agree, relative to the largest entry of each leaf.
package func expectClose<T: TensorTree>(
  _ actual: T, _ expected: T, tolerance: Double = 1e-12, sourceLocation: SourceLocation = #_sourceLocation
) {
  do throws(Mismatch) {
    try requireClose(actual, expected, tolerance: tolerance)
  } catch {
    Issue.record("\(error)", sourceLocation: sourceLocation)
  }
}

/// Expects two tensors to agree: in shape first, then entry by entry, relative to the larger maximum norm.
///
/// - Parameters:
///   - floor: the least scale, for results that vanish by cancellation.
///   - seed: what the inputs were drawn from; a failure prints it.
///   - context: what was compared.
/// - Returns: whether they agree.
@discardableResult
package func expectClose(
  _ a: Tensor, _ b: Tensor, _ tolerance: Tolerance, atLeast floor: Double = 0, seed: UInt64? = nil,
  _ context: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  let origin = (seed.map { ", seed \($0)" } ?? "") + (context().isEmpty ? "" : ", \(context())")
  guard a.shape == b.shape else {
    Issue.record("shapes differ: \(a.shape) and \(b.shape)\(origin)", sourceLocation: sourceLocation)
    return false
  }
  let coarser: ScalarType = a.scalarType == .float32 || b.scalarType == .float32 ? .float32 : .float64
  let (x, y) = (a.scalars, b.scalars)
  let scale = (x + y).filter(\.isFinite).map(\.magnitude).reduce(floor, max)
  var worst = (distance: 0.0, place: -1)
  for place in x.indices where !areSame(x[place], y[place]) {
    let distance = (x[place] - y[place]).magnitude
    if !(distance <= worst.distance) { worst = (distance.isNaN ? .infinity : distance, place) }
  }
  guard worst.distance > tolerance.limit(for: coarser) * scale else { return true }
  let index = worst.place < 0 ? [] : multiIndex(worst.place, in: a.shape)
  Issue.record(
    """
    \(x[worst.place]) and \(y[worst.place]) at \(index) of shape \(a.shape): relative difference \
    \(worst.distance / scale) exceeds the \(tolerance.name) tolerance \(tolerance.limit(for: coarser))\(origin)
    """, sourceLocation: sourceLocation)
  return false
}

/// Expects two lists of tensors to agree; see ``expectClose(_:_:_:atLeast:seed:_:sourceLocation:)-(Tensor,_,_,_,_,_,_)``.
@discardableResult
package func expectClose(
  _ a: [Tensor], _ b: [Tensor], _ tolerance: Tolerance, atLeast floor: Double = 0, seed: UInt64? = nil,
  _ context: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  guard a.count == b.count else {
    Issue.record("\(a.count) and \(b.count) tensors, \(context())", sourceLocation: sourceLocation)
    return false
  }
  return a.indices.allSatisfy {
    expectClose(
      a[$0], b[$0], tolerance, atLeast: floor, seed: seed, "\(context()), tensor \($0)", sourceLocation: sourceLocation)
  }
}

/// Expects two numbers to agree, relative to the larger.
@discardableResult
package func expectClose(
  _ a: Double, _ b: Double, _ tolerance: Tolerance, atLeast floor: Double = 0, seed: UInt64? = nil,
  _ context: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  expectClose(
    Tensor(a), Tensor(b), tolerance, atLeast: floor, seed: seed, context(), sourceLocation: sourceLocation)
}

/// Expects every entry to agree by itself to a few units in the last place: what is promised in tails and near zeros.
@discardableResult
package func expectEntrywise(
  _ a: Tensor, _ b: Tensor, _ context: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  guard a.shape == b.shape else { return expectClose(a, b, .exact, context(), sourceLocation: sourceLocation) }
  let coarser: ScalarType = a.scalarType == .float32 || b.scalarType == .float32 ? .float32 : .float64
  let (x, y) = (a.scalars, b.scalars)
  for place in x.indices where !areSame(x[place], y[place]) {
    let limit = 32 * coarser.epsilon * max(x[place].magnitude, y[place].magnitude)
    guard (x[place] - y[place]).magnitude <= limit else {
      Issue.record(
        "\(x[place]) and \(y[place]) at \(multiIndex(place, in: a.shape)), \(context())", sourceLocation: sourceLocation
      )
      return false
    }
  }
  return true
}

/// Whether two numbers are equal, equally infinite, or both not a number.
private func areSame(_ x: Double, _ y: Double) -> Bool { x == y || x.isNaN && y.isNaN }

/// The index of the entry at a place in row-major order.
package func multiIndex(_ place: Int, in shape: [Int]) -> [Int] {
  var rest = place
  var index = shape
  for axis in shape.indices.reversed() {
    index[axis] = rest % shape[axis]
    rest /= shape[axis]
  }
  return index
}
