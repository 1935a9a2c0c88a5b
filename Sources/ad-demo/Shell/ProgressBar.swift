import Foundation
import Synchronization

/// Shows on the standard error how far something is.
///
/// On a terminal one line is kept up to date; elsewhere a line is added now and then, so that a log stays readable.
final class ProgressBar: Sendable {
  private struct State {
    var done = 0
    var lastShown = -Double.infinity
    var isFinished = false
  }

  private let title: String
  private let unit: String
  private let total: Int
  private let start = ContinuousClock.now
  private let terminalWidth: Int?
  private let patience: Double
  private let show: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// Starts with nothing done.
  ///
  /// - Parameters:
  ///   - title: What is going on.
  ///   - total: How much there is to do.
  ///   - unit: What is counted, in the plural: "steps".
  ///   - patience: So many seconds nothing is shown, and nothing at all of what takes less.
  ///   - terminalWidth: The width of a line; nil if what is shown goes elsewhere than to a terminal.
  ///   - show: Where the text goes.
  init(
    _ title: String, total: Int, unit: String, patience: Double = 0,
    terminalWidth: Int? = ProgressBar.widthOfTerminal(),
    show: @escaping @Sendable (String) -> Void = { StandardStream.error.write($0) }
  ) {
    self.title = title
    self.total = max(total, 0)
    self.unit = unit
    self.patience = patience
    self.terminalWidth = terminalWidth
    self.show = show
    update(to: 0)
  }

  /// One more is done, or several.
  func advance(by count: Int = 1) { update { $0 + count } }

  /// So much is done now.
  func update(to done: Int) { update { _ in done } }

  /// Ends the line; also when not everything was done.
  func finish() {
    state.withLock { state in
      if state.isFinished { return }
      state.isFinished = true
      let elapsed = elapsed
      if elapsed < patience { return }
      if let terminalWidth {
        show("\r\u{1B}[K" + bar(done: state.done, elapsed: elapsed, width: terminalWidth) + "\n")
      } else {
        show(report(done: state.done, elapsed: elapsed) + "\n")
      }
    }
  }

  private func update(_ change: (Int) -> Int) {
    state.withLock { state in
      if state.isFinished { return }
      state.done = min(max(change(state.done), 0), total)
      let elapsed = elapsed
      if elapsed < patience { return }
      if let terminalWidth {
        if elapsed - state.lastShown < 0.1 { return }
        show("\r\u{1B}[K" + bar(done: state.done, elapsed: elapsed, width: terminalWidth))
      } else {
        if elapsed - max(state.lastShown, 0) < 10 { return }
        show(report(done: state.done, elapsed: elapsed) + "\n")
      }
      state.lastShown = elapsed
    }
  }

  private var elapsed: Double {
    let time = (ContinuousClock.now - start).components
    return Double(time.seconds) + Double(time.attoseconds) * 1e-18
  }

  // MARK: The text

  /// `Training  ██████▌·······  45 %  90/200 steps  31.2 steps/s  4 s left`, cut to the width.
  func bar(done: Int, elapsed: Double, width: Int) -> String {
    let details = details(done: done, elapsed: elapsed)
    let room = min(width - 1 - title.count - details.count - 4, 40)
    if room < 8 { return String("\(title)  \(details)".prefix(max(width - 1, 0))) }
    let eighths = Int((fraction(done) * Double(room * 8)).rounded(.down))
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    let filled = String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    return "\(title)  \(filled)\(String(repeating: "·", count: room - filled.count))  \(details)"
  }

  /// `Training: 45 %, 90/200 steps, ...` for a log.
  func report(done: Int, elapsed: Double) -> String {
    "\(title): " + details(done: done, elapsed: elapsed).split(separator: "  ").joined(separator: ", ")
  }

  private func details(done: Int, elapsed: Double) -> String {
    let percent = "\(Int(fraction(done) * 100))"
    let count = "\(done)".leftPadded(to: "\(total)".count)
    var text = "\(percent.leftPadded(to: 3)) %  \(count)/\(total) \(unit)"
    if done > 0, elapsed > 0 {
      let rate = Double(done) / elapsed
      let digits = rate >= 100 ? 0 : rate >= 10 ? 1 : 2
      text += "  " + String(format: "%.\(digits)f", rate) + " \(unit)/s"
      text += done < total ? "  \(Self.text(Double(total - done) / rate)) left" : "  in \(Self.text(elapsed))"
    }
    return text
  }

  private func fraction(_ done: Int) -> Double { total == 0 ? 1 : Double(done) / Double(total) }

  /// A time for people: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
  static func text(_ seconds: Double) -> String {
    if seconds < 9.95 { return String(format: "%.1f s", seconds) }
    let whole = Int(min(seconds, 1e15).rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }

  /// The width of the terminal that the standard error goes to; nil if it goes elsewhere, or if the terminal, or the one
  /// who sits before it, wants plain text.
  static func widthOfTerminal(
    isTerminal: Bool = isatty(STDERR_FILENO) == 1,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Int? {
    let kind = environment["TERM"] ?? ""
    guard isTerminal, !kind.isEmpty, kind != "dumb", (environment["NO_COLOR"] ?? "").isEmpty else { return nil }
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}

extension String {
  /// The text with spaces before it, if it is shorter than the given number of letters.
  func leftPadded(to count: Int) -> String { String(repeating: " ", count: max(count - self.count, 0)) + self }
}
