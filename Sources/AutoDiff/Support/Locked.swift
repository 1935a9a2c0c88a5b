/// A value that several threads may set and read.
final class Locked<Value: Sendable>: Sendable {
  private let lock = SpinLock()
  private nonisolated(unsafe) var current: Value

  init(_ value: Value) { current = value }

  /// The value; reading and setting are atomic, one by one.
  var value: Value {
    get { lock.withLock { current } }
    set { lock.withLock { current = newValue } }
  }
}
