/// Vectors that are not full: the ends of rows.
extension LaneVector where Element: LoopScalar {
  /// Loads the first `count` entries of at least one and at most all; the others are `padding`.
  @inline(__always)
  init(_ address: UnsafePointer<Element>, upTo count: Int, padding: Element = 0) {
    if count == Self.count {
      self.init(address)
    } else {
      self.init(repeating: padding)
      withUnsafeMutableBytes(of: &self) { copyFew(count, from: address, to: $0.baseAddress!, Element.self) }
    }
  }

  /// Stores the first `count` entries.
  @inline(__always)
  func store(_ address: UnsafeMutablePointer<Element>, upTo count: Int) {
    if count == Self.count { return store(address) }
    withUnsafeBytes(of: self) { copyFew(count, from: $0.baseAddress!, to: address, Element.self) }
  }
}

/// Copies less than a vector in powers of two; calling the system's function for copying would take longer.
@inline(__always)
func copyFew<T>(_ count: Int, from x: UnsafeRawPointer, to y: UnsafeMutableRawPointer, _: T.Type) {
  let byteCount = count * MemoryLayout<T>.stride
  var place = 0
  @inline(__always) func copy<Part: BitwiseCopyable>(_: Part.Type) {
    if byteCount & MemoryLayout<Part>.size == 0 { return }
    y.storeBytes(of: x.loadUnaligned(fromByteOffset: place, as: Part.self), toByteOffset: place, as: Part.self)
    place += MemoryLayout<Part>.size
  }
  copy(SIMD4<UInt64>.self)
  copy(SIMD2<UInt64>.self)
  copy(UInt64.self)
  copy(UInt32.self)
}

/// Calls `body` with uninitialized memory for `count` values, on the stack where that is little.
@inline(__always)
func withStackScratch<T>(_ type: T.Type, _ count: Int, _ body: (UnsafeMutablePointer<T>) -> Void) {
  if count * MemoryLayout<T>.stride > 1024 { return withPooledScratch(type, count, body) }
  withUnsafeTemporaryAllocation(of: type, capacity: count) { body($0.baseAddress!) }
}
