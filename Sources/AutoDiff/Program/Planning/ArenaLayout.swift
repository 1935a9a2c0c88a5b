/// Shares memory out to blocks that do not live at the same time.
struct ArenaLayout {
  private(set) var byteCount = 0
  /// Free blocks in order of their places.
  private var free: [(offset: Int, byteCount: Int)] = []

  /// The place of a new block: the smallest free one that holds it, or at the end.
  mutating func take(_ bytes: Int) -> Int {
    let fitting = free.indices.filter { free[$0].byteCount >= bytes }.min { free[$0].byteCount < free[$1].byteCount }
    if let block = fitting {
      let offset = free[block].offset
      if free[block].byteCount == bytes {
        free.remove(at: block)
      } else {
        free[block].offset += bytes
        free[block].byteCount -= bytes
      }
      return offset
    }
    // A free block at the end grows.
    if let last = free.last, last.offset + last.byteCount == byteCount {
      free.removeLast()
      byteCount = last.offset + bytes
      return last.offset
    }
    byteCount += bytes
    return byteCount - bytes
  }

  /// Ends a block's life.
  mutating func give(_ offset: Int, _ bytes: Int) {
    var place = free.firstIndex { $0.offset > offset } ?? free.count
    free.insert((offset, bytes), at: place)
    if place + 1 < free.count, offset + bytes == free[place + 1].offset {
      free[place].byteCount += free[place + 1].byteCount
      free.remove(at: place + 1)
    }
    if place > 0, free[place - 1].offset + free[place - 1].byteCount == offset {
      place -= 1
      free[place].byteCount += free[place + 1].byteCount
      free.remove(at: place + 1)
    }
  }
}
