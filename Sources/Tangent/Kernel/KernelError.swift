/// Why a tangent kernel cannot be computed as asked.
public enum KernelError: Error, Equatable, CustomStringConvertible {
  /// Not even a single example and output, or the kernel that should be kept in memory, fits into the budget.
  case tooLittleMemory(needed: Int, budget: Int)
  /// A file of an interrupted computation belongs to another one.
  case differentComputation(file: String, field: String, here: String, there: String)
  /// A shard is not finished, or belongs to another division.
  case incompleteShard(file: String, problem: String)

  /// What is wrong, in a sentence.
  public var description: String {
    switch self {
    case .tooLittleMemory(let needed, let budget):
      "the tangent kernel needs about \(needed) bytes at least, but the budget is \(budget) bytes."
    case .differentComputation(let file, let field, let here, let there):
      "\(file) belongs to another computation: its \(field) is \(there), here it is \(here). "
        + "Remove it, or choose another name."
    case .incompleteShard(let file, let problem): "\(file): \(problem)"
    }
  }
}
