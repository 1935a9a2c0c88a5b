/// Two-dimensional convolution of images `[n, h, w, cin]` with weights `[kh, kw, cin / groups, cout]`, and its adjoints.
///
/// All are products with the matrix of patches, computed by one register tile (``ConvolutionTile``) that reads the
/// patches where they are. Results do not depend on the number of threads.
enum Convolution {
  /// The convolution `y = x ∗ w`.
  ///
  /// - Shapes: `x` as `inputShape`, `w` as `weightShape`, `y` as `outputShape` of the geometry; all contiguous.
  static func forward<T: LoopScalar>(
    _ geometry: ConvolutionGeometry, _ x: UnsafePointer<T>, _ w: UnsafePointer<T>, into y: UnsafeMutablePointer<T>
  ) {
    let window = geometry.window
    let pass = ConvolutionPass<T>(
      images: geometry.images, source: geometry.input, target: geometry.output,
      rows: .forward(window.rowAxis(on: geometry.input)), columns: .forward(window.columnAxis(on: geometry.input)),
      groups: geometry.groups, channels: geometry.groupInputChannels, columnCount: geometry.groupOutputChannels)
    pass.run(
      x, into: y,
      weights: .init(
        base: w, columnsOfWindow: window.size.columns, tapStride: geometry.groupInputChannels * geometry.outputChannels,
        channelStride: geometry.outputChannels, columnStride: 1, groupStride: geometry.groupOutputChannels))
  }

  /// The gradient of `⟨dy, x ∗ w⟩` with respect to `x`.
  ///
  /// - Shapes: `dy` as `outputShape`, `w` as `weightShape`, `dx` as `inputShape` of the geometry; all contiguous.
  static func inputGradient<T: LoopScalar>(
    _ geometry: ConvolutionGeometry, _ dy: UnsafePointer<T>, _ w: UnsafePointer<T>, into dx: UnsafeMutablePointer<T>
  ) {
    let window = geometry.window
    for row in ConvolutionAxis.adjoint(window.rowAxis(on: geometry.input)) {
      for column in ConvolutionAxis.adjoint(window.columnAxis(on: geometry.input)) {
        let pass = ConvolutionPass<T>(
          images: geometry.images, source: geometry.output, target: geometry.input, rows: row, columns: column,
          groups: geometry.groups, channels: geometry.groupOutputChannels, columnCount: geometry.groupInputChannels)
        pass.run(
          dy, into: dx,
          weights: .init(
            base: w, columnsOfWindow: window.size.columns,
            tapStride: geometry.groupInputChannels * geometry.outputChannels, channelStride: 1,
            columnStride: geometry.outputChannels, groupStride: geometry.groupOutputChannels))
      }
    }
  }
}
