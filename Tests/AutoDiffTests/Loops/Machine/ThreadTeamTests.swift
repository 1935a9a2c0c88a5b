import Foundation
import Synchronization
import Testing

@testable import AutoDiff

/// Counts how often each task was done. Tasks write their own entry only.
private func counts(_ tasks: Int, _ work: (Int) -> Void = { _ in }) -> [Int] {
  var counts = [Int](repeating: 0, count: tasks)
  counts.withUnsafeMutableBufferPointer { counts in
    nonisolated(unsafe) let counts = counts
    ThreadTeam.run(tasks) { task in
      work(task)
      counts[task] += 1
    }
  }
  return counts
}

@Suite struct ThreadTeamTests {
  @Test(arguments: [0, 1, 2, 3, 17, 1000]) func everyTaskRunsOnce(tasks: Int) {
    for _ in 0..<50 { #expect(counts(tasks).allSatisfy { $0 == 1 }) }
  }

  @Test func noTaskRunsForNegativeCount() {
    ThreadTeam.run(-3) { _ in Issue.record("a task ran") }
  }

  @Test func regionAfterSleepWakesWorkers() {
    for _ in 0..<5 {
      Thread.sleep(forTimeInterval: 0.002)
      #expect(counts(64) { _ in usleep(10) }.allSatisfy { $0 == 1 })
    }
  }

  @Test func nestedRegionsRunSerially() {
    let inner = counts(8) { _ in
      #expect(counts(5).allSatisfy { $0 == 1 })
    }
    #expect(inner.allSatisfy { $0 == 1 })
  }

  @Test func manyThreadsMayStartRegions() {
    let failures = Atomic(0)
    let done = DispatchGroup()
    for _ in 0..<6 {
      done.enter()
      Thread {
        for _ in 0..<300 where !counts(20).allSatisfy({ $0 == 1 }) { failures.add(1, ordering: .relaxed) }
        done.leave()
      }.start()
    }
    done.wait()
    #expect(failures.load(ordering: .relaxed) == 0)
  }

  @Test func limitBoundsTheThreads() {
    let all = ThreadTeam.threadCount
    withThreadLimit(1) {
      #expect(ThreadTeam.threadCount == 1)
      withThreadLimit(4) { #expect(ThreadTeam.threadCount == 1) }
      let caller = pthread_self()
      ThreadTeam.run(20) { _ in #expect(pthread_equal(caller, pthread_self()) != 0) }
    }
    withThreadLimit(2) {
      let running = Atomic(0)
      let most = Atomic(0)
      ThreadTeam.run(40) { _ in
        most.max(running.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
        usleep(100)
        running.subtract(1, ordering: .relaxed)
      }
      #expect(most.load(ordering: .relaxed) <= 2)
    }
    #expect(ThreadTeam.threadCount == all)
  }

  @Test func limitBelowOneStops() async {
    await #expect(processExitsWith: .failure) { withThreadLimit(0) {} }
  }
}
