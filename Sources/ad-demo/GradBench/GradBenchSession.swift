import Foundation

/// A conversation with an eval of GradBench: every line that comes is answered by one line.
///
/// - Source: the protocol in GradBench's CONTRIBUTING.md, section "Protocol".
struct GradBenchSession {
  /// One module for each eval of the suite.
  static let allModules: [any GradBenchModule] = [
    Module<Hello>(), Module<GaussianMixture>(), Module<BundleAdjustment>(), Module<HandTracking>(), Module<LSTM>(),
    Module<KMeans>(), Module<LogSumExp>(), Module<PolynomialFit>(), Module<RungeKutta>(), Module<Determinant>(),
    Module<Particle>(), Module<Saddle>(),
  ]

  /// What ends a session early: a line to which there is no answer.
  struct NoMessage: Error, Equatable, CustomStringConvertible {
    let line: Int
    let problem: String
    var description: String { "line \(line) of the input is no message of GradBench: \(problem)" }
  }

  /// Answers line by line until there are no more, or until an answer does not arrive.
  ///
  /// - Parameters:
  ///   - lines: gives the next line, without its end.
  ///   - write: takes an answer, with the end of its line, and says whether it has arrived.
  func run(lines: () -> String?, write: (String) -> Bool) throws(NoMessage) {
    var number = 0
    while let line = lines() {
      number += 1
      let answer: Data
      do {
        answer = try self.answer(to: Data(line.utf8))
      } catch {
        throw NoMessage(line: number, problem: plainText(of: error))
      }
      if !write(String(decoding: answer, as: UTF8.self) + "\n") { return }
    }
  }

  /// - Throws: if the line has no number that an answer could be given to.
  private func answer(to line: Data) throws -> Data {
    let message = try JSONDecoder().decode(GradBenchMessage.self, from: line)
    switch message.kind {
    case "start": return encoded(StartAnswer(id: message.id, tool: "ad-demo"))
    case "define":
      do {
        _ = try module(of: message)
        return encoded(DefineAnswer(id: message.id))
      } catch {
        return encoded(Refusal(id: message.id, error: plainText(of: error)))
      }
    case "evaluate":
      do {
        let module = try module(of: message)
        return try module.evaluate(message, line)
      } catch {
        return encoded(Refusal(id: message.id, error: plainText(of: error)))
      }
    default: return encoded(Acknowledgment(id: message.id))
    }
  }

  private func module(of message: GradBenchMessage) throws(GradBenchError) -> any GradBenchModule {
    guard let name = message.module else { throw GradBenchError("the message names no module") }
    guard let module = Self.allModules.first(where: { $0.name == name }) else {
      throw GradBenchError("there is no module \"\(name)\"")
    }
    return module
  }
}
