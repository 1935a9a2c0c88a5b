/// Operations that overwrite memory which nobody else refers to. They have the value semantics of all others.
extension Tensor {
  /// self += factor · other, in place where no other tensor shares the memory.
  ///
  /// - Parameters:
  ///   - other: broadcast against self as by `+`; shapes that do not agree stop, as do different scalar types.
  ///   - factor: multiplies every entry of `other`.
  public mutating func add(_ other: Tensor, scaledBy factor: Double = 1) {
    factor == 1 ? update(Add(), other) : update(AddScaled(factor: factor), other)
  }

  /// Adds, in place where no other tensor shares the memory.
  public static func += (a: inout Tensor, b: Tensor) { a.update(Add(), b) }
  /// Subtracts, in place where no other tensor shares the memory.
  public static func -= (a: inout Tensor, b: Tensor) { a.update(Subtract(), b) }
  /// Multiplies entry by entry, in place where no other tensor shares the memory.
  public static func *= (a: inout Tensor, b: Tensor) { a.update(Multiply(), b) }
  /// Divides entry by entry, in place where no other tensor shares the memory.
  public static func /= (a: inout Tensor, b: Tensor) { a.update(Divide(), b) }
  /// Adds a number to every entry, in place where no other tensor shares the memory.
  public static func += (x: inout Tensor, c: Double) { x.update(Offset(offset: c)) }
  /// Subtracts a number from every entry, in place where no other tensor shares the memory.
  public static func -= (x: inout Tensor, c: Double) { x.update(Offset(offset: -c)) }
  /// Multiplies every entry by a number, in place where no other tensor shares the memory.
  public static func *= (x: inout Tensor, c: Double) { x.update(Scale(factor: c)) }
  /// Divides every entry by a number, in place where no other tensor shares the memory.
  public static func /= (x: inout Tensor, c: Double) { x.update(DivideByConstant(divisor: c)) }

  /// self = primitive(self, other).
  private mutating func update<P: BinaryElementwise>(_ primitive: P, _ other: Tensor) {
    guard other.node.level == 0, other.shape == shape, other.scalarType == scalarType, isUniquelyReferenced else {
      self = bindBroadcast(primitive, self, other)
      return
    }
    let target = array.storage!.base + array.offset * scalarType.byteCount
    other.array.contiguous.withAddress {
      VectorMap.binary(scalarType, UnsafeRawPointer(target), $0, target, count: count, primitive)
    }
  }

  /// self = primitive(self).
  private mutating func update<P: UnaryElementwise>(_ primitive: P) {
    guard isUniquelyReferenced else {
      self = bind(primitive, .one(self))
      return
    }
    let target = array.storage!.base + array.offset * scalarType.byteCount
    VectorMap.unary(scalarType, UnsafeRawPointer(target), target, count: count, primitive)
  }

  /// Whether this is the only reference to contiguous numbers in memory.
  var isUniquelyReferenced: Bool {
    mutating get {
      guard node.level == 0, isKnownUniquelyReferenced(&node) else { return false }
      return array.isContiguous && array.storage?.isShared == false
    }
  }

  /// The memory that ``isUniquelyReferenced`` has found to be this tensor's alone.
  func ownMemory<T: LoopScalar>(_: T.Type) -> UnsafeMutablePointer<T> {
    array.storage!.base.assumingMemoryBound(to: T.self) + array.offset
  }
}
