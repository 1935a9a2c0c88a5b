import Foundation
import Synchronization
import Testing

@testable import AutoDiff

@Suite struct SmallBlocksTests {
  private struct Block: @unchecked Sendable {
    let address: UnsafeMutableRawPointer, words: Int, mark: Int

    init(words: Int, mark: Int) {
      (self.words, self.mark) = (words, mark)
      address = SmallBlocks.take(8 * words)!
      address.initializeMemory(as: Int.self, repeating: mark, count: words)
    }

    /// Nobody else has written here.
    func checkAndGiveBack() {
      let entries = UnsafeBufferPointer(start: address.assumingMemoryBound(to: Int.self), count: words)
      #expect(entries.allSatisfy { $0 == mark })
      #expect(UInt(bitPattern: address) % 64 == 0)
      SmallBlocks.give(address, 8 * words)
    }
  }

  /// Blocks that come and go on several threads, some of them freed on another thread than they were made on, are nobody
  /// else's as long as they live.
  @Test func blocksInUseAreNobodyElses() {
    let handedOver = Mutex<[Block]>([])
    DispatchQueue.concurrentPerform(iterations: 6) { thread in
      var random = RandomGenerator(seed: UInt64(thread))
      var live: [Block] = []
      for round in 0..<3000 {
        let words = Int.random(in: SmallBlocks.smallest / 8..<BufferPool.smallestBlock / 8, using: &random)
        live.append(Block(words: words, mark: thread << 32 + round))
        if live.count <= 20 { continue }
        let old = live.remove(at: Int.random(in: 0..<live.count, using: &random))
        if round % 3 > 0 {
          old.checkAndGiveBack()
        } else {
          handedOver.withLock { others -> Block? in
            others.append(old)
            return others.count > 10 ? others.removeFirst() : nil
          }?.checkAndGiveBack()
        }
      }
      for block in live { block.checkAndGiveBack() }
    }
    for block in handedOver.withLock({ $0 }) { block.checkAndGiveBack() }
  }

  @Test func aBlockIsFoundAgain() async {
    await #expect(processExitsWith: .success) {
      let block = SmallBlocks.take(5000)!
      SmallBlocks.give(block, 5000)
      guard SmallBlocks.take(4900) == block else { fatalError("another block") }
      SmallBlocks.give(block, 5000)
      guard SmallBlocks.retainedBytes >= 5000 else { fatalError("not kept") }
      releasePooledMemory()
      guard SmallBlocks.retainedBytes == 0 else { fatalError("kept") }
    }
  }

  @Test func littleIsKept() async {
    await #expect(processExitsWith: .success) {
      setenv("AUTODIFF_POOL_BYTES", "100000000", 1)
      for byteCount in stride(from: 1024, to: 32768, by: 512) {
        let blocks = (0..<200).map { _ in SmallBlocks.take(byteCount)! }
        for block in blocks { SmallBlocks.give(block, byteCount) }
      }
      guard (200_000...1_000_000).contains(SmallBlocks.retainedBytes) else {
        fatalError("\(SmallBlocks.retainedBytes) bytes are kept")
      }
    }
  }
}
