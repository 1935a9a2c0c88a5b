import AutoDiff
import Dispatch
import Foundation

/// Ends the program when it is interrupted or asked to terminate, and leaves no half-written file behind.
enum Interruption {
  /// Starts to listen, until the program ends.
  static func handle() {
    for number in [SIGINT, SIGTERM] {
      // Who started the program with a signal ignored, as nohup and shells do in the background, wants it so.
      var old = sigaction()
      sigaction(number, nil, &old)
      if old.isIgnored { continue }
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { FileAccess.removePartialFiles(andThen: { _exit(128 + number) }) }
      source.resume()
      sources.append(source)
    }
  }

  /// A source that is not kept hears nothing. Only ``handle()`` touches them, once.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []
}

extension sigaction {
  fileprivate var isIgnored: Bool {
    #if canImport(Glibc)
      unsafeBitCast(__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    #else
      unsafeBitCast(__sigaction_u.__sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    #endif
  }
}
