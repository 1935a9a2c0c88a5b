extension Convolution {
  /// Writes the entries under the window at every place, zeros where it leaves the image.
  ///
  /// - Shapes: `x` as `inputShape`; `patches` `[images.count, rows, columns, groups * patchCount]`, the entries of one
  ///   patch in the order (group, row of the window, column, channel), so the convolution is the product of each
  ///   group's patches with its weights.
  static func patches<T: LoopScalar>(
    _ geometry: ConvolutionGeometry, images: Range<Int>, of x: UnsafePointer<T>, into patches: UnsafeMutablePointer<T>
  ) {
    let loop = PatchLoop(geometry)
    let rowLength = loop.columns.places * geometry.groups * geometry.patchCount
    ThreadTeam.run(images.count * loop.rows.places) { task in
      let image = images.lowerBound + task / loop.rows.places, place = task % loop.rows.places
      let to = patches + task * rowLength
      let present = loop.rows.entries(at: place)
      for entry in 0..<loop.rows.size {
        guard present ~= entry else {
          loop.forEachRun(ofWindowRow: entry) { _, start, length, _ in (to + start).update(repeating: 0, count: length)
          }
          continue
        }
        let from = x + (image * geometry.input.rows + loop.rows.coordinate(of: entry, at: place)) * loop.rowPitch
        loop.forEachRun(ofWindowRow: entry) { source, start, length, copied in
          (to + start).update(repeating: 0, count: copied.lowerBound)
          (to + start + copied.lowerBound).update(from: from + source, count: copied.count)
          (to + start + copied.upperBound).update(repeating: 0, count: length - copied.upperBound)
        }
      }
    }
  }

  /// The adjoint of ``patches(_:images:of:into:)``: adds up what the patches hold of each entry of the input.
  ///
  /// - Shapes: `patches` and `images` as there; `dx` `[images.count, rows, columns, inputChannels]`.
  static func patchesAdjoint<T: LoopScalar>(
    _ geometry: ConvolutionGeometry, images: Range<Int>, of patches: UnsafePointer<T>,
    into dx: UnsafeMutablePointer<T>
  ) {
    let loop = PatchLoop(geometry)
    let rowLength = loop.columns.places * geometry.groups * geometry.patchCount
    // A task owns one row of the input, so every entry has one writer and a fixed order of terms.
    ThreadTeam.run(images.count * geometry.input.rows) { task in
      let image = task / geometry.input.rows, row = task % geometry.input.rows
      let to = dx + task * loop.rowPitch
      to.update(repeating: 0, count: loop.rowPitch)
      for entry in 0..<loop.rows.size {
        guard let place = loop.rows.place(of: entry, on: row) else { continue }
        let from = patches + (image * loop.rows.places + place) * rowLength
        loop.forEachRun(ofWindowRow: entry) { source, start, _, copied in
          addChannels(from + start + copied.lowerBound, to: to + source, copied.count)
        }
      }
    }
  }
}

/// Adds `scale` times `count` contiguous entries to others.
@inline(__always)
func addChannels<T: LoopScalar>(
  _ from: UnsafePointer<T>, times scale: T = 1, to target: UnsafeMutablePointer<T>, _ count: Int
) {
  let lanes = T.Lanes.count
  let factor = T.Lanes(repeating: scale)
  var i = 0
  while i + lanes <= count {
    T.Lanes(target + i).adding(T.Lanes(from + i), times: factor).store(target + i)
    i += lanes
  }
  while i < count {
    target[i] += from[i] * scale
    i += 1
  }
}

/// The walk through the patches of one row of places that copying and its adjoint share.
private struct PatchLoop {
  let rows: SlidingAxis
  let columns: SlidingAxis
  /// The distance between the rows of an image.
  let rowPitch: Int

  private let channels: Int
  private let groups: Int
  private let groupChannels: Int
  private let patchCount: Int

  init(_ geometry: ConvolutionGeometry) {
    rows = geometry.window.rowAxis(on: geometry.input)
    columns = geometry.window.columnAxis(on: geometry.input)
    channels = geometry.inputChannels
    groups = geometry.groups
    groupChannels = geometry.groupInputChannels
    patchCount = geometry.patchCount
    rowPitch = geometry.input.columns * channels
  }

  /// Calls `body` for each contiguous part of a row of the window at each place: where its first present entry lies in
  /// the row of the image, where the part starts in the row of patches, its length, and which of it lies on the image.
  @inline(__always)
  func forEachRun(
    ofWindowRow entry: Int, _ body: (_ source: Int, _ start: Int, _ length: Int, _ copied: Range<Int>) -> Void
  ) {
    let width = columns.size * groupChannels
    for place in 0..<columns.places {
      let present = columns.entries(at: place)
      let patch = place * groups * patchCount + entry * width
      if groups == 1 && columns.dilation == 1 {
        let source = present.isEmpty ? 0 : columns.coordinate(of: present.lowerBound, at: place) * channels
        body(source, patch, width, present.lowerBound * channels..<present.upperBound * channels)
        continue
      }
      for group in 0..<groups {
        for tap in 0..<columns.size {
          let isPresent = present ~= tap
          let source = isPresent ? columns.coordinate(of: tap, at: place) * channels + group * groupChannels : 0
          body(
            source, patch + group * patchCount + tap * groupChannels, groupChannels,
            0..<(isPresent ? groupChannels : 0))
        }
      }
    }
  }
}
