/// A two-dimensional convolution or one of its two gradients.
///
/// Input x, weights w and (co)tangent y of the output meet in one form, Σ y · (x ∗ w), which is linear in each. Fixing
/// two of them leaves a linear function of the third, whose coefficients are this primitive's result: for `.output` the
/// convolution x ∗ w, for `.input` and `.weights` its gradients. So the three are closed under differentiation: the
/// adjoint of any of them in one operand is the one whose result is that operand.
///
/// They are closed under batching too. A new axis is carried by the result and by those operands that vary:
/// - input and output: it is one more axis of images;
/// - weights and output: it multiplies the output's channels;
/// - input and weights: it multiplies the input's channels;
/// - all three: it is a *set* axis, along which independent convolutions run in parallel.
///
/// Shapes, with sets before and images after the set axes: input [sets..., images..., h, w, inputs], weights
/// [sets..., rows, columns, inputs / groups, outputs], output [sets..., images..., h', w', outputs].
package struct ConvolutionProduct: BilinearPrimitive, Hashable {
  /// What stands in the form, in the order of the operands.
  package enum Role: Sendable { case input, weights, output }

  /// What is computed from the other two.
  package let result: Role
  let window: SlidingWindow
  /// The extents of an image.
  let image: RowsAndColumns
  let groups: Int
  let setRank: Int

  package var name: String {
    switch result {
    case .output: "convolution"
    case .input: "convolutionInputGradient"
    case .weights: "convolutionWeightGradient"
    }
  }

  /// The roles of the two operands.
  private var operands: (Role, Role) {
    switch result {
    case .output: (.input, .weights)
    case .weights: (.input, .output)
    case .input: (.weights, .output)
    }
  }

  /// The same form, solved for another of its three parts.
  private func with(result: Role, setRank: Int? = nil) -> Self {
    .init(result: result, window: window, image: image, groups: groups, setRank: setRank ?? self.setRank)
  }

  package func shape(of inputs: Inputs) -> [Int] { extents(inputs[0].shape, inputs[1].shape).shape(of: result) }

  package func evaluate(_ inputs: Inputs) -> Tensor {
    perType(inputs[0].scalarType, double: evaluate(inputs, Double.self), float: evaluate(inputs, Float.self))
  }

  package func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let (first, second) = operands
    let other = inputs[1 - argument]
    let role = argument == 0 ? first : second
    let adjoint = with(result: role)
    // Of the adjoint's operands, the one in the role of this result is the cotangent.
    return dispatch(adjoint, adjoint.operands.0 == result ? .two(cotangent, other) : .two(other, cotangent))
  }

  package func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    guard size > 0 else {
      let shapes = inputs.indices.map { Array(inputs[$0].shape.dropFirst(isBatched[$0] ? 1 : 0)) }
      return .zeros([0] + extents(shapes[0], shapes[1]).shape(of: result), as: inputs[0].scalarType)
    }
    if isBatched[0], isBatched[1] { return dispatch(with(result: result, setRank: setRank + 1), inputs) }
    let (batched, shared) = isBatched[0] ? operands : (operands.1, operands.0)
    let folded = inputs.indices.map { isBatched[$0] ? fold(inputs[$0], batched, without: shared) : inputs[$0] }
    return unfold(dispatch(self, .two(folded[0], folded[1])), size: size, without: shared)
  }
  package func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds {
    let (a, b) = (inputs[0], inputs[1])
    let shape = shape(of: .two(a.range.lower, b.range.lower))
    let terms = Swift.max(a.shape.product, b.shape.product)
    return .bilinear(a, b, terms: terms) { argument, other in
      let structured = matrixNorm(of: other, as: argument == 0 ? operands.1 : operands.0)
      // Schur's test and the Frobenius norm of the map of this argument, which needs no matrix.
      let (ones, size) = (Tensor.ones(argument == 0 ? a.shape : b.shape), other.range.magnitude)
      let fixed = Inputs.two(argument == 0 ? ones : size, argument == 0 ? size : ones)
      let rowSums = evaluate(fixed)
      guard rowSums.count > 0, ones.count > 0 else { return 0 }
      let columnSums = vjp(fixed, output: rowSums, cotangent: .ones(shape), argument: argument)!
      let schur = rowSums.max().scalar.squareRoot() * columnSums.max().scalar.squareRoot()
      // Squares of shares of the largest, because those of small numbers are 0, which would bound nothing.
      let largest = size.max().scalar
      let shares = square(size / (largest > 0 ? largest : 1))
      let squares = evaluate(.two(argument == 0 ? ones : shares, argument == 0 ? shares : ones))
      let frobenius = (squares.sum().scalar + Double.leastNormalMagnitude).squareRoot() * largest
      return Swift.min(structured, Swift.min(schur, frobenius) * Rounding.up(terms: terms + shape.product))
    } _: {
      dispatch(self, .two($0, $1))
    }
  }

  /// A bound of the norm of the map of one part of the form to another, by the third one as a matrix: a convolution is the
  /// product of the patches with the weights, and the patches hold no entry more often than the window has places.
  private func matrixNorm(of part: ValueBounds, as role: Role) -> Double {
    guard groups == 1, setRank == 0, role != .output else { return .infinity }
    let places = Double(window.size.rows * window.size.columns).squareRoot()
    if role == .weights { return places * part.matrixNorm(batch: [], rows: [0, 1, 2], columns: [3]) * Rounding.up }
    func patches(_ x: Tensor) -> Tensor {
      let all = dispatch(ExtractPatches(window: window, image: image), .one(x))
      return all.reshaped(to: [1, -1, all.shape.last!])
    }
    return spectralNormBound(patches(part.initial.midpoint)) + frobeniusNormBound(patches(part.initial.radius))
      + places * part.deviation * Rounding.up
  }
}

// MARK: - Shapes

extension ConvolutionProduct {
  /// All extents of a call.
  fileprivate struct Extents {
    var sets: [Int]
    var images: [Int]
    var geometry: ConvolutionGeometry

    func shape(of role: Role) -> [Int] {
      switch role {
      case .input: sets + images + geometry.inputShape.dropFirst()
      case .weights: sets + geometry.weightShape
      case .output: sets + images + geometry.outputShape.dropFirst()
      }
    }
  }

  /// The extents that the operands agree on; stops if they do not.
  fileprivate func extents(_ a: [Int], _ b: [Int]) -> Extents {
    let (first, second) = operands
    let leastRank = setRank + 3
    guard a.count >= leastRank + (first == .weights ? 1 : 0), b.count >= leastRank + (second == .weights ? 1 : 0) else {
      stopAtShapes(a, b)
    }
    let images = first == .input ? a : b
    let inputChannels = first == .input ? a[a.count - 1] : a[a.count - 2] * groups
    let outputChannels = b[b.count - 1]
    let imageAxes = Array(images[setRank..<images.count - 3])
    let geometry = ConvolutionGeometry(
      images: imageAxes.product, input: image, inputChannels: inputChannels, outputChannels: outputChannels,
      window: window, groups: groups)
    geometry.check(name)
    let extents = Extents(sets: Array(a.prefix(setRank)), images: imageAxes, geometry: geometry)
    guard extents.shape(of: first) == a, extents.shape(of: second) == b else { stopAtShapes(a, b) }
    return extents
  }

  private func stopAtShapes(_ a: [Int], _ b: [Int]) -> Never {
    let shapes: [Role: String] = [
      .input: "an input [..., \(image.rows), \(image.columns), channels]",
      .weights: "weights [\(window.size.rows), \(window.size.columns), channels / \(groups), outputs]",
      .output: "an output's gradient [..., h, w, outputs]",
    ]
    stop("needs \(shapes[operands.0]!) and \(shapes[operands.1]!)", got: "\(a) and \(b)")
  }
}

// MARK: - Batching

extension ConvolutionProduct {
  /// The axis of a part that a new axis joins, and the groups that this axis consists of; nil where the new axis becomes
  /// one more of images. What becomes of it is told by the part that does not carry it.
  private func place(_ role: Role, _ rank: Int, without shared: Role) -> (axis: Int, groups: Int)? {
    switch (role, shared) {
    case (_, .weights): nil
    case (.weights, .output): (rank - 2, 1)
    default: (rank - 1, groups)
    }
  }

  /// Makes the leading axis of an operand a part of another axis.
  private func fold(_ part: Tensor, _ role: Role, without shared: Role) -> Tensor {
    guard let (axis, groups) = place(role, part.rank - 1, without: shared) else {
      return part.movingAxis(0, to: setRank)
    }
    // [size, ..., groups · channels, ...] → [..., groups, size, channels, ...] → [..., groups · size · channels, ...]
    let size = part.shape[0]
    var joined = Array(part.shape.dropFirst())
    var split = part.shape
    split.replaceSubrange(axis + 1...axis + 1, with: [groups, joined[axis] / groups])
    joined[axis] *= size
    return part.reshaped(to: split).movingAxis(0, to: axis + 1).reshaped(to: joined)
  }

  /// Takes the folded axis of the result out again.
  private func unfold(_ part: Tensor, size: Int, without shared: Role) -> Tensor {
    guard let (axis, groups) = place(result, part.rank, without: shared) else { return part.movingAxis(setRank, to: 0) }
    var joined = part.shape
    joined[axis] /= size
    var split = part.shape
    split.replaceSubrange(axis...axis, with: [groups, size, joined[axis] / groups])
    return part.reshaped(to: split).movingAxis(axis + 1, to: 0).reshaped(to: [size] + joined)
  }
}

// MARK: - Evaluation

extension ConvolutionProduct {
  /// From so many sets on, threads share the sets instead of the work in each.
  private static var setsForThreads: Int { 8 }

  private func evaluate<T: LoopScalar>(_ inputs: Inputs, _: T.Type) -> Tensor {
    let extents = extents(inputs[0].shape, inputs[1].shape)
    let geometry = extents.geometry
    let sets = extents.sets.product
    let shape = extents.shape(of: result)
    return make(shape, T.self) { target in
      inputs[0].withEntries(T.self) { a in
        inputs[1].withEntries(T.self) { b in
          if result == .weights, geometry.images == 1, sets > 1 {
            return Convolution.weightGradients(geometry.with(images: sets), a, b, into: target)
          }
          let (aCount, bCount) = (inputs[0].count / max(sets, 1), inputs[1].count / max(sets, 1))
          let count = shape.product / max(sets, 1)
          func run(_ set: Int) {
            let (p, q, result) = (a + set * aCount, b + set * bCount, target + set * count)
            switch self.result {
            case .output: Convolution.forward(geometry, p, q, into: result)
            case .weights: Convolution.weightGradient(geometry, p, q, into: result)
            case .input: Convolution.inputGradient(geometry, q, p, into: result)
            }
          }
          if sets >= Self.setsForThreads {
            ThreadTeam.run(sets, run)
          } else {
            for set in 0..<sets { run(set) }
          }
        }
      }
    }
  }
}

// MARK: - Public function

/// The two-dimensional convolution of images with weights (in the sense of networks: a correlation).
///
///     y[i, j, o] = Σ x[i · stride + r · dilation − padding, j · stride + s · dilation − padding, c] · w[r, s, c, o]
///
/// with the sum over r, s, and the channels c of the output's group; x is zero outside the image. Weights apply to the
/// window as they are, unflipped.
///
/// - Shapes: [..., h, w, inputs] and [rows, columns, inputs / groups, outputs] → [..., h', w', outputs], where
///   h' = ⌊(h + padding − (rows − 1) · dilation − 1) / stride⌋ + 1.
/// - Parameters:
///   - x: one image or, along leading axes, many; channels last.
///   - w: the weights.
///   - strides: the distances between neighboring places of the window, at least 1.
///   - padding: the zeros around an image; by default none.
///   - dilation: the distances between the entries under the window, at least 1.
///   - groups: how many parts the channels fall into, each of which only sees its own; it divides both.
/// - Returns: the convolution. It stops where channels do not fit or the window does not fit into the padded image.
/// - Complexity: 2 · h' · w' · rows · columns · inputs / groups · outputs flops per image; the patches are never formed.
///   Many weights at once under ``vmap(_:axis:outputAxis:)`` are more output channels, many images are more images.
public func convolution(
  _ x: Tensor, _ w: Tensor, strides: (rows: Int, columns: Int) = (1, 1), padding: Padding = .valid,
  dilation: (rows: Int, columns: Int) = (1, 1), groups: Int = 1
) -> Tensor {
  guard x.rank >= 3, w.rank == 4 else {
    stop(
      "convolution", "needs images [..., h, w, inputs] and weights [rows, columns, inputs / groups, outputs]",
      got: "\(x.shape) and \(w.shape)", hint: x.rank == 2 ? "Add an axis of channels with expanded(at: -1)." : nil)
  }
  let (inputs, image) = (x.shape[x.rank - 1], RowsAndColumns(x.shape[x.rank - 3], x.shape[x.rank - 2]))
  guard groups > 0, saturatingProduct(w.shape[2], groups) == inputs else {
    stop(
      "convolution", "weights must have inputs / groups channels",
      got: "\(inputs) inputs, \(groups) groups and weights \(w.shape)")
  }
  let window = SlidingWindow(
    "convolution", size: (w.shape[0], w.shape[1]), strides: strides, padding: padding, dilation: dilation, on: image)
  return bind(
    ConvolutionProduct(result: .output, window: window, image: image, groups: groups, setRank: 0), .two(x, w))
}
