import AutoDiff

/// The law of random test vectors v; each has E[v vᵀ] = I.
public enum ProbeLaw: Sendable, CaseIterable {
  /// Independent signs: the least variance that entries independent of each other can have.
  case rademacher
  /// Independent standard normal entries: nothing depends on the choice of coordinates.
  case gaussian

  /// Vectors as columns: [n, count]. Each is drawn by itself, so it does not depend on how many are drawn at once.
  func vectors(_ count: Int, _ n: Int, as scalarType: ScalarType, using generator: inout RandomGenerator) -> Tensor {
    guard count > 0 else { return .zeros([n, 0], as: scalarType) }
    var columns: [Tensor] = []
    for _ in 0..<count {
      switch self {
      case .rademacher: columns.append(.rademacher([n], as: scalarType, using: &generator))
      case .gaussian: columns.append(.normal([n], as: scalarType, using: &generator))
      }
    }
    return stack(columns, axis: 1)
  }
}

/// How an estimate was made.
public enum EstimationMethod: String, Sendable, CaseIterable {
  /// The mean of vᵀ A v, or of v ∘ A v, over random v.
  case hutchinson
  /// A random basis exactly, and the rest by random vectors: Hutch++, and Diag++ for a diagonal.
  case hutchPlusPlus
  /// Every vector serves for the basis of the others and is tested against theirs: XTrace.
  case xTrace
  /// Stochastic Lanczos quadrature.
  case lanczosQuadrature
  /// All unit vectors: no randomness, and no error but rounding.
  case unitVectors
}

/// A number that was estimated from random vectors.
public struct RandomizedEstimate: Sendable, Equatable {
  /// The estimate.
  public let value: Double
  /// One standard deviation of the estimate, as its samples show it; infinite if there is only one. Rounding is not
  /// included.
  public let standardError: Double
  /// What is known of an error that more random vectors do not remove; 0 where there is none.
  public let systematicError: Double
  /// How it was made.
  public let method: EstimationMethod
  /// The samples that the standard error rests on; 0 without randomness.
  public let samples: Int
  /// Products of the operator with single vectors.
  public let products: Int
}

extension RandomizedEstimate: CustomStringConvertible {
  /// The value, its standard error, and how it was made.
  public var description: String { "\(value) ± \(standardError) (\(method.rawValue), \(products) products)" }
}

/// Mean and spread of independent samples that come one after another; entry by entry where these are tensors.
struct SampleMoments {
  private(set) var count = 0
  private(set) var mean: Tensor
  /// The root of the sum of squared distances from the mean. No square is kept: those of samples below 1e-154 are no
  /// numbers, and a standard error of 0 would be the worst that could be said of them.
  private var spread: Tensor

  init(shape: [Int]) { (mean, spread) = (.zeros(shape), .zeros(shape)) }

  /// Of numbers.
  init(_ samples: [Double]) {
    self.init(shape: [])
    add(all: Tensor(samples))
  }

  /// - Source: B. Welford, *Note on a method for calculating corrected sums of squares and products*, Technometrics 4
  ///   (1962).
  mutating func add(_ sample: Tensor) {
    let distance = sample - mean
    let total = Double(count + 1)
    spread = Self.length(of: [spread, distance * (Double(count) / total).squareRoot()])
    mean += distance / total
    count += 1
  }

  /// Adds samples that come together: [count, shape...].
  ///
  /// - Source: T. Chan, G. Golub, R. LeVeque, *Updating formulae and a pairwise algorithm for computing sample variances*
  ///   (1979).
  mutating func add(all samples: Tensor) {
    let added = samples.shape[0]
    guard added > 0 else { return }
    let theirs = samples.mean(axes: [0])
    let distance = theirs - mean
    let (mine, total) = (Double(count), Double(count + added))
    spread = Self.length(
      of: [spread, (samples - theirs).norm(axes: [0]), distance * (mine * Double(added) / total).squareRoot()])
    mean += distance * (Double(added) / total)
    count += added
  }

  /// The standard deviation of the mean; infinite of a single sample.
  var standardError: Tensor {
    count > 1 ? spread / Double(count * (count - 1)).squareRoot() : .filled(.infinity, mean.shape)
  }

  /// √Σ x², entry by entry, of numbers of any size.
  private static func length(of parts: [Tensor]) -> Tensor { stack(parts).norm(axes: [0]) }
}
