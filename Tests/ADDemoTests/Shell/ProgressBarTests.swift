import Foundation
import Synchronization
import Testing

@testable import ad_demo

@Suite struct ProgressBarTests {
  @Test func drawsALineForTerminals() {
    let bar = ProgressBar("Training", total: 200, unit: "steps", terminalWidth: 100, show: { _ in })
    #expect(
      bar.bar(done: 90, elapsed: 3, width: 100)
        == "Training  ██████████████████······················   45 %   90/200 steps  30.0 steps/s  3.7 s left")
    #expect(
      bar.bar(done: 0, elapsed: 0, width: 60) == "Training  " + String(repeating: "·", count: 27)
        + "    0 %    0/200 steps")
    #expect(bar.bar(done: 200, elapsed: 100, width: 60).hasSuffix("100 %  200/200 steps  2.00 steps/s  in 1 min 40 s"))
    for width in [0, 1, 5, 20, 59, 60, 80, 300] {
      for done in 0...200 { #expect(bar.bar(done: done, elapsed: 1, width: width).count <= max(width - 1, 0)) }
    }
  }

  @Test func addsFewLinesToLogs() {
    let texts = Mutex<[String]>([])
    let bar = ProgressBar("Kernel", total: 3, unit: "tiles", terminalWidth: nil) { text in
      texts.withLock { $0.append(text) }
    }
    for _ in 0..<5 { bar.advance() }
    bar.finish()
    bar.finish()
    bar.advance()
    let lines = texts.withLock { $0 }
    #expect(lines.count == 1)
    #expect(lines[0].hasPrefix("Kernel: 100 %, 3/3 tiles, ") && lines[0].hasSuffix("\n"))
    #expect(bar.report(done: 1, elapsed: 7200) == "Kernel:  33 %, 1/3 tiles, 0.00 tiles/s, 4 h 0 min left")
  }

  @Test func updatesOneLineOnTerminals() {
    let texts = Mutex<[String]>([])
    let bar = ProgressBar("Kernel", total: 1000, unit: "tiles", terminalWidth: 80) { text in
      texts.withLock { $0.append(text) }
    }
    DispatchQueue.concurrentPerform(iterations: 1000) { _ in bar.advance() }
    bar.finish()
    let all = texts.withLock { $0 }
    #expect(all.count < 1000)
    #expect(all.allSatisfy { $0.hasPrefix("\r\u{1B}[K") })
    #expect(all.last?.contains("1000/1000 tiles") == true)
    #expect(all.dropLast().allSatisfy { !$0.contains("\n") } && all.last?.hasSuffix("\n") == true)
  }

  @Test func writesTimesForPeople() {
    #expect(
      [0, 0.44, 9.94, 9.96, 59.4, 60, 3599, 3600, 7500].map(ProgressBar.text) == [
        "0.0 s", "0.4 s", "9.9 s", "10 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "2 h 5 min",
      ])
    #expect(ProgressBar.text(.infinity) == ProgressBar.text(1e15))
  }

  @Test func survivesHavingNothingToDo() {
    let bar = ProgressBar("Nothing", total: 0, unit: "steps", terminalWidth: 80, show: { _ in })
    #expect(bar.bar(done: 0, elapsed: 0, width: 80).contains("100 %"))
  }
}
