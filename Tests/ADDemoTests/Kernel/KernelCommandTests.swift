import AutoDiff
import Foundation
import Testing

@testable import ad_demo

/// The command `kernel` as a user calls it: killed, continued, divided and joined.
@Suite(.serialized) struct KernelCommandTests {
  private static let call = "\"$AD\" kernel --examples 120 --width 8 --tile 8"

  @Test func aKilledRunIsContinuedToTheSameBytes() throws {
    // Killed again and again, a little later each time, until one comes through.
    let result = try HostileCallTests.shell(
      """
      \(Self.call) --output whole >/dev/null || exit 1
      runs=0
      while [ ! -e o/kernel.npy ]; do
        runs=$((runs + 1))
        \(Self.call) --output o >/dev/null & process=$!
        sleep 0.$((runs / 10))$((runs % 10))
        kill -KILL $process 2>/dev/null
        wait $process
        [ $runs -lt 99 ] || exit 2
      done
      # It may have been killed between its last two steps.
      if [ -e o/kernel.npy.journal ]; then \(Self.call) --output o >/dev/null || exit 3; fi
      cmp o/kernel.npy whole/kernel.npy && echo $runs
      """)
    #expect(result.status == 0, "\(result.complaint)")
    #expect(Int(result.output.dropLast()) ?? 0 >= 1)
    #expect(!result.files.contains { $0.hasPrefix("o/kernel.npy.") }, "\(result.files)")
  }

  @Test func partsAreComputedAndJoined() throws {
    let result = try HostileCallTests.shell(
      """
      \(Self.call) --output whole >/dev/null || exit 1
      \(Self.call) --output o --shard 1/3 >/dev/null || exit 2
      \(Self.call) --output o --merge 3 2>complaint && exit 3
      JOB_COMPLETION_INDEX=2 \(Self.call) --output o --shard auto/3 >/dev/null || exit 4
      SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=3 \(Self.call) --output o --shard auto >/dev/null || exit 5
      \(Self.call) --output o --merge 3 >/dev/null || exit 6
      cat complaint
      cmp o/kernel.npy whole/kernel.npy
      """)
    #expect(result.status == 0, "\(result.complaint)")
    #expect(result.output.contains("part 0/3 has no journal here"))
    #expect(result.files.filter { $0.hasPrefix("o/") } == ["o/kernel.npy", "o/kernel.svg", "o/spectrum.svg"])
  }

  @Test func anotherNetworksFileIsNotContinued() throws {
    let result = try HostileCallTests.shell(
      """
      timeout -s KILL 0.3 \(Self.call) --output o >/dev/null
      [ -e o/kernel.npy.journal ] && [ ! -e o/kernel.npy ] || { echo finished; exit 0; }
      grep -q symmetric o/kernel.npy.journal || { echo unborn; exit 0; }
      \(Self.call) --seed 1 --output o
      """)
    if result.output.hasSuffix("finished\n") || result.output.hasSuffix("unborn\n") { return }
    #expect(result.status == 1 && result.complaint.contains("belongs to another computation: its parameters"))
  }

  @Test func aPlanIsPrintedBeforeTheWork() throws {
    let result = try HostileCallTests.shell(
      "\"$AD\" kernel --examples 200 --width 64 --outputs 3 --keep full --budget 16MiB --plan --output o")
    #expect(result.status == 0, "\(result.complaint)")
    #expect(result.output.contains("Plan     kernel [200, 200, 3, 3] (full), float64, 2.7 MiB, symmetric"))
    #expect(result.output.contains("4.weight"))
    #expect(result.files.isEmpty)
  }

  @Test(arguments: ["full", "flattened", "trace-sum", "output-diagonal", "example-diagonal"])
  func partsOfTheKernelAreKept(_ keep: String) throws {
    let result = try HostileCallTests.shell(
      "\"$AD\" kernel --examples 9 --width 4 --outputs 2 --keep \(keep) --output o --tile 4")
    #expect(result.status == 0, "\(result.complaint)")
    let shape =
      ["full": "[9, 9, 2, 2]", "flattened": "[18, 18]", "trace-sum": "[9, 9]", "output-diagonal": "[9, 9, 2]"][keep]
      ?? "[9, 2, 2]"
    #expect(result.output.contains("Kernel   \(shape)"))
    let isMatrix = keep == "flattened" || keep == "trace-sum"
    #expect(result.files.contains("o/spectrum.svg") == isMatrix)
  }

  @Test(arguments: [("2GiB", 2 << 30), ("500MB", 500_000_000), ("1.5kib", 1536), ("77", 77), ("8B", 8)])
  func sizesAreRead(_ word: String, _ bytes: Int) { #expect(ByteCount(word: word)?.bytes == bytes) }

  @Test(arguments: ["", "-1", "0", "GiB", "1PB", "nan", "1 GB", "0x10", "1e400GB"])
  func meaninglessSizesAreNot(_ word: String) { #expect(ByteCount(word: word) == nil) }
}
