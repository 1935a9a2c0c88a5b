import Foundation
import Synchronization

/// A lock that is held for some tens of nanoseconds. (`Mutex` would do as well, but the thread sanitizer does not see what
/// a contended one orders.)
struct SpinLock: ~Copyable, Sendable {
  private let isLocked = Atomic(false)

  func withLock<R>(_ body: () throws -> R) rethrows -> R {
    while isLocked.exchange(true, ordering: .acquiring) { sched_yield() }
    defer { isLocked.store(false, ordering: .releasing) }
    return try body()
  }
}
