/// The columns of a product, cut into panels of one or two vectors.
struct ConvolutionPanels {
  struct Panel {
    var first: Int
    /// The number of vectors.
    var vectors: Int
    /// The number of columns that exist.
    var count: Int
    /// The number of columns of the panels before it.
    var place: Int
  }

  let columns: Int
  let lanes: Int
  /// The number of vectors of a full panel.
  let mostVectors: Int
  /// Whether the last of several panels of one vector overlaps the one before, so that all its columns exist. Panels that
  /// threads write at the same time must not.
  let lastOverlaps: Bool

  init(columns: Int, lanes: Int, mostVectors: Int = ConvolutionTile.widestColumns, lastOverlaps: Bool = true) {
    (self.columns, self.lanes, self.mostVectors) = (columns, lanes, mostVectors)
    self.lastOverlaps = lastOverlaps && mostVectors == 1
  }

  /// The number of columns of a full panel.
  var widest: Int { mostVectors * lanes }
  var count: Int { (columns + widest - 1) / widest }
  /// The number of columns with those that fill the last vector.
  var paddedColumns: Int { (columns + lanes - 1) / lanes * lanes }

  subscript(index: Int) -> Panel {
    let place = index * widest
    let first = lastOverlaps ? max(0, min(place, columns - lanes)) : place
    let count = min(widest, columns - first)
    return .init(first: first, vectors: (count + lanes - 1) / lanes, count: count, place: place)
  }
}

/// A convolution whose groups have few columns each, above all a depthwise one with a single column.
///
/// It would leave most of a vector empty if each group were a product by itself. Instead the columns of all groups make
/// up the panels, and each column reads a channel of its own group. So the source is copied with channel `k` of group `g`
/// repeated for every column of the group, one panel after the other, so that a panel's part stays in the first-level
/// cache:
///
///     spread[panel, place, k, g · columns + column - panel.first] = source[place, g, k]
struct ChannelSpread {
  let groups: Int
  /// Channels and columns per group.
  let channels: Int
  let columns: Int
  let panels: ConvolutionPanels

  /// Nil unless a group has one or two columns, and a vector holds more: with more columns, the repeated copies would
  /// cost more than what they spare.
  init?(groups: Int, channels: Int, columns: Int, lanes: Int) {
    if groups == 1 || columns > 2 || 2 * columns > lanes { return nil }
    (self.groups, self.channels, self.columns) = (groups, channels, columns)
    panels = .init(columns: groups * columns, lanes: lanes, mostVectors: 1)
  }

  /// The number of entries of a place in one panel.
  var placePitch: Int { channels * panels.lanes }

  /// Spreads some places for one panel.
  func copy<T: LoopScalar>(
    _ panel: ConvolutionPanels.Panel, places: Int, from source: UnsafePointer<T>, to target: UnsafeMutablePointer<T>
  ) {
    let lanes = T.Lanes.count
    let pitch = groups * channels
    let first = source + panel.first / columns * channels
    if channels * columns == 1, panel.count == lanes {
      for place in 0..<places { T.Lanes(first + place * pitch).store(target + place * lanes) }
      return
    }
    for place in 0..<places {
      for channel in 0..<channels {
        let to = target + (place * channels + channel) * lanes
        let from = first + (place * pitch + channel)
        if channels * columns == 1 {
          T.Lanes(from, upTo: panel.count).store(to)
        } else if columns == 1 {
          for group in 0..<panel.count { to[group] = from[group * channels] }
        } else {
          // Panels begin and end between groups, because their bounds are even.
          for group in 0..<panel.count / 2 {
            let pair = SIMD2(repeating: from[group * channels])
            UnsafeMutableRawPointer(to + 2 * group).storeBytes(of: pair, as: SIMD2<T>.self)
          }
        }
      }
    }
  }
}
