import Foundation

/// The environment variables that the library reads when it runs.
package enum EnvironmentVariables {
  /// A variable whose value means nothing.
  package struct Problem: Error, Equatable, CustomStringConvertible {
    /// Its name.
    package let variable: String
    /// What its value must be.
    package let requirement: String
    /// Its value, quoted, on one line.
    package let value: String

    /// One line with name, requirement and value.
    package var description: String { "\(variable): \(requirement), but got \(value)." }

    /// Stops the program with the same text.
    func stop() -> Never { AutoDiff.stop(variable, requirement, got: value) }
  }

  /// The number of threads, `AUTODIFF_THREADS`; nil where it is not set.
  static func threadCount() throws(Problem) -> Int? {
    try integer("AUTODIFF_THREADS", in: 1...1024, "the number of threads must be from 1 to 1024")
  }

  /// How many bytes the pool may keep, `AUTODIFF_POOL_BYTES`; nil where it is not set.
  static func poolBytes() throws(Problem) -> Int? {
    try integer("AUTODIFF_POOL_BYTES", in: 0...Int.max, "the capacity of the pool must be a number of bytes")
  }

  /// Throws the first problem, for programs that want to say so before the first operation stops.
  package static func check() throws(Problem) {
    _ = try threadCount()
    _ = try poolBytes()
  }

  private static func integer(
    _ name: String, in range: ClosedRange<Int>, _ requirement: String
  ) throws(Problem) -> Int? {
    // Read byte by byte: a value that is no text is a wrong value, not a missing one.
    guard let bytes = getenv(name), bytes[0] != 0 else { return nil }
    let text = String(cString: bytes)
    guard let number = Int(text), range.contains(number) else {
      throw Problem(variable: name, requirement: requirement, value: text.prefix(100).debugDescription)
    }
    return number
  }
}
