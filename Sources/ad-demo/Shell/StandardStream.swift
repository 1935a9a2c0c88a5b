import Foundation
import Synchronization

/// The standard output or the standard error. A stream that is closed, full or read by nobody loses text, but never stops
/// the program; what was lost is known in the end.
final class StandardStream: Sendable {
  static let output = StandardStream(STDOUT_FILENO)
  static let error = StandardStream(STDERR_FILENO)

  private let descriptor: Int32
  /// The error number of the first write that failed.
  private let firstError = Mutex<Int32?>(nil)

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// Why text was lost, in the words of the system; nil if none was.
  var problem: String? {
    firstError.withLock { $0 }.map { String(cString: strerror($0)).lowercased() }
  }

  /// Writes a text at once. After a failure nothing more is written, so that no hole remains unseen.
  func write(_ text: String) {
    firstError.withLock { firstError in
      var rest = Array(text.utf8)[...]
      while firstError == nil, !rest.isEmpty {
        let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress!, $0.count) }
        if written >= 0 { rest = rest.dropFirst(written) } else if errno != EINTR { firstError = errno }
      }
    }
  }

  /// Makes lost text an error number instead of a signal, and closed streams fail instead of meaning whatever file is
  /// opened next.
  static func secure() {
    signal(SIGPIPE, SIG_IGN)
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
      // The lowest free number is given away, which is this one. Open the wrong way round, it refuses every use.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}

/// Prints to the program's standard output; takes the place of Swift's own, which does not tell when text is lost.
func print(_ item: Any, terminator: String = "\n") { StandardStream.output.write("\(item)\(terminator)") }
