/// A function whose derivatives are given by hand instead of being traced.
///
/// - Parameters:
///   - f: the function of any number of tensors. It must not capture a value that is being differentiated: pass it as an
///     input.
///   - name: what messages call the function.
///   - jvp: the derivative along tangents: inputs, their tangents (all present), output ↦ the output's tangent.
///   - vjp: the pullback: inputs, output, the output's cotangent ↦ the cotangent of every input.
/// - Returns: the function with these rules, for both modes, to any order: the rules are differentiated in turn, and
///   batched with the function.
public func withDerivative(
  of f: @escaping @Sendable ([Tensor]) -> Tensor, name: String = "withDerivative",
  jvp: @escaping @Sendable (_ inputs: [Tensor], _ tangents: [Tensor], _ output: Tensor) -> Tensor,
  vjp: @escaping @Sendable (_ inputs: [Tensor], _ output: Tensor, _ cotangent: Tensor) -> [Tensor]
) -> @Sendable ([Tensor]) -> Tensor {
  let primitive = CustomFunction(name: name, rules: CustomRules(value: f, jvp: jvp, vjp: vjp))
  return { bind(primitive, $0) }
}

private struct CustomRules: Sendable {
  let value: @Sendable ([Tensor]) -> Tensor
  let jvp: @Sendable ([Tensor], [Tensor], Tensor) -> Tensor
  let vjp: @Sendable ([Tensor], Tensor, Tensor) -> [Tensor]
}

private struct CustomFunction: Primitive {
  let name: String
  let rules: CustomRules

  func shape(of inputs: Inputs) -> [Int] { evaluateOnZeros(inputs).shape }

  /// The function alone knows the shape of its output.
  private func evaluateOnZeros(_ inputs: Inputs) -> Tensor {
    rules.value(inputs.map { Tensor.zeros($0.shape, as: $0.scalarType) })
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let output = rules.value(Array(inputs))
    guard !output.isTraced else {
      stop("the function must not capture a value that a transform follows", hint: "Pass it as an input.")
    }
    return output
  }
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? {
    rules.jvp(Array(inputs), inputs.indices.map { tangents[$0] ?? .zeros(like: inputs[$0]) }, output)
  }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? {
    let cotangents = rules.vjp(Array(inputs), output, cotangent)
    guard cotangents.count == inputs.count else {
      stop("the vjp must return a cotangent for every input", got: "\(cotangents.count) for \(inputs.count)")
    }
    guard cotangents[argument].shape == inputs[argument].shape else {
      stop(
        "a cotangent must have its input's shape",
        got: "\(cotangents[argument].shape) for input \(argument) of shape \(inputs[argument].shape)")
    }
    return cotangents[argument]
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    // The batched function with the batched rules is one primitive at the level below.
    let flags = Array(isBatched)
    let rules = rules
    let batched = CustomRules(
      value: { mapExamples($0, flags, size) { rules.value($0) } },
      jvp: { x, t, y in
        mapExamples(x + t + [y], flags + flags + [true], size) { all in
          rules.jvp(Array(all[..<x.count]), Array(all[x.count..<2 * x.count]), all[2 * x.count])
        }
      },
      vjp: { x, y, v in
        x.indices.map { argument in
          let all = mapExamples(x + [y, v], flags + [true, true], size) {
            rules.vjp(Array($0[..<x.count]), $0[x.count], $0[x.count + 1])[argument]
          }
          // A shared input collects the cotangents of all examples.
          return flags[argument] ? all : all.sum(axes: [0])
        }
      })
    return dispatch(CustomFunction(name: name, rules: batched), inputs)
  }
}

/// Runs `f` on every example; inputs without a flag are shared.
private func mapExamples(_ inputs: [Tensor], _ isBatched: [Bool], _ size: Int, _ f: ([Tensor]) -> Tensor) -> Tensor {
  let trace = Batch(size: size)
  defer { trace.close() }
  return trace.reveal(f(zip(inputs, isBatched).map { $1 ? trace.hide($0) : $0 }))
}
