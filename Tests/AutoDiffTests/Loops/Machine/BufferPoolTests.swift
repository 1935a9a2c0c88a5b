import Foundation
import Testing

@testable import AutoDiff

@Suite(.serialized) struct BufferPoolTests {
  @Test func blockHoldsWhatItsClassPromises() {
    for byteCount in Array(1...5000) + (12...45).flatMap({ [(1 << $0) - 1, 1 << $0, (1 << $0) + 1, 5 << $0] }) {
      let block = BufferPool.blockBytes(ofClass: BufferPool.sizeClass(of: max(8, byteCount)))
      #expect(block >= byteCount)
      #expect(block <= max(8, byteCount + byteCount / 4))
    }
    #expect(BufferPool.blockBytes(ofClass: BufferPool.sizeClass(of: 1 << 20)) == 1 << 20)
  }

  @Test(arguments: [0, 1, 15, 16, 1000, 32767, 32768, 32769, 100_000, 5 << 20])
  func storageIsWritable(byteCount: Int) {
    let storage = Storage.allocate(byteCount: byteCount)!
    #expect(storage.byteCount == byteCount)
    #expect(UInt(bitPattern: storage.base) % (byteCount < SmallBlocks.smallest ? 16 : 64) == 0)
    memset(storage.base, 7, byteCount)
    for offset in [0, byteCount / 2, byteCount - 1] where (0..<byteCount).contains(offset) {
      #expect(storage.base.load(fromByteOffset: offset, as: UInt8.self) == 7)
    }
  }

  @Test func largeBlockIsReused() {
    // A size that no other test asks for.
    let byteCount = 11_111_111
    let first = Storage.allocate(byteCount: byteCount)!.base
    let second = Storage.allocate(byteCount: byteCount - 5)!.base
    #expect(first == second)
  }

  @Test func blocksInUseDoNotOverlap() {
    let blocks = (0..<40).map { Storage.allocate(byteCount: 40_000 + 1000 * $0)! }
    for (index, block) in blocks.enumerated() { memset(block.base, Int32(index), block.byteCount) }
    for (index, block) in blocks.enumerated() {
      #expect((0..<block.byteCount).allSatisfy { block.base.load(fromByteOffset: $0, as: UInt8.self) == UInt8(index) })
    }
  }

  @Test func scratchIsAlignedAndReturnsResult() {
    for count in [0, 1, 7, 5000, 100_000] {
      let sum = withPooledScratch(Double.self, count) { memory in
        #expect(UInt(bitPattern: memory) % 64 == 0)
        for index in 0..<count { memory[index] = 1 }
        return (0..<count).reduce(0) { $0 + memory[$1] }
      }
      #expect(sum == Double(count))
    }
  }

  /// Views take no memory, however many entries they show; what these are copied to does.
  @Test func scratchThatMemoryCannotHoldStops() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor(2).broadcast(to: [1 << 44]).sum()
    }
    #expect(result.message.contains("memory: scratch must fit into the memory of"), "\(result.message.suffix(300))")
  }

  @Test func threadsShareThePool() {
    let done = DispatchGroup()
    for thread in 0..<6 {
      done.enter()
      Thread {
        for round in 0..<500 {
          let storage = Storage.allocate(byteCount: 33_000 + 4000 * ((round + thread) % 5))!
          storage.base.storeBytes(of: thread, as: Int.self)
          storage.base.storeBytes(of: thread, toByteOffset: storage.byteCount / 16 * 8, as: Int.self)
          #expect(storage.base.load(as: Int.self) == thread)
        }
        done.leave()
      }.start()
    }
    done.wait()
  }

  @Test func memoryIsGivenBack() {
    for byteCount in [50_000, 3_000_000] { _ = Storage.allocate(byteCount: byteCount)! }
    releasePooledMemory()
    // Other tests run at the same time, so little may have come back, but not more than the capacity.
    #expect(BufferPool.retainedBytes <= BufferPool.capacity)
  }

  @Test func capacityBoundsWhatIsKept() async {
    await #expect(processExitsWith: .success) {
      setenv("AUTODIFF_POOL_BYTES", "1000000", 1)
      for round in 0..<20 {
        let blocks = (1...10).map { _ in Storage.allocate(byteCount: 50_000 * (round % 3 + 1))! }
        withExtendedLifetime(blocks) {}
      }
      guard BufferPool.retainedBytes > 500_000, BufferPool.retainedBytes <= 1_000_000 else { fatalError() }
      _ = Storage.allocate(byteCount: 2_000_000)!
      guard BufferPool.retainedBytes <= 1_000_000 else { fatalError() }
      releasePooledMemory()
      guard BufferPool.retainedBytes == 0 else { fatalError() }
    }
  }

  /// After a large phase what a small one does not need goes back, and what it needs stays.
  @Test func aLargePhaseIsForgotten() async {
    await #expect(processExitsWith: .success) {
      let large = 8 << 20
      // What cannot be had is not counted.
      guard BufferPool.take(.max) == nil, BufferPool.take(MachineMemory.byteCount + 1) == nil else { fatalError() }
      for _ in 0..<3 {
        let blocks = (1...40).map { _ in Storage.allocate(byteCount: large)! }
        withExtendedLifetime(blocks) {}
      }
      let before = BufferPool.retainedBytes
      guard before >= 40 * large else { fatalError("The pool keeps only \(before) bytes.") }
      // A round that began in the large phase, and four of which each is half as long as the one before.
      var delivered = 0
      while delivered < 12 * before {
        let blocks = (1...8).map { _ in Storage.allocate(byteCount: 1 << 20)! }
        withExtendedLifetime(blocks) {}
        delivered += 8 << 20
      }
      let after = BufferPool.retainedBytes
      guard after <= before / 16, after >= 8 << 20 else { fatalError("The pool keeps \(after) bytes of \(before).") }
    }
  }

  /// A computation that repeats itself finds its blocks again, however long a repetition is.
  @Test func whatRepeatsIsKept() async {
    await #expect(processExitsWith: .success) {
      func repetition() -> [UnsafeMutableRawPointer] {
        // Much is held until the end while little comes and goes, as on a tape.
        var held: [Storage] = []
        for _ in 0..<60 {
          held.append(Storage.allocate(byteCount: 3 << 20)!)
          for _ in 0..<2 { _ = Storage.allocate(byteCount: 1 << 20)! }
        }
        return held.map(\.base)
      }
      let blocks = Set(repetition())
      for _ in 0..<50 {
        guard Set(repetition()) == blocks else { fatalError("Blocks were not found again.") }
      }
    }
  }

  @Test func capacityThatIsNoNumberStops() async {
    await #expect(processExitsWith: .failure) {
      setenv("AUTODIFF_POOL_BYTES", "lots", 1)
      _ = Storage.allocate(byteCount: 100_000)!
    }
  }
}
