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
/// Whether a factorization or a search for a root has succeeded is looked at when the program runs. Where not, one that is
/// ``compiled(throwing:)`` throws what it would have thrown, and another one stops.
///
/// Functions of two and three inputs are recorded likewise, and called with as many:
///
///     let step = compiled { (p: Parameters, images: Tensor, labels: Tensor) in … }
///     p = step(p, images[batch], labels[batch])
///
/// Inside a transform or another recording the function itself is called. So differentiate first and compile then:
/// `compiled { gradient(of: f, at: $0) }`. Printing a compiled function lists the steps of its programs.
///
/// - Parameter f: from a tree of tensors to a tree of tensors. A tuple is none, and the compiler then finds no function
///   to call: return several results as a ``Pair``, an array or a struct of yours.
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

// Overloads for more inputs, which the documentation of the first describes.

/// Records a function of two inputs; see ``compiled(_:)``.
///
/// - Parameter f: from two trees of tensors to one.
@_documentation(visibility: internal)
public func compiled<A: TensorTree, B: TensorTree, Output: TensorTree>(
  _ f: @escaping (A, B) -> Output
) -> Compiled<Pair<A, B>, Output> {
  Compiled { f($0.first, $0.second) }
}

/// Records a function of three inputs; see ``compiled(_:)``.
///
/// - Parameter f: from three trees of tensors to one.
@_documentation(visibility: internal)
public func compiled<A: TensorTree, B: TensorTree, C: TensorTree, Output: TensorTree>(
  _ f: @escaping (A, B, C) -> Output
) -> Compiled<Pair<A, Pair<B, C>>, Output> {
  Compiled { f($0.first, $0.second.first, $0.second.second) }
}

/// Records a function that throws; see ``compiled(_:)``.
///
///     let solve = compiled { (a: Tensor) in try choleskySolve(a, b) }
///     let x = try solve(a)
///
/// - Parameter f: from a tree of tensors to a tree of tensors. What it throws while it is recorded is passed on; in its
///   programs only factorizations and searches for roots throw.
public func compiled<Input: TensorTree, Output: TensorTree>(
  throwing f: @escaping (Input) throws -> Output
) -> ThrowingCompiled<Input, Output> {
  ThrowingCompiled(f)
}

/// Records a function of two inputs that throws; see ``compiled(throwing:)``.
///
/// - Parameter f: from two trees of tensors to one.
@_documentation(visibility: internal)
public func compiled<A: TensorTree, B: TensorTree, Output: TensorTree>(
  throwing f: @escaping (A, B) throws -> Output
) -> ThrowingCompiled<Pair<A, B>, Output> {
  ThrowingCompiled { try f($0.first, $0.second) }
}

/// Records a function of three inputs that throws; see ``compiled(throwing:)``.
///
/// - Parameter f: from three trees of tensors to one.
@_documentation(visibility: internal)
public func compiled<A: TensorTree, B: TensorTree, C: TensorTree, Output: TensorTree>(
  throwing f: @escaping (A, B, C) throws -> Output
) -> ThrowingCompiled<Pair<A, Pair<B, C>>, Output> {
  ThrowingCompiled { try f($0.first, $0.second.first, $0.second.second) }
}

/// A function that is recorded when it is first called; see ``compiled(_:)``.
///
/// It keeps the programs of the structures that it has last been called with, up to ``mostPrograms``. Printing it shows
/// what they do.
public final class Compiled<Input: TensorTree, Output: TensorTree>: CustomStringConvertible {
  /// How many programs are kept.
  public static var mostPrograms: Int { ProgramCache<Input, Output>.mostPrograms }

  private let programs: ProgramCache<Input, Output>

  init(_ f: @escaping (Input) -> Output) { programs = ProgramCache(f) }

  /// The function's value. Stops where a factorization or a search fails.
  public func callAsFunction(_ input: Input) -> Output {
    do {
      return try programs.value(input)
    } catch {
      stop("compiled", "\(error)", hint: "With try instead of try! it would throw this.")
    }
  }

  /// The value of a function of two inputs. Stops where a factorization or a search fails.
  public func callAsFunction<A, B>(_ a: A, _ b: B) -> Output where Input == Pair<A, B> { self(Pair(a, b)) }

  /// The value of a function of three inputs. Stops where a factorization or a search fails.
  public func callAsFunction<A, B, C>(_ a: A, _ b: B, _ c: C) -> Output where Input == Pair<A, Pair<B, C>> {
    self(Pair(a, Pair(b, c)))
  }

  /// For every program, the last one used first, its inputs and results, and a line for each of its steps.
  public var description: String { programs.description }
}

/// A function that throws, and is recorded when it is first called; see ``compiled(throwing:)``.
public final class ThrowingCompiled<Input: TensorTree, Output: TensorTree>: CustomStringConvertible {
  private let programs: ProgramCache<Input, Output>

  init(_ f: @escaping (Input) throws -> Output) { programs = ProgramCache(f) }

  /// The function's value.
  ///
  /// - Throws: what the function throws while it is recorded, or where a factorization or a search fails.
  public func callAsFunction(_ input: Input) throws -> Output { try programs.value(input) }

  /// The value of a function of two inputs; throws like that of one.
  public func callAsFunction<A, B>(_ a: A, _ b: B) throws -> Output where Input == Pair<A, B> { try self(Pair(a, b)) }

  /// The value of a function of three inputs; throws like that of one.
  public func callAsFunction<A, B, C>(_ a: A, _ b: B, _ c: C) throws -> Output where Input == Pair<A, Pair<B, C>> {
    try self(Pair(a, Pair(b, c)))
  }

  /// For every program, the last one used first, its inputs and results, and a line for each of its steps.
  public var description: String { programs.description }
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
