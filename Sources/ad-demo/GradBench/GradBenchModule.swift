import AutoDiff
import Foundation

/// A problem of the suite as it is solved here: made from the eval's input, with the functions that the eval asks for.
protocol GradBenchProblem {
  associatedtype Input: Decodable

  /// The eval's name of it.
  static var module: String { get }
  static var functions: [GradBenchFunction<Self>] { get }

  /// Makes tensors of the numbers that came. Throws if they do not fit each other.
  init(_ input: Input) throws
}

/// A function that an eval asks for.
struct GradBenchFunction<Problem> {
  let name: String
  /// Makes the function ready for a problem. What comes out runs it once, and gives what makes an answer of the result.
  let prepare: (Problem) -> () -> () throws -> any Encodable

  /// - Parameters:
  ///   - name: as the eval calls it.
  ///   - prepare: from a problem the closure that is timed.
  ///   - answer: makes numbers, or arrays of them, of the closure's result.
  init<Result>(
    _ name: String, _ prepare: @escaping (Problem) -> () -> Result,
    answer: @escaping (Result) throws -> any Encodable
  ) {
    self.name = name
    self.prepare = { problem in
      let run = prepare(problem)
      return {
        let result = run()
        return { try answer(result) }
      }
    }
  }

  /// A function whose value is a tensor: a number, a list or rows, by its rank.
  init(_ name: String, _ prepare: @escaping (Problem) -> () -> Tensor) {
    self.init(name, prepare) { (value: Tensor) -> any Encodable in
      switch value.rank {
      case 0: value.scalar
      case 2: value.rows
      default: value.scalars
      }
    }
  }
}

/// A problem, whatever its type.
protocol GradBenchModule: Sendable {
  var name: String { get }
  var functionNames: [String] { get }

  /// The answer to an "evaluate" message; throws if there is none.
  func evaluate(_ message: GradBenchMessage, _ line: Data) throws -> Data
}

struct Module<Problem: GradBenchProblem>: GradBenchModule {
  var name: String { Problem.module }
  var functionNames: [String] { Problem.functions.map(\.name) }

  func evaluate(_ message: GradBenchMessage, _ line: Data) throws -> Data {
    guard let name = message.function else { throw GradBenchError("the message names no function") }
    guard let function = Problem.functions.first(where: { $0.name == name }) else {
      throw GradBenchError("there is no function \"\(name)\" in \(self.name)")
    }
    let request = try JSONDecoder().decode(GradBenchInput<Problem.Input>.self, from: line)
    let run = function.prepare(try Problem(request.input))
    var timings: [Timing] = []
    var total = 0.0
    var result: (() throws -> any Encodable)?
    while timings.count < request.runs.count || total < request.runs.seconds {
      result = nil
      let start = DispatchTime.now().uptimeNanoseconds
      result = run()
      let duration = DispatchTime.now().uptimeNanoseconds - start
      timings.append(Timing(nanoseconds: Int64(duration)))
      total += Double(duration) / 1e9
    }
    return try answer(to: message, with: result!(), timings)
  }

  private func answer(
    to message: GradBenchMessage, with output: some Encodable, _ timings: [Timing]
  ) throws -> Data {
    try JSONEncoder().encode(EvaluateAnswer(id: message.id, output: output, timings: timings))
  }
}

extension Tensor {
  /// The numbers of a table that came as rows; throws unless there are `rowCount` rows of `columnCount` numbers.
  init(_ name: String, _ rows: [[Double]], _ rowCount: Int, _ columnCount: Int) throws {
    guard rows.count == rowCount, rows.allSatisfy({ $0.count == columnCount }) else {
      let columns = Set(rows.map(\.count)).sorted().map(String.init).joined(separator: " or ")
      throw GradBenchError(
        "\(name) must have \(rowCount) rows of \(columnCount) numbers, but got \(rows.count)"
          + (rows.isEmpty ? "" : " of \(columns)"))
    }
    self.init(rows.flatMap { $0 }, shape: [rowCount, columnCount])
  }

  /// The numbers of a list; throws unless there are `count`.
  init(_ name: String, _ list: [Double], _ count: Int) throws {
    guard list.count == count else { throw GradBenchError("\(name) must have \(count) numbers, but got \(list.count)") }
    self.init(list)
  }

  /// The entries of a matrix, row by row.
  var rows: [[Double]] {
    let (entries, width) = (scalars, shape[1])
    return (0..<shape[0]).map { Array(entries[$0 * width..<($0 + 1) * width]) }
  }
}

/// Throws unless a number that says how many there are of something is positive, and small enough to be multiplied by
/// another one.
func requirePositive(_ name: String, _ count: Int) throws {
  if count < 1 { throw GradBenchError("\(name) must be positive, but got \(count)") }
  let most = 50_000_000
  if count > most { throw GradBenchError("\(name) must be at most \(most), but got \(count)") }
}
