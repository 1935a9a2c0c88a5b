import Foundation

/// How a call ended that was made in a copy of this process.
enum CallEnd: Equatable, Sendable {
  /// It returned.
  case returned
  /// The process was ended by a signal after it had written this to standard error.
  case died(String)
  /// It ran longer than it was given.
  case timedOut
}

/// Calls that end the process, many of them for the price of one exit test: each runs in a copy of the process, which costs
/// a millisecond instead of a start of the test program.
///
/// To be used in the body of an exit test, before anything has been computed: a copy has no other threads.
enum ForkedCall {
  /// What a copy may take, so that no mistake of a test can exhaust the machine.
  private static let (memory, seconds) = (UInt(8) << 30, UInt32(20))

  static func end(of call: () -> Void) -> CallEnd {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { fatalError("There is no pipe.") }
    fflush(nil)
    // Swift offers no fork, because a copy has only one of the threads; here that is enough.
    typealias Fork = @convention(c) () -> Int32
    let child = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)()
    guard child >= 0 else { fatalError("There is no second process.") }
    if child == 0 {
      dup2(ends[1], 2)
      var limit = rlimit(rlim_cur: memory, rlim_max: memory)
      setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
      limit = rlimit(rlim_cur: 0, rlim_max: 0)
      setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
      alarm(seconds)
      call()
      _exit(0)
    }
    close(ends[1])
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = read(ends[0], &buffer, buffer.count), count > 0 { text += buffer[..<count] }
    close(ends[0])
    var status: Int32 = 0
    waitpid(child, &status, 0)
    if status & 0x7F == 0 { return .returned }
    return status & 0x7F == SIGALRM ? .timedOut : .died(String(decoding: text, as: UTF8.self))
  }
}
