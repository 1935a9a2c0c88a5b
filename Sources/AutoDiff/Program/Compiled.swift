/// Records a function once and runs the recording from then on, without the overhead of small operations.
///
///     let step = compiled { (p: Parameters) in
///       p.adding(gradient(of: { loss($0, images, labels) }, at: p), scaledBy: -rate)
///     }
///     for _ in 0..<10_000 { p = step(p) }
///
/// The first call with inputs of some structure, shapes and scalar types records the operations that are left when all
/// transforms inside have done their work: gradients, Hessian-vector products, `vmap`, custom rules, checkpoints. Later calls
/// with such inputs run that program: what is not needed has been left out, equal operations are done once, elementwise
/// chains run in one pass over memory that stays in the cache, and all memory is planned ahead.
///
/// What the function captures is a constant of the recording, as are numbers that it draws, and Swift code in it runs while
/// recording only. Its control flow may therefore not depend on numbers of the input: reading one stops. Choose with
/// `select`, and repeat with ``repeated(_:_:_:)`` or ``repeated(while:_:_:)``, which are loops inside the program. Parts of
/// the input tree that are no leaves (a count, a name, a closure, a tensor that the tree does not list) belong to its
/// structure: another value records another program. An object without equality is one value, whatever changes inside it.
///
/// Inside a transform or another recording the function itself is called. So differentiate first and compile then:
/// `compiled { gradient(of: f, at: $0) }`. Printing a compiled function lists the steps of its programs.
///
/// - Parameter f: from a tree of tensors to a tree of tensors.
/// - Returns: the same function. Results have the bits that `f` gives, except that sums of 2¹⁴ entries and more are formed
///   tile by tile where an elementwise chain ends in them, that the two products of a bilinear operation's tangent are
///   added after both have been rounded, and that the gradient of a loop first sums what one step contributes to that of a
///   captured value. Each changes a result by no more than its order of summation does.
/// - Complexity: the first call takes some microseconds per operation more. A program keeps its memory for the next call,
///   once for every thread that has run it at the same time.
public func compiled<Input: TensorTree, Output: TensorTree>(
  _ f: @escaping (Input) -> Output
) -> Compiled<Input, Output> {
  Compiled(f)
}

/// A function that is recorded when it is first called; see ``compiled(_:)``.
///
/// It keeps the programs of the structures that it has last been called with, up to ``mostPrograms``.
public final class Compiled<Input: TensorTree, Output: TensorTree> {
  /// How many programs are kept.
  public static var mostPrograms: Int { 64 }

  private struct Recorded {
    let key: TreeStructure
    let program: Program
    let output: Output
  }

  private let f: (Input) -> Output
  private var programs: [Recorded] = []
  private let lock = SpinLock()

  init(_ f: @escaping (Input) -> Output) { self.f = f }

  /// The function's value.
  public func callAsFunction(_ input: Input) -> Output {
    let leaves = input.leaves
    if leaves.contains(where: \.isTraced) { return f(input) }
    let key = TreeStructure(input, leaves)
    let recorded = lock.withLock { known(key) } ?? record(input, leaves, key)
    return recorded.output.replacingLeaves(with: recorded.program.run(leaves))
  }

  /// The program of a structure, which then stands in front.
  private func known(_ key: TreeStructure) -> Recorded? {
    guard let place = programs.firstIndex(where: { $0.key == key }) else { return nil }
    if place > 0 { programs.insert(programs.remove(at: place), at: 0) }
    return programs[0]
  }

  private func record(_ input: Input, _ leaves: [Tensor], _ key: TreeStructure) -> Recorded {
    let recorder = Recorder()
    defer { recorder.close() }
    let output = f(input.mapTensors { recorder.input($0.shape, $0.scalarType) })
    let results = output.leaves.map { recorder.value(of: $0, for: "compiled") }
    let program = ProgramPlanner.program(recorder.graph, results: results)
    // Recorded values must not outlive their recording.
    let shell = output.mapTensors { _ in Tensor(0) }
    let recorded = Recorded(key: key, program: program, output: shell)
    lock.withLock {
      if programs.contains(where: { $0.key == key }) { return }
      if programs.count == Self.mostPrograms { programs.removeLast() }
      programs.insert(recorded, at: 0)
    }
    return recorded
  }
}

/// Printing shows what the programs do.
extension Compiled: CustomStringConvertible {
  /// For every program, the last one used first, its inputs and results, and a line for each of its steps.
  public var description: String {
    let recorded = lock.withLock { programs }
    if recorded.isEmpty { return "compiled, not called yet" }
    return recorded.map { recorded in
      func text(_ kinds: [ProgramGraph.ValueType]) -> String {
        kinds.map { "\($0.shape) \($0.scalarType.rawValue)" }.joined(separator: ", ")
      }
      let program = recorded.program
      let header = "\(text(recorded.key.kinds)) → \(text(program.resultTypes)), \(program.arenaBytes) bytes on the way"
      return ([header] + program.listing.map { "  " + $0 }).joined(separator: "\n")
    }.joined(separator: "\n")
  }
}

/// A function that is recorded when it is first called, like one that is ``compiled(_:)``, and that several threads may call
/// at once.
///
///     let step = SharedCompiled { (x: Tensor) in tanh(matmul(weights, x)) }
///
/// Unchecked, because the compiler does not know that the function is one that may be shared; the programs are guarded by
/// a lock, and every run has memory of its own.
public final class SharedCompiled<Input: TensorTree, Output: TensorTree>: @unchecked Sendable {
  private let function: Compiled<Input, Output>

  /// - Parameter f: from a tree of tensors to a tree of tensors; any of the threads may record it.
  public init(_ f: @escaping @Sendable (Input) -> Output) { function = Compiled(f) }

  /// The function's value.
  public func callAsFunction(_ input: Input) -> Output { function(input) }
}
