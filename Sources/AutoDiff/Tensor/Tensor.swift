/// An array of numbers of any rank, or the trace of one: the value that all code here computes with.
///
/// A tensor is immutable and has value semantics; copying it copies a reference. It holds either numbers in memory or,
/// inside a transform such as ``gradient(of:at:)`` or `vmap`, a value that a `Trace` follows. Code that computes
/// with tensors need not know which.
public struct Tensor: Sendable {
  var node: Node

  init(node: Node) { self.node = node }

  /// The extent of every axis; empty for a single number. Inside `vmap` the example axis is hidden.
  public var shape: [Int] { node.shape }

  /// The type of the entries.
  public var scalarType: ScalarType { node.scalarType }

  /// The number of axes.
  public var rank: Int { node.shape.count }

  /// The number of entries.
  public var count: Int { node.shape.product }

  /// Whether a transform is following this tensor.
  public var isTraced: Bool { node.level > 0 }
}

/// What a tensor refers to: numbers in memory (``ArrayNode``) or a value that a trace follows.
package class Node: @unchecked Sendable {
  final let shape: [Int]
  /// The level of the trace that follows this value; 0 for numbers in memory.
  final let level: Int
  // The small fields stand last, where subclasses fill up the word: nodes of numbers and of tapes then have one size, and
  // the allocator finds the memory of one for the other.
  final let scalarType: ScalarType
  /// Whether there are so many numbers in memory that freeing them early is worth an object that stands for them.
  final let holdsMuchMemory: Bool

  init(shape: [Int], scalarType: ScalarType, level: Int, holdsMuchMemory: Bool = false) {
    self.shape = shape
    self.scalarType = scalarType
    self.level = level
    self.holdsMuchMemory = holdsMuchMemory
  }
}

/// Numbers in memory, seen through strides.
///
/// A tensor with a single entry keeps it inside the node: an operation on numbers then costs one allocation. Only such a
/// tensor may do without memory, which the initializer sees to: a node without storage always has one entry.
final class ArrayNode: Node, @unchecked Sendable {
  /// Where the numbers are. One structure, because a class with one field that needs destroying is freed faster.
  private struct Memory {
    let storage: Storage?
    let strides: [Int]?
    let offset: Int
  }

  /// Whether the memory was another node's, which counts its views.
  private let isView: Bool

  private let memory: Memory
  /// The single entry, if `storage` is nil. A Double holds every Float.
  let single: Double

  /// The memory; nil where the node holds its single entry itself.
  var storage: Storage? { memory.storage }
  /// Where the entry at index 0 stands in it, in entries.
  var offset: Int { memory.offset }
  /// The distance of neighbors along every axis, in entries; nil for row-major order without gaps.
  var strides: [Int]? { memory.strides }

  init(shape: [Int], scalarType: ScalarType, storage: Storage, offset: Int, strides: [Int]?, isView: Bool = false) {
    self.isView = isView
    memory = Memory(storage: storage, strides: strides, offset: offset)
    single = 0
    super.init(shape: shape, scalarType: scalarType, level: 0, holdsMuchMemory: storage.byteCount >= 4096)
  }

  init(shape: [Int], scalarType: ScalarType, single: Double) {
    if shape.contains(where: { $0 != 1 }) { Self.stopWithoutStorage(shape) }
    isView = false
    memory = Memory(storage: nil, strides: nil, offset: 0)
    self.single = single
    super.init(shape: shape, scalarType: scalarType, level: 0)
  }

  @inline(never)
  private static func stopWithoutStorage(_ shape: [Int]) -> Never {
    stop("Tensor", "a tensor without memory must have one entry", got: "shape \(shape)")
  }

  deinit {
    // Without this, a tensor of which a part was once looked at could never again be changed in place.
    if isView { memory.storage?.removeView() }
  }

  /// Calls `body` with the address of the entry at index 0.
  @inline(__always)
  func withAddress<T: LoopScalar, R>(_ type: T.Type, _ body: (UnsafePointer<T>) throws -> R) rethrows -> R {
    // `body` stands here once: it is inlined, and nested calls would double the code at every level.
    try withUnsafePointer(to: T(single)) { inline in
      let address = storage.map { UnsafePointer($0.base.assumingMemoryBound(to: T.self)) + offset } ?? inline
      defer { withExtendedLifetime(self) {} }
      return try body(address)
    }
  }

  /// Calls `body` with the address of the entry at index 0, whatever its type.
  @inline(__always)
  func withAddress<R>(_ body: (UnsafeRawPointer) -> R) -> R {
    // `body` stands here once, as above. Numbers stand in the low bytes of a word, which come first in memory.
    let bits = perType(scalarType, double: single.bitPattern, float: UInt64(Float(single).bitPattern))
    return withUnsafePointer(to: bits.littleEndian) { inline in
      let address =
        storage.map { UnsafeRawPointer($0.base) + offset * scalarType.byteCount } ?? UnsafeRawPointer(inline)
      defer { withExtendedLifetime(self) {} }
      return body(address)
    }
  }

  /// Whether the entries lie in row-major order without gaps.
  var isContiguous: Bool { @inline(__always) get { memory.strides == nil } }

  /// The strides, those of row-major order included.
  var explicitStrides: [Int] { strides ?? shape.rowMajorStrides }

  /// The same entries in row-major order without gaps.
  var contiguous: ArrayNode {
    if isContiguous { return self }
    let strides = explicitStrides
    func copy<T: LoopScalar>(_: T.Type) -> ArrayNode {
      .make(shape, T.self, for: "copy") { target in
        withAddress(T.self) { StridedCopy.copy(StridedView(base: $0, shape: shape, strides: strides), to: target) }
      }
    }
    return perType(scalarType, double: copy(Double.self), float: copy(Float.self))
  }

  /// A new array whose entries `fill` writes in row-major order. Where memory cannot hold it, it stops and names the
  /// operation.
  @inline(__always)
  static func make<T: LoopScalar>(
    _ shape: [Int], _ type: T.Type, for operation: @autoclosure () -> String,
    _ fill: (UnsafeMutablePointer<T>) throws -> Void
  ) rethrows -> ArrayNode {
    let count = shape.entryCount(operation())
    var single: T = 0
    let storage = count == 1 ? nil : Storage.allocate(byteCount: count * MemoryLayout<T>.stride)
    if storage == nil, count != 1 { stopForMemory(shape, T.scalarType, operation()) }
    try withUnsafeMutablePointer(to: &single) { inline in
      try fill(storage?.base.assumingMemoryBound(to: T.self) ?? inline)
    }
    guard let storage else { return ArrayNode(shape: shape, scalarType: T.scalarType, single: Double(single)) }
    return ArrayNode(shape: shape, scalarType: T.scalarType, storage: storage, offset: 0, strides: nil)
  }

  /// Another view of the same memory: of no entry, of one, or of many. A node that holds its single entry itself gets
  /// memory for a view of any other number of entries.
  func view(shape: [Int], strides: [Int], offset: Int) -> ArrayNode {
    let count = shape.product
    if count == 1 {
      guard let storage else { return ArrayNode(shape: shape, scalarType: scalarType, single: single) }
      let value = perType(
        scalarType, double: storage.base.assumingMemoryBound(to: Double.self)[offset],
        float: Double(storage.base.assumingMemoryBound(to: Float.self)[offset]))
      return ArrayNode(shape: shape, scalarType: scalarType, single: value)
    }
    let storage = storage ?? storageOfSingle()
    storage.addView()
    return ArrayNode(
      shape: shape, scalarType: scalarType, storage: storage, offset: offset,
      strides: strides.describesRowMajorOrder(of: shape) ? nil : strides, isView: true)
  }

  /// Memory that holds the single entry.
  private func storageOfSingle() -> Storage {
    guard let storage = Storage.allocate(byteCount: scalarType.byteCount) else { stopForMemory([], scalarType, "view") }
    perType(
      scalarType, double: storage.base.storeBytes(of: single, as: Double.self),
      float: storage.base.storeBytes(of: Float(single), as: Float.self))
    return storage
  }
}

/// The shape of a tensor whose entries were not kept.
final class ShapeNode: Node, @unchecked Sendable {
  static let level = -1
  /// The level of the trace that followed the tensor.
  let formerLevel: Int

  init(_ shape: [Int], _ scalarType: ScalarType, formerLevel: Int = 0) {
    self.formerLevel = formerLevel
    super.init(shape: shape, scalarType: scalarType, level: Self.level)
  }
}

extension Tensor {
  /// What stands for a value whose entries a rule of differentiation does not look at.
  static func withheld(_ shape: [Int], _ scalarType: ScalarType) -> Tensor {
    Tensor(node: ShapeNode(shape, scalarType))
  }

  /// The shape alone where that saves memory worth mentioning; else the tensor.
  var shapeOnly: Tensor {
    guard node.holdsMuchMemory else { return self }
    return Tensor(node: ShapeNode(node.shape, node.scalarType, formerLevel: node.level))
  }

  /// The numbers of an untraced tensor. Evaluation rules receive nothing else.
  var array: ArrayNode {
    if node.level != 0 { stopWithoutNumbers() }
    return unsafeDowncast(node, to: ArrayNode.self)
  }

  @inline(never)
  private func stopWithoutNumbers() -> Never {
    if node.level == ShapeNode.level {
      stop(
        "Tensor", "a rule of differentiation looked at entries that were not kept for it",
        hint: "Name them in the primitive's residuals.")
    }
    stop(
      "Tensor", "the numbers of a value inside a transform cannot be used here", hint: "Compute with tensor operations."
    )
  }

  /// A tensor of new numbers, which `fill` writes in row-major order. Where memory cannot hold it, it stops and names the
  /// operation. (A primitive says `make` without a dot, which names the primitive.)
  @inline(__always)
  static func make<T: LoopScalar>(
    _ shape: [Int], _ type: T.Type, for operation: @autoclosure () -> String,
    _ fill: (UnsafeMutablePointer<T>) throws -> Void
  ) rethrows -> Tensor {
    Tensor(node: try ArrayNode.make(shape, type, for: operation(), fill))
  }

  /// A tensor of new numbers, which `fill` writes in row-major order; their type is known when the program runs.
  @inline(__always)
  static func make(
    _ shape: [Int], _ type: ScalarType, for operation: @autoclosure () -> String,
    _ fill: (UnsafeMutableRawPointer) -> Void
  ) -> Tensor {
    make(shape, count: shape.entryCount(operation()), type, for: operation(), fill)
  }

  /// The same where the number of entries is known.
  @inline(__always)
  static func make(
    _ shape: [Int], count: Int, _ type: ScalarType, for operation: @autoclosure () -> String,
    _ fill: (UnsafeMutableRawPointer) -> Void
  ) -> Tensor {
    let storage = count == 1 ? nil : Storage.allocate(byteCount: count * type.byteCount)
    if storage == nil, count != 1 { stopForMemory(shape, type, operation()) }
    var bits: UInt64 = 0
    withUnsafeMutablePointer(to: &bits) { inline in fill(storage?.base ?? UnsafeMutableRawPointer(inline)) }
    guard let storage else {
      bits = UInt64(littleEndian: bits)
      let single = perType(
        type, double: Double(bitPattern: bits), float: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))))
      return Tensor(node: ArrayNode(shape: shape, scalarType: type, single: single))
    }
    return Tensor(node: ArrayNode(shape: shape, scalarType: type, storage: storage, offset: 0, strides: nil))
  }

  /// Calls `body` with the entries of an untraced tensor in row-major order.
  @inline(__always)
  func withEntries<T: LoopScalar, R>(_ type: T.Type, _ body: (UnsafePointer<T>) throws -> R) rethrows -> R {
    try array.contiguous.withAddress(type, body)
  }

  /// Calls `body` with the strided entries of an untraced tensor.
  @inline(__always)
  func withView<T: LoopScalar, R>(_ type: T.Type, _ body: (StridedView<T>) throws -> R) rethrows -> R {
    let array = array
    return try array.withAddress(type) {
      try body(StridedView(base: $0, shape: array.shape, strides: array.explicitStrides))
    }
  }
}

extension Primitive {
  /// An output of new numbers, which `fill` writes in row-major order. Stops with the primitive's name where memory
  /// cannot hold it.
  @inline(__always)
  func make<T: LoopScalar>(
    _ shape: [Int], _ type: T.Type, _ fill: (UnsafeMutablePointer<T>) throws -> Void
  ) rethrows -> Tensor {
    try .make(shape, type, for: name, fill)
  }
}
