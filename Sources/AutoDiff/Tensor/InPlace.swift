/// Operations that may overwrite memory which nobody else refers to. They have the value semantics of all others.
extension Tensor {
  /// self += factor · other, in place where no other tensor shares the memory; shapes must agree.
  public mutating func add(_ other: Tensor, scaledBy factor: Double = 1) {
    guard shape == other.shape, scalarType == other.scalarType, other.node.level == 0, hasMemoryOfItsOwn else {
      self = bind(AddScaled(factor: factor), .two(self, other))
      return
    }
    func run<T: LoopScalar>(_: T.Type) {
      let target = UnsafeMutablePointer(mutating: array.storage!.base.assumingMemoryBound(to: T.self)) + array.offset
      other.withEntries(T.self) {
        VectorMap.binary(UnsafePointer(target), $0, target, count: count, AddScaled(factor: factor))
      }
    }
    if scalarType == .float64 { run(Double.self) } else { run(Float.self) }
  }

  /// Whether this is the only reference to contiguous numbers in memory.
  private var hasMemoryOfItsOwn: Bool {
    mutating get {
      guard node.level == 0, isKnownUniquelyReferenced(&node) else { return false }
      let array = unsafeDowncast(node, to: ArrayNode.self)
      return array.strides == nil && array.storage != nil && isKnownUniquelyReferenced(&array.storage)
    }
  }
}
