/// A short list that needs no memory of its own while it holds one or two elements, as the operands of most primitives
/// do. On the way of every traced operation, an array would cost as much as the operation.
public enum ShortList<Element> {
  case one(Element)
  case two(Element, Element)
  case many([Element])
}

extension ShortList: Sendable where Element: Sendable {}

extension ShortList: RandomAccessCollection, ExpressibleByArrayLiteral {
  /// Makes a list of any length.
  @inlinable
  public init(_ elements: [Element]) {
    switch elements.count {
    case 1: self = .one(elements[0])
    case 2: self = .two(elements[0], elements[1])
    default: self = .many(elements)
    }
  }

  /// Makes a list from its elements.
  @inlinable
  public init(arrayLiteral elements: Element...) { self.init(elements) }

  /// 0.
  @inlinable public var startIndex: Int { 0 }

  /// The number of elements.
  @inlinable public var endIndex: Int {
    switch self {
    case .one: 1
    case .two: 2
    case .many(let elements): elements.count
    }
  }

  /// The element at a position; stops outside the list.
  @inlinable public subscript(position: Int) -> Element {
    @inline(__always) get {
      switch self {
      case .one(let a) where position == 0: return a
      case .two(let a, _) where position == 0: return a
      case .two(_, let b) where position == 1: return b
      case .many(let elements): return elements[position]
      default: stopOutside(position)
      }
    }
  }

  @usableFromInline @inline(never)
  func stopOutside(_ position: Int) -> Never {
    fatalError("ShortList: index \(position) lies outside 0..<\(count).")
  }

  /// The list of the transformed elements.
  @inlinable
  public func map<T>(_ transform: (Element) throws -> T) rethrows -> ShortList<T> {
    switch self {
    case .one(let a): .one(try transform(a))
    case .two(let a, let b): .two(try transform(a), try transform(b))
    case .many(let elements): .many(try elements.map(transform))
    }
  }
}
