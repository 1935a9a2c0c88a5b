import AutoDiff
import Tangent
import Testing

/// Another way to write a model: with transforms around it, inside it, or around its parameters on their way into it.
struct Rewriting: Sendable, CustomTestStringConvertible {
  typealias Function = @Sendable (_ x: Tensor, _ p: [Tensor]) -> Tensor

  let name: String
  /// The model with the transform.
  let rewritten: @Sendable (@escaping Function) -> Function
  /// The same function of plain operations, given the parameters' values.
  let plain: @Sendable (@escaping Function, [Tensor]) -> Function

  var testDescription: String { name }

  init(
    _ name: String, _ rewritten: @escaping @Sendable (@escaping Function) -> Function,
    plain: @escaping @Sendable (@escaping Function, [Tensor]) -> Function = { f, _ in f }
  ) {
    (self.name, self.rewritten, self.plain) = (name, rewritten, plain)
  }

  /// A function of every parameter on its way into the model.
  init(
    weights name: String, _ change: @escaping @Sendable (Tensor) -> Tensor,
    plain: @escaping @Sendable (Tensor) -> Tensor
  ) {
    self.init(name, { f in { x, p in f(x, p.map(change)) } }, plain: { f, _ in { x, p in f(x, p.map(plain)) } })
  }
}

// MARK: - Around the model

extension Rewriting {
  /// x and p as one list, as the functions with derivatives by hand take them.
  private static func joined(_ f: @escaping Function) -> @Sendable ([Tensor]) -> Tensor {
    { z in f(z[0], Array(z[1...])) }
  }

  static let ofTheModel: [Rewriting] = [
    Rewriting("checkpoint of all") { f in { x, p in checkpoint(joined(f))([x] + p) } },
    Rewriting("checkpoint with captured parameters") { f in { x, p in checkpoint { f($0, p) }(x) } },
    Rewriting("checkpoint with a captured example") { f in { x, p in checkpoint { f(x, $0) }(p) } },
    Rewriting("withDerivative, jvp only") { f in
      let g = joined(f)
      let custom = withDerivative(of: g, jvp: { z, tangent, _ in jvp(of: g, at: z, along: tangent).tangent })
      return { x, p in custom([x] + p) }
    },
    Rewriting("withDerivative, vjp only") { f in
      let g = joined(f)
      let custom = withDerivative(of: g, vjp: { z, _, cotangent in vjp(of: g, at: z).pullback(cotangent) })
      return { x, p in custom([x] + p) }
    },
    Rewriting("withDerivative, both rules, of a pair") { f in
      let g = { @Sendable (z: Pair<Tensor, [Tensor]>) in f(z.first, z.second) }
      let custom = withDerivative(
        of: g, jvp: { z, tangent, _ in jvp(of: g, at: z, along: tangent).tangent },
        vjp: { z, _, cotangent in vjp(of: g, at: z).pullback(cotangent) })
      return { x, p in custom(Pair(x, p)) }
    },
    Rewriting("withDerivative with residuals") { f in
      let g = joined(f)
      let custom = withDerivative(
        forward: { @Sendable (z: [Tensor]) in (output: g(z), residuals: z) },
        vjp: { @Sendable (z: [Tensor], cotangent: Tensor) in vjp(of: g, at: z).pullback(cotangent) })
      return { x, p in custom([x] + p) }
    },
    Rewriting(
      "an inner vmap", { f in { x, p in vmap { f($0, p) }(stack([x, x * 0.5])) } },
      plain: { f, _ in { x, p in stack([f(x, p), f(x * 0.5, p)]) } }),
    Rewriting(
      "an inner vmap over the parameters too",
      { f in
        { x, p in
          vmap { (z: [Tensor]) in f(z[0], Array(z[1...])) }(([x] + p).map { stack([$0, $0 * 0.5]) })
        }
      }, plain: { f, _ in { x, p in stack([f(x, p), f(x * 0.5, p.map { $0 * 0.5 })]) } }),
    Rewriting(
      "a user's linear primitive behind it", { f in { x, p in bind(Doubled(), f(x, p)) } },
      plain: { f, _ in { x, p in f(x, p) * 2 } }),
    Rewriting(
      "a user's elementwise primitive behind it", { f in { x, p in bind(Squashed(), f(x, p)) } },
      plain: { f, _ in { x, p in tanh(f(x, p)) } }),
  ]
}

// MARK: - Around the parameters

extension Rewriting {
  @Sendable private static func sinOfDouble(_ w: Tensor) -> Tensor { sin(w * 2) * 3 }

  static let ofTheParameters: [Rewriting] = [
    Rewriting(weights: "checkpoint of a nonlinear function", { checkpoint(sinOfDouble)($0) }, plain: sinOfDouble),
    Rewriting(weights: "checkpoint of a linear function", { checkpoint { -($0 * 1.5) }($0) }) { -($0 * 1.5) },
    Rewriting(
      weights: "withDerivative, jvp only", withDerivative(of: { tanh($0) }, jvp: { _, v, y in v * (1 - y * y) })
    ) {
      tanh($0)
    },
    Rewriting(
      weights: "withDerivative, vjp only", withDerivative(of: { tanh($0) }, vjp: { _, y, v in v * (1 - y * y) })
    ) {
      tanh($0)
    },
    Rewriting(
      weights: "withDerivative, both rules",
      withDerivative(of: { exp($0) }, jvp: { _, v, y in v * y }, vjp: { _, y, v in v * y })
    ) { exp($0) },
    Rewriting(
      weights: "withDerivative with residuals",
      withDerivative(
        forward: { @Sendable (w: Tensor) in (output: sin(w), residuals: cos(w)) },
        vjp: { @Sendable (slope: Tensor, v: Tensor) in v * slope })
    ) { sin($0) },
    Rewriting(weights: "a vmap over rows", { $0.rank == 0 ? $0 * 1.5 : vmap { $0 * 1.5 }($0) }) { $0 * 1.5 },
    Rewriting(weights: "a nonlinear vmap over rows", { $0.rank == 0 ? sin($0) : vmap { sin($0) }($0) }) { sin($0) },
    Rewriting(weights: "a user's linear primitive", { bind(Doubled(), $0) }) { $0 * 2 },
    Rewriting(weights: "a user's linear primitive with its structure", { bind(Negated(), $0) }) { -$0 },
    Rewriting(weights: "a user's elementwise primitive", { bind(Squashed(), $0) }) { tanh($0) },
    Rewriting(weights: "there and back by a permutation") {
      let reversed = Array($0.shape.indices.reversed())
      return ($0.permuted(reversed) * 2).permuted(reversed)
    } plain: {
      $0 * 2
    },
    Rewriting(weights: "there and back by a vector") {
      ($0.flattened * 2).reshaped(to: $0.shape)
    } plain: {
      $0 * 2
    },
    Rewriting(weights: "a part of a stack") {
      stack([$0, $0 * 2, -$0])[1]
    } plain: {
      $0 * 2
    },
    Rewriting(weights: "a sum of repetitions") {
      $0.broadcast(to: [3] + $0.shape).sum(axes: [0])
    } plain: {
      $0 * 3
    },
    Rewriting(weights: "one of repetitions") {
      $0.broadcast(to: [3] + $0.shape)[1]
    } plain: {
      $0
    },
    Rewriting(weights: "two ways joined") {
      $0 * 2 + sin($0) - $0
    } plain: {
      $0 + sin($0)
    },
    Rewriting(weights: "half without a gradient") {
      ($0 + stopGradient($0)) * 0.5
    } plain: {
      // ∂/∂w of w/2 alone; what is added has the same value as the part that is followed.
      $0 * 0.5 + Tensor($0.scalars, shape: $0.shape, as: $0.scalarType) * 0.5
    },
    Rewriting(
      "a flat vector of all", { f in { x, p in f(x, p.replacingEntries(with: p.flattenedEntries * 1.5)) } },
      plain: { f, _ in { x, p in f(x, p.map { $0 * 1.5 }) } }),
    Rewriting(
      "checkpoint of a flat vector of all",
      { f in { x, p in f(x, checkpoint { (q: [Tensor]) in q.replacingEntries(with: q.flattenedEntries * 1.5) }(p)) } },
      plain: { f, _ in { x, p in f(x, p.map { $0 * 1.5 }) } }),
    Rewriting(
      "the first parameter without a gradient",
      { f in { x, p in f(x, [stopGradient(p[0])] + p.dropFirst()) } },
      plain: { f, values in { x, p in f(x, [values[0]] + p.dropFirst()) } }),
    Rewriting(
      "all but the first parameter without a gradient",
      { f in { x, p in f(x, [p[0]] + stopGradient(Array(p.dropFirst()))) } },
      plain: { f, values in { x, p in f(x, [p[0]] + values.dropFirst()) } }),
  ]

  /// Two rewritings, one inside the other. Those whose twin knows the parameters' values may only stand outside.
  static let pairs: [Rewriting] = {
    let inner = [
      ofTheModel[0], ofTheModel[1], ofTheModel[3], ofTheModel[4], ofTheModel[6], ofTheModel[7], ofTheParameters[0],
    ]
    let outer = inner + [ofTheModel[2], ofTheModel[8], ofTheParameters[4], ofTheParameters[10], ofTheParameters[19]]
    return inner.flatMap { a in
      outer.map { b in
        Rewriting(
          "\(a.name) inside \(b.name)", { b.rewritten(a.rewritten($0)) },
          plain: { f, values in b.plain(a.plain(f, values), values) })
      }
    }
  }()
}

// MARK: - Primitives from the public interface alone

/// 2 x, without any structure.
struct Doubled: LinearPrimitive {
  var name: String { "doubled" }
  func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
  func evaluate(_ inputs: Inputs) -> Tensor { inputs[0] * 2 }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor { bind(self, cotangent) }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { bind(self, inputs[0]) }
}

/// −x, which keeps outer products.
struct Negated: LinearPrimitive {
  var name: String { "negated" }
  func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
  func evaluate(_ inputs: Inputs) -> Tensor { -inputs[0] }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor { bind(self, cotangent) }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.scaled(by: -1)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { bind(self, inputs[0]) }
}

/// tanh x.
struct Squashed: ElementwisePrimitive {
  var name: String { "squashed" }
  func evaluate(_ inputs: Inputs) -> Tensor { tanh(inputs[0]) }
  func timesDerivative(_ v: Tensor, _ argument: Int, _ inputs: Inputs, _ output: Tensor) -> Tensor? {
    v * (1 - output * output)
  }
}
