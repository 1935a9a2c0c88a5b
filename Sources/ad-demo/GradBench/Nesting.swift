import AutoDiff

/// The modes of two nested derivatives, as the suite names them: the outer one first, `f` for forward, `r` for reverse.
enum Nesting: String, CaseIterable {
  case rr, ff, fr, rf

  var outer: DifferentiationMode { self == .rr || self == .rf ? .reverse : .forward }
  var inner: DifferentiationMode { self == .rr || self == .fr ? .reverse : .forward }
}

/// The gradient of a function of a point, by the given mode.
func gradient(of f: (Tensor) -> Tensor, at x: Tensor, by mode: DifferentiationMode) -> Tensor {
  switch mode {
  case .reverse: return gradient(of: f, at: x)
  case .forward:
    let basis = Tensor.eye(x.count).reshaped(to: [x.count] + x.shape)
    return stack((0..<x.count).map { directionalDerivative(of: f, at: x, along: basis[$0]) }).reshaped(to: x.shape)
  }
}

/// Where a function is least, by the suite's gradient descent: the step doubles after ten successes and halves after each
/// failure. The loop is ordinary Swift, through which derivatives pass.
///
/// - Source: GradBench, cpp/gradbench/gd.hpp.
func minimizer(of f: (Tensor) -> Tensor, from start: Tensor, by mode: DifferentiationMode) -> Tensor {
  var x = start
  var value = f(x)
  // Nothing is less than what is no number.
  guard value.scalar.isFinite else { return x * .nan }
  var slope = gradient(of: f, at: x, by: mode)
  var step = 1e-5
  var successes = 0
  while slope.norm().scalar > 1e-5 {
    if successes == 10 {
      step *= 2
      successes = 0
      continue
    }
    let next = x - step * slope
    if (next - x).norm().scalar <= 1e-5 { break }
    let nextValue = f(next)
    if nextValue.scalar < value.scalar {
      (x, value) = (next, nextValue)
      slope = gradient(of: f, at: x, by: mode)
      successes += 1
    } else {
      step /= 2
      successes = 0
    }
  }
  return x
}
