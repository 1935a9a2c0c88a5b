import Dispatch
import Foundation
import Synchronization

/// The worker threads that every parallel loop shares.
///
/// A *region* is one call of ``run(_:_:)``. There is one team in the process and it serves one region at a time: whoever
/// asks while it is busy, or from within a region, does the work alone, so there are never more runnable threads than
/// cores and nothing can wait for itself.
enum ThreadTeam {
  /// The most threads that a region may use: scoped by ``withThreadLimit(_:_:)``, and 1 within a region.
  @TaskLocal fileprivate static var limit = Int.max

  /// How many threads a region started here may use, the calling one included.
  static var threadCount: Int { min(limit, Team.size) }

  /// Calls `body` once for each of `0..<tasks`, in any order and on several threads, and returns when all are done.
  ///
  /// Every thread begins with a share of its own and helps the others when it is done, so tasks of unequal length
  /// balance; a task should last some microseconds at least. For results that do not depend on the number of threads,
  /// divide the work by its size, never by ``threadCount``.
  @inline(__always)
  static func run(_ tasks: Int, _ body: (_ task: Int) -> Void) { run(tasks, body, Never.self) }

  /// Generic only because the optimizer does not copy generic functions for every closure that they are called with. It
  /// would compile the body of a loop twice: for this thread and for the others.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  private static func run<Unused>(_ tasks: Int, _ body: (_ task: Int) -> Void, _: Unused.Type) {
    // Short work, which would take longer to look up the limit and to make an object of the body than the work itself.
    if tasks <= 1 { return tasks == 1 ? body(0) : () }
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { body in
        let helpers = min(threadCount, tasks) - 1
        if helpers > 0, Team.shared.run(tasks, helpers: helpers, body) { return }
        for task in 0..<tasks { body.pointee(task) }
      }
    }
  }
}

/// Runs `body` with at most `limit` threads in every operation that it calls.
///
/// The limit follows the structured tasks that `body` starts. It can lower the number of threads but not raise it above
/// the number of cores (or of the environment variable `AUTODIFF_THREADS`). Results do not depend on it.
///
/// - Parameters:
///   - limit: The largest number of threads, at least 1. A limit below 1 stops the program.
///   - body: What to run.
/// - Returns: What `body` returns.
public func withThreadLimit<R>(_ limit: Int, _ body: () throws -> R) rethrows -> R {
  if limit < 1 { stop("withThreadLimit", "the limit must be at least 1", got: "\(limit)") }
  return try ThreadTeam.$limit.withValue(min(limit, ThreadTeam.limit)) { try body() }
}

/// The threads behind ``ThreadTeam``, and the protocol by which they join and leave a region.
///
/// A region is open to a number of *places*. A worker that sees a free place takes it, draws tasks until none is left,
/// and leaves. The caller draws tasks too, then closes the region and waits for those who joined. A worker that comes too
/// late, because the machine is busy otherwise, is not waited for.
private final class Team: Sendable {
  /// The number of threads including the caller: the cores this process may use, or `AUTODIFF_THREADS`.
  static let size: Int = {
    do throws(EnvironmentVariables.Problem) {
      return try EnvironmentVariables.threadCount()
        ?? max(1, min(ProcessInfo.processInfo.activeProcessorCount, quota ?? .max))
    } catch {
      error.stop()
    }
  }()

  /// The processor time that a container is granted, in cores, rounded up; more threads would only be throttled.
  private static var quota: Int? {
    guard let text = try? String(contentsOfFile: "/sys/fs/cgroup/cpu.max", encoding: .utf8) else { return nil }
    let fields = text.split { $0.isWhitespace }.map { Int($0) }
    guard fields.count == 2, let time = fields[0], let period = fields[1], period > 0 else { return nil }
    return max(1, (time + period - 1) / period)
  }

  static let shared = Team(workers: size - 1)

  /// How long a thread looks for work, or for the end of a region, before it sleeps, in nanoseconds. Waking it takes a
  /// system call and some microseconds, too long between the operations of one computation.
  private static let patience: UInt64 = 40_000

  /// A participant's part of the tasks. It is the same part in every region of as many tasks, so that consecutive
  /// operations find in a core's cache what they left there; who is done early helps the others.
  private final class Share: Sendable {
    let next = Atomic(0)
    /// Keeps the counters of two participants from lying in one cache line.
    let padding = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  }

  private final class Worker: Sendable {
    let isAsleep = Atomic(false)
    let wake = DispatchSemaphore(value: 0)
  }

  private let workers: [Worker]
  /// Claimed by the one caller whose region is served.
  private let isTaken = Atomic(false)
  /// The tasks of the region. Written only while no region is open, read only by those who joined it.
  private nonisolated(unsafe) var body: UnsafePointer<(Int) -> Void>?
  private nonisolated(unsafe) var tasks = 0
  /// One for each participant; those of a region are the first ``shareCount``.
  private let shares: [Share]
  private nonisolated(unsafe) var shareCount = 1
  /// The number of the region times 2¹⁶, plus its free places; a closed region has none.
  private let gate = Atomic<UInt>(0)
  /// Workers that have joined and not left; negative until the caller has counted those who joined.
  private let pending = Atomic(0)
  private let allLeft = DispatchSemaphore(value: 0)
  /// Added to `pending` while the caller sleeps until the last worker leaves.
  private static let sleepingCaller = 1 << 32

  private init(workers count: Int) {
    workers = (0..<count).map { _ in Worker() }
    shares = (0...count).map { _ in Share() }
    for (index, worker) in workers.enumerated() {
      let thread = Thread { [self] in
        // What a task calls must find itself within a region.
        ThreadTeam.$limit.withValue(1) { serve(as: worker, index + 1) }
      }
      thread.name = "AutoDiff \(index + 1)"
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  /// Runs a region, or returns false because the team is busy.
  func run(_ tasks: Int, helpers: Int, _ body: UnsafePointer<(Int) -> Void>) -> Bool {
    guard isTaken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else { return false }
    self.body = body
    self.tasks = tasks
    shareCount = helpers + 1
    for index in 0..<shareCount {
      shares[index].next.store(index * tasks / shareCount, ordering: .relaxed)
    }
    let closed = (gate.load(ordering: .relaxed) >> 16 &+ 1) << 16
    gate.store(closed | UInt(helpers), ordering: .sequentiallyConsistent)
    wake(helpers)
    ThreadTeam.$limit.withValue(1) { drawTasks(as: 0) }
    let free = gate.exchange(closed, ordering: .acquiringAndReleasing) - closed
    waitUntilLeft(by: helpers - Int(free))
    isTaken.store(false, ordering: .releasing)
    return true
  }

  private func wake(_ helpers: Int) {
    for worker in workers.prefix(helpers) where worker.isAsleep.load(ordering: .sequentiallyConsistent) {
      if worker.isAsleep.exchange(false, ordering: .acquiringAndReleasing) { worker.wake.signal() }
    }
  }

  /// Not inlined, so that nothing of `body` is still held when a worker leaves.
  @inline(never)
  private func drawTasks(as participant: Int) {
    let (tasks, count) = (tasks, shareCount)
    for index in participant..<participant + count {
      let (share, end) = (shares[index % count], (index % count + 1) * tasks / count)
      while share.next.load(ordering: .relaxed) < end {
        let task = share.next.add(1, ordering: .relaxed).oldValue
        if task >= end { break }
        body!.pointee(task)
      }
    }
  }

  private func waitUntilLeft(by joined: Int) {
    if pending.add(joined, ordering: .acquiringAndReleasing).newValue == 0 { return }
    if spins(until: { pending.load(ordering: .acquiring) == 0 }) { return }
    let left = pending.add(Self.sleepingCaller, ordering: .acquiringAndReleasing).newValue
    if left != Self.sleepingCaller { allLeft.wait() }
    pending.subtract(Self.sleepingCaller, ordering: .acquiringAndReleasing)
  }

  /// What a worker does all its life.
  private func serve(as worker: Worker, _ participant: Int) {
    var region: UInt = 0
    while true {
      if !spins(until: { join(&region) }) {
        worker.isAsleep.store(true, ordering: .sequentiallyConsistent)
        // A region that was opened before the line above has not seen a sleeper, so look once more.
        if join(&region) {
          // Whoever cleared the flag in between has sent a signal, which must not be left over.
          if !worker.isAsleep.exchange(false, ordering: .acquiringAndReleasing) { worker.wake.wait() }
        } else {
          worker.wake.wait()
          continue
        }
      }
      drawTasks(as: participant)
      if pending.subtract(1, ordering: .acquiringAndReleasing).newValue == Self.sleepingCaller { allLeft.signal() }
    }
  }

  /// Takes a place in the region that is open, if there is a free one and it is not the region served last.
  private func join(_ region: inout UInt) -> Bool {
    var state = gate.load(ordering: .sequentiallyConsistent)
    while state & 0xffff > 0, state >> 16 != region {
      let (joined, now) = gate.weakCompareExchange(expected: state, desired: state - 1, ordering: .acquiring)
      if joined {
        region = state >> 16
        return true
      }
      state = now
    }
    return false
  }

  /// Waits for a condition as long as `patience` lasts; returns whether it came true.
  private func spins(until isTrue: () -> Bool) -> Bool {
    let deadline = DispatchTime.now().uptimeNanoseconds + Self.patience
    while true {
      for _ in 0..<30 {
        if isTrue() { return true }
        Hint.waiting()
      }
      if DispatchTime.now().uptimeNanoseconds > deadline { return false }
      // Where there are more threads than cores, the awaited one may need this core.
      sched_yield()
    }
  }
}
