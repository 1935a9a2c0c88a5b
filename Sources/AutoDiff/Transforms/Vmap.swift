/// Makes a function of one example a function of many.
///
/// The example axis is hidden from `f`, so examples cannot mix. Every operation then works on all examples at once.
///
/// - Parameters:
///   - f: a function of one example.
///   - axis: the axis of every input leaf along which the examples lie.
///   - outputAxis: where the example axis goes in every leaf of the result.
/// - Returns: the function of all examples. It stops if leaves have different numbers of examples. If `f` throws, so does
///   it.
public func vmap<A: TensorTree, Out: TensorTree>(
  _ f: @escaping (A) -> Out, axis: Int = 0, outputAxis: Int = 0
) -> (A) -> Out {
  { a in
    let hiding = Hiding([(a.leaves, axis)])
    defer { hiding.trace.close() }
    return hiding.reveal(f(hiding.hide(a, axis)), outputAxis)
  }
}

/// Makes a function of one example, with two inputs, a function of many; see ``vmap(_:axis:outputAxis:)``.
///
/// - Parameters:
///   - f: a function of one example.
///   - axes: for either input the axis along which the examples lie, or nil if all examples share the input.
///   - outputAxis: where the example axis goes in every leaf of the result.
public func vmap<A: TensorTree, B: TensorTree, Out: TensorTree>(
  _ f: @escaping (A, B) -> Out, axes: (Int?, Int?) = (0, 0), outputAxis: Int = 0
) -> (A, B) -> Out {
  { a, b in
    let hiding = Hiding([(a.leaves, axes.0), (b.leaves, axes.1)])
    defer { hiding.trace.close() }
    return hiding.reveal(f(hiding.hide(a, axes.0), hiding.hide(b, axes.1)), outputAxis)
  }
}

/// Makes a function of one example, with three inputs, a function of many; see ``vmap(_:axis:outputAxis:)``.
///
/// - Parameters:
///   - f: a function of one example.
///   - axes: for each input the axis along which the examples lie, or nil if all examples share the input.
///   - outputAxis: where the example axis goes in every leaf of the result.
public func vmap<A: TensorTree, B: TensorTree, C: TensorTree, Out: TensorTree>(
  _ f: @escaping (A, B, C) -> Out, axes: (Int?, Int?, Int?) = (0, 0, 0), outputAxis: Int = 0
) -> (A, B, C) -> Out {
  { a, b, c in
    let hiding = Hiding([(a.leaves, axes.0), (b.leaves, axes.1), (c.leaves, axes.2)])
    defer { hiding.trace.close() }
    return hiding.reveal(
      f(hiding.hide(a, axes.0), hiding.hide(b, axes.1), hiding.hide(c, axes.2)), outputAxis)
  }
}

// Functions that throw have overloads of their own. With a typed throw one declaration would do for both, but the compiler
// (6.3) crashes where such a function is called in generic code.

/// Makes a throwing function of one example a throwing function of many; see ``vmap(_:axis:outputAxis:)``.
@_disfavoredOverload
@_documentation(visibility: internal)
public func vmap<A: TensorTree, Out: TensorTree>(
  _ f: @escaping (A) throws -> Out, axis: Int = 0, outputAxis: Int = 0
) -> (A) throws -> Out {
  { a in
    let hiding = Hiding([(a.leaves, axis)])
    defer { hiding.trace.close() }
    return hiding.reveal(try f(hiding.hide(a, axis)), outputAxis)
  }
}

/// Makes a throwing function of one example, with two inputs, a throwing function of many.
///
/// - Parameters:
///   - f: a function of one example.
///   - axes: for either input the axis along which the examples lie, or nil if all examples share the input.
///   - outputAxis: where the example axis goes in every leaf of the result.
@_disfavoredOverload
@_documentation(visibility: internal)
public func vmap<A: TensorTree, B: TensorTree, Out: TensorTree>(
  _ f: @escaping (A, B) throws -> Out, axes: (Int?, Int?) = (0, 0), outputAxis: Int = 0
) -> (A, B) throws -> Out {
  { a, b in
    let hiding = Hiding([(a.leaves, axes.0), (b.leaves, axes.1)])
    defer { hiding.trace.close() }
    return hiding.reveal(try f(hiding.hide(a, axes.0), hiding.hide(b, axes.1)), outputAxis)
  }
}

/// Makes a throwing function of one example, with three inputs, a throwing function of many.
///
/// - Parameters:
///   - f: a function of one example.
///   - axes: for each input the axis along which the examples lie, or nil if all examples share the input.
///   - outputAxis: where the example axis goes in every leaf of the result.
@_disfavoredOverload
@_documentation(visibility: internal)
public func vmap<A: TensorTree, B: TensorTree, C: TensorTree, Out: TensorTree>(
  _ f: @escaping (A, B, C) throws -> Out, axes: (Int?, Int?, Int?) = (0, 0, 0), outputAxis: Int = 0
) -> (A, B, C) throws -> Out {
  { a, b, c in
    let hiding = Hiding([(a.leaves, axes.0), (b.leaves, axes.1), (c.leaves, axes.2)])
    defer { hiding.trace.close() }
    return hiding.reveal(
      try f(hiding.hide(a, axes.0), hiding.hide(b, axes.1), hiding.hide(c, axes.2)), outputAxis)
  }
}

/// One call of a batched function: hides the example axis of inputs and shows that of outputs.
private struct Hiding {
  let trace: Batch

  init(_ inputs: [(leaves: [Tensor], axis: Int?)]) {
    var size: Int?
    for (leaves, axis) in inputs {
      guard let axis else { continue }
      for leaf in leaves {
        guard leaf.rank > 0 else { stop("vmap", "a batched input needs an axis of examples", got: "a single number") }
        let extent = leaf.shape[normalizedAxis(axis, rank: leaf.rank, "vmap")]
        if let size, size != extent {
          stop("vmap", "all inputs must have the same number of examples", got: "\(size) and \(extent)")
        }
        size = extent
      }
    }
    guard let size else { stop("vmap", "at least one input must be batched") }
    trace = Batch(size: size)
  }

  func hide<T: TensorTree>(_ tree: T, _ axis: Int?) -> T {
    tree.checkAllTensorsAreListed()
    guard let axis else { return tree }
    return tree.mapTensors { trace.hide($0.movingAxis(axis, to: 0)) }
  }

  func reveal<T: TensorTree>(_ tree: T, _ axis: Int) -> T {
    tree.mapTensors { leaf in
      let all = trace.reveal(leaf)
      return all.movingAxis(0, to: normalizedAxis(axis, rank: all.rank, "vmap"))
    }
  }
}
