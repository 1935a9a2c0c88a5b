import AutoDiff

/// `det`: a determinant by expansion by minors, and its gradient.
///
/// A minor of the last m rows is expanded along its first row:
///
///     D(S) = Σᵢ (−1)ⁱ A[ℓ − m, cᵢ] D(S without cᵢ),  S = {c₀ < c₁ < …} a set of m columns
///
/// All minors of m rows are one tensor, which is computed from that of m − 1 rows. A minor that occurs in several
/// expansions is computed once, so that there are ℓ 2^(ℓ−1) products, and not the ℓ! of a recursion.
struct Determinant: GradBenchProblem {
  static let module = "det"

  struct Input: Decodable {
    let entries: [Double]
    let size: Int

    enum CodingKeys: String, CodingKey { case entries = "A", size = "ell" }
  }

  /// How the minors of m rows come from those of m − 1.
  private struct Expansion {
    /// Where in the row and its negative the factors stand, [m, number of sets].
    let factors: Tensor
    /// Where among the minors of one row less the other factors stand, [m, number of sets].
    let minors: Tensor
  }

  let matrix: Tensor
  private let expansions: [Expansion]

  init(_ input: Input) throws {
    let size = input.size
    guard (1...20).contains(size) else { throw GradBenchError("ell must be between 1 and 20, but got \(size)") }
    matrix = try Tensor("A", input.entries, size * size).reshaped(to: [size, size])
    var expansions: [Expansion] = []
    var sets = (0..<size).map { [$0] }
    for m in 2..<max(size + 1, 2) {
      let smaller = Dictionary(uniqueKeysWithValues: sets.enumerated().map { ($1, Double($0)) })
      sets = sets.flatMap { set in (set.last! + 1..<max(size, set.last! + 1)).map { set + [$0] } }
      var (factors, minors): ([Double], [Double]) = ([], [])
      for i in 0..<m {
        for var set in sets {
          let column = set.remove(at: i)
          factors.append(Double(i.isMultiple(of: 2) ? column : column + size))
          minors.append(smaller[set]!)
        }
      }
      let shape = [m, sets.count]
      expansions.append(Expansion(factors: Tensor(factors, shape: shape), minors: Tensor(minors, shape: shape)))
    }
    self.expansions = expansions
  }

  func determinant(_ a: Tensor) -> Tensor {
    var row = a.shape[0] - 1
    var minors = a[row]
    let signed = concatenate([a, -a], axis: 1)
    for expansion in expansions {
      row -= 1
      minors = (signed[row].gathered(at: expansion.factors) * minors.gathered(at: expansion.minors)).sum(axes: [0])
    }
    return minors[0]
  }

  static var functions: [GradBenchFunction<Determinant>] {
    [
      GradBenchFunction("primal") { problem in
        let value = compiled { (a: Tensor) in problem.determinant(a) }
        return { value(problem.matrix) }
      },
      GradBenchFunction("gradient") { problem in
        let derivative = compiled { (a: Tensor) in gradient(of: problem.determinant, at: a).flattened }
        return { derivative(problem.matrix) }
      },
    ]
  }
}
