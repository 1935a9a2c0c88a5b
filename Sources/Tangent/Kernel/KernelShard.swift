import AutoDiff
import Foundation

/// A part of the tiles of a kernel, for one of several processes.
public struct KernelShard: Sendable, Equatable, CustomStringConvertible {
  /// Which part, from 0.
  public let index: Int
  /// How many parts there are.
  public let count: Int

  /// All of the kernel.
  public static let whole = KernelShard(0, of: 1)

  /// Part `index` of `count`, counted from 0.
  public init(_ index: Int, of count: Int) {
    guard count > 0, (0..<count).contains(index) else {
      stop("KernelShard", "the index must lie below the count", got: "\(index) of \(count)")
    }
    (self.index, self.count) = (index, count)
  }

  /// The part that a scheduler's job array gives this process, from `SLURM_ARRAY_TASK_ID` with `SLURM_ARRAY_TASK_MIN` and
  /// `SLURM_ARRAY_TASK_COUNT`, or `JOB_COMPLETION_INDEX`; nil where there is none.
  ///
  /// - Parameter count: the number of parts, where the scheduler does not say it.
  public init?(environment: [String: String] = ProcessInfo.processInfo.environment, count: Int? = nil) {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    if let task = number("SLURM_ARRAY_TASK_ID"), let count = count ?? number("SLURM_ARRAY_TASK_COUNT") {
      let index = task - (number("SLURM_ARRAY_TASK_MIN") ?? 0)
      guard count > 0, (0..<count).contains(index) else { return nil }
      self.init(index, of: count)
    } else if let index = number("JOB_COMPLETION_INDEX"), let count, (0..<count).contains(index) {
      self.init(index, of: count)
    } else {
      return nil
    }
  }

  /// `2/8`.
  public var description: String { "\(index)/\(count)" }

  /// The file of this part of a kernel.
  func path(of kernel: String) -> String { count == 1 ? kernel : "\(kernel).\(index)-of-\(count)" }
}
