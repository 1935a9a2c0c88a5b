import AutoDiff

/// The modes of two nested derivatives, as the suite names them: the outer one first, `f` for forward, `r` for reverse.
enum Nesting: String, CaseIterable {
  case rr, ff, fr, rf

  var outer: DifferentiationMode { self == .rr || self == .rf ? .reverse : .forward }
  var inner: DifferentiationMode { self == .rr || self == .fr ? .reverse : .forward }
}

/// The value of a function of a point and its gradient, by the given mode.
func valueWithGradient(
  of f: @escaping (Tensor) -> Tensor, at x: Tensor, by mode: DifferentiationMode
) -> (value: Tensor, gradient: Tensor) {
  switch mode {
  case .reverse: return valueWithGradient(of: f, at: x)
  case .forward:
    let basis = Tensor.eye(x.count).reshaped(to: [x.count] + x.shape)
    let results = vmap { (direction: Tensor) in
      let (value, slope) = jvp(of: f, at: x, along: direction)
      return Pair(value, slope)
    }(basis)
    return (results.first[0], results.second.reshaped(to: x.shape))
  }
}

/// Where a function is least, by the suite's gradient descent: the step doubles after ten successes and halves after each
/// failure. The loop is one of a program, through which derivatives pass.
///
/// - Source: GradBench, cpp/gradbench/gd.hpp.
func minimizer(of f: @escaping (Tensor) -> Tensor, from start: Tensor, by mode: DifferentiationMode) -> Tensor {
  let (value, slope) = valueWithGradient(of: f, at: start, by: mode)
  let initial = Descent(
    x: start, value: value, slope: slope, step: Tensor(1e-5), successes: Tensor(0), moves: Tensor(1))
  let last = repeated(while: { isLong($0.slope) * $0.moves }, initial) { state in
    let isDue = state.successes .== 10
    let step = select(isDue, state.step * 2, state.step)
    let next = state.x - step * state.slope
    let moves = isLong(next - state.x)
    let (value, slope) = valueWithGradient(of: f, at: next, by: mode)
    let isBetter = moves * (value .< state.value)
    return Descent(
      x: select(isBetter, next, state.x), value: select(isBetter, value, state.value),
      slope: select(isBetter, slope, state.slope), step: select(isBetter, step, step / 2),
      successes: isBetter * (select(isDue, 0, state.successes) + 1), moves: moves)
  }
  // Nothing is less than what is no number.
  return select((value - value) .== 0, last.x, .nan)
}

/// 1 where a vector is longer than the suite's tolerance, else 0.
private func isLong(_ x: Tensor) -> Tensor { square(x).sum() .> 1e-5 * 1e-5 }

/// Where a descent stands.
private struct Descent: TensorTree {
  var x, value, slope, step, successes: Tensor
  /// Whether the last step was long enough to go on.
  var moves: Tensor

  mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
    for path in [\Self.x, \.value, \.slope, \.step, \.successes, \.moves] { body(&self[keyPath: path]) }
  }
}
