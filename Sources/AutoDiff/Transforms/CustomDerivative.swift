/// A function whose derivatives are given by hand, with both rules.
///
/// - Parameters:
///   - f: the function; its inputs and outputs are any trees of tensors. It is run on values that no transform follows,
///     or, under ``vmap(_:axis:outputAxis:)``, on those of one example; so it must not capture a value that is being
///     differentiated: pass it as an input.
///   - name: what messages call the function.
///   - jvp: the derivative along tangents: input, its tangent, output ↦ the output's tangent.
///   - vjp: the pullback: input, output, the output's cotangent ↦ the cotangent of the input.
/// - Returns: the function with these rules, for both modes, to any order: the rules are differentiated in turn, and
///   batched with the function. Tangents and cotangents of other shapes than promised stop.
public func withDerivative<In: TensorTree & Sendable, Out: TensorTree & Sendable>(
  of f: @escaping @Sendable (In) -> Out, name: String = "withDerivative",
  jvp: @escaping @Sendable (_ input: In, _ tangent: In, _ output: Out) -> Out,
  vjp: @escaping @Sendable (_ input: In, _ output: Out, _ cotangent: Out) -> In
) -> @Sendable (In) -> Out {
  custom(
    name, forward: { (f($0), [Tensor]()) }, jvp: { x, _, tangent, y in jvp(x, tangent, y) },
    vjp: { x, _, y, cotangent in vjp(x, y, cotangent) })
}

/// A function whose pullback is given by hand; see ``withDerivative(of:name:jvp:vjp:)``.
///
/// The forward derivative is the transpose of the pullback, which must therefore be linear in the cotangent.
public func withDerivative<In: TensorTree & Sendable, Out: TensorTree & Sendable>(
  of f: @escaping @Sendable (In) -> Out, name: String = "withDerivative",
  vjp: @escaping @Sendable (_ input: In, _ output: Out, _ cotangent: Out) -> In
) -> @Sendable (In) -> Out {
  custom(name, forward: { (f($0), [Tensor]()) }, jvp: nil, vjp: { x, _, y, cotangent in vjp(x, y, cotangent) })
}

/// A function whose forward derivative is given by hand; see ``withDerivative(of:name:jvp:vjp:)``.
///
/// The pullback is the transpose of the forward derivative, which must therefore be linear in the tangent.
public func withDerivative<In: TensorTree & Sendable, Out: TensorTree & Sendable>(
  of f: @escaping @Sendable (In) -> Out, name: String = "withDerivative",
  jvp: @escaping @Sendable (_ input: In, _ tangent: In, _ output: Out) -> Out
) -> @Sendable (In) -> Out {
  custom(name, forward: { (f($0), [Tensor]()) }, jvp: { x, _, tangent, y in jvp(x, tangent, y) }, vjp: nil)
}

/// A function whose pullback is given by hand, with values of the forward run that it needs again.
///
/// - Parameters:
///   - forward: input ↦ output, and residuals: any tree of tensors.
///   - name: what messages call the function.
///   - vjp: residuals, the output's cotangent ↦ the cotangent of the input. It is linear in the cotangent.
/// - Returns: the function with this rule, to any order; see ``withDerivative(of:name:jvp:vjp:)``. For derivatives of the
///   rule itself `forward` is run again and its residuals are differentiated.
public func withDerivative<In: TensorTree & Sendable, Out: TensorTree & Sendable, Kept: TensorTree & Sendable>(
  forward: @escaping @Sendable (In) -> (output: Out, residuals: Kept), name: String = "withDerivative",
  vjp: @escaping @Sendable (_ residuals: Kept, _ cotangent: Out) -> In
) -> @Sendable (In) -> Out {
  custom(name, forward: forward, jvp: nil, vjp: { _, kept, _, cotangent in vjp(kept, cotangent) })
}

/// The function of trees as a primitive of lists of tensors.
private func custom<In: TensorTree & Sendable, Out: TensorTree & Sendable, Kept: TensorTree & Sendable>(
  _ name: String, forward: @escaping @Sendable (In) -> (Out, Kept),
  jvp: (@Sendable (In, Kept, In, Out) -> Out)?, vjp: (@Sendable (In, Kept, Out, Out) -> In)?
) -> @Sendable (In) -> Out {
  @Sendable func call(_ x: In) -> Out {
    let leaves = x.leaves
    guard !leaves.isEmpty else { return forward(x).0 }
    // Structures without values: the rules stay on the tape, and must not refer to values that refer to the tape.
    let structure = x.emptied
    let made = Locked<(output: Out, residuals: Kept)?>(nil)
    @Sendable func input(_ leaves: [Tensor]) -> In { structure.replacingLeaves(with: leaves) }
    @Sendable func output(_ leaves: [Tensor]) -> Out { made.value!.output.replacingLeaves(with: leaves) }
    @Sendable func residuals(_ leaves: [Tensor]) -> Kept { made.value!.residuals.replacingLeaves(with: leaves) }
    let rules = CustomRules(
      forward: { leaves in
        let (output, residuals) = forward(input(leaves))
        made.value = (output.emptied, residuals.emptied)
        return (output.leaves, residuals.leaves)
      },
      jvp: jvp.map { rule -> CustomRules.Rule in
        { x, kept, tangents, y in rule(input(x), residuals(kept), input(tangents), output(y)).leaves }
      },
      vjp: vjp.map { rule -> CustomRules.Rule in
        { x, kept, y, cotangents in rule(input(x), residuals(kept), output(y), output(cotangents)).leaves }
      })
    let function = CustomFunction(name: name, rules: rules)
    return output(function.unpacked(dispatch(function, Inputs(leaves))))
  }
  return call
}

extension TensorTree {
  /// The structure alone: every leaf is the number 0.
  var emptied: Self { mapTensors { _ in .zero } }
}
