/// The zeros that surround an image before a window slides over it.
public enum Padding: Hashable, Sendable {
  /// None: the window never leaves the image.
  case valid
  /// As few as it takes for ⌈extent / stride⌉ places of the window; an odd one goes to the end.
  case same
  /// So many rows and columns on each side.
  case explicit(top: Int, bottom: Int, left: Int, right: Int)

  /// The same number of rows and columns on all sides.
  public static func explicit(_ all: Int) -> Padding { .explicit(top: all, bottom: all, left: all, right: all) }
}

extension SlidingWindow {
  /// A window with the padding that a caller asked for. Stops with the name of the operation where it fits nowhere.
  init(
    _ operation: String, size: (rows: Int, columns: Int), strides: (rows: Int, columns: Int), padding: Padding,
    dilation: (rows: Int, columns: Int) = (1, 1), on image: RowsAndColumns
  ) {
    self.init(
      size: .init(size.rows, size.columns), strides: .init(strides.rows, strides.columns),
      dilation: .init(dilation.rows, dilation.columns))
    switch padding {
    case .valid: break
    case .same:
      guard min(size.rows, size.columns, strides.rows, strides.columns) > 0 else { break }
      self = paddedToSame(on: image)
    case .explicit(let top, let bottom, let left, let right):
      self.padding = .init(top: top, bottom: bottom, left: left, right: right)
    }
    check(operation, on: image)
  }
}
