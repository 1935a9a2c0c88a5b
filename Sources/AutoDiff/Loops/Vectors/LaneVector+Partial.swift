/// Vectors that are not full: the ends of rows.
extension LaneVector where Element: LoopScalar {
  /// Loads the first `count` entries of at least one and at most all; the others are `padding`.
  @inline(__always)
  init(_ address: UnsafePointer<Element>, upTo count: Int, padding: Element = 0) {
    if count == Self.count {
      self.init(address)
    } else {
      var part = Self(repeating: padding)
      let byteCount = count * MemoryLayout<Element>.stride
      withUnsafeMutableBytes(of: &part) { copyFew(byteCount, from: address, to: $0.baseAddress!) }
      self = part
    }
  }

  /// Stores the first `count` entries.
  @inline(__always)
  func store(_ address: UnsafeMutablePointer<Element>, upTo count: Int) {
    if count == Self.count { return store(address) }
    let byteCount = count * MemoryLayout<Element>.stride
    withUnsafeBytes(of: self) { copyFew(byteCount, from: $0.baseAddress!, to: address) }
  }
}

/// Copies less than a vector in powers of two; calling the system's function for copying would take longer.
@inline(never)
func copyFew(_ byteCount: Int, from x: UnsafeRawPointer, to y: UnsafeMutableRawPointer) {
  var done = 0
  @inline(__always) func copy<Part: BitwiseCopyable>(_: Part.Type) {
    if byteCount & MemoryLayout<Part>.size == 0 { return }
    y.storeBytes(of: x.loadUnaligned(fromByteOffset: done, as: Part.self), toByteOffset: done, as: Part.self)
    done += MemoryLayout<Part>.size
  }
  copy(SIMD4<UInt64>.self)
  copy(SIMD2<UInt64>.self)
  copy(UInt64.self)
  copy(UInt32.self)
}

/// Calls `body` with uninitialized memory for `count` values, on the stack where that is little.
@inline(__always)
func withStackScratch<T>(_ type: T.Type, _ count: Int, _ body: (UnsafeMutablePointer<T>) -> Void) {
  // `body` stands here once, and the stack's part has a constant size, for else it would be compiled two and three times.
  let byteCount = count * MemoryLayout<T>.stride
  withUnsafeTemporaryAllocation(of: type, capacity: 1024 / MemoryLayout<T>.stride) { stack in
    let pooled = byteCount > 1024 ? BufferPool.takeOrStop(byteCount) : nil
    body(pooled?.bindMemory(to: type, capacity: count) ?? stack.baseAddress!)
    if let pooled { BufferPool.give(pooled, byteCount) }
  }
}
