import Dispatch
import Foundation
import Testing

@testable import AutoDiff

/// A value used after its transform, or on another thread than the transform's, stops and says so.
@Suite struct EndOfTraceTests {
  /// Where a value comes from.
  enum Origin: String, CaseIterable, Codable {
    case gradient, valueWithGradient, vjp, jvp, vmap, hvp, hessian, linearize, jacobian, checkpoint, nested

    /// An intermediate value of a function, taken out of the transform.
    func leak() -> Tensor {
      var leaked = Tensor(0)
      let f = { (x: Tensor) -> Tensor in
        let y = sin(x) * x
        leaked = y
        return y * x
      }
      let (x, v) = (Tensor(0.5), Tensor(1))
      switch self {
      case .gradient: _ = AutoDiff.gradient(of: f, at: x)
      case .valueWithGradient: _ = AutoDiff.valueWithGradient(of: f, at: x)
      case .vjp: _ = AutoDiff.vjp(of: f, at: x).pullback(v)
      case .jvp: _ = AutoDiff.jvp(of: f, at: x, along: v)
      case .vmap: _ = AutoDiff.vmap(f)(Tensor([1, 2]))
      case .hvp: _ = AutoDiff.hvp(of: f, at: x, along: v)
      case .hessian: _ = AutoDiff.hessian(of: f, at: x)
      case .linearize: _ = AutoDiff.linearize(f, at: x).derivative(v)
      case .jacobian: _ = AutoDiff.jacobian(of: f, at: x)
      case .checkpoint: _ = AutoDiff.gradient(of: { AutoDiff.checkpoint(f)($0) }, at: x)
      case .nested: _ = AutoDiff.vmap { (x: Tensor) in AutoDiff.gradient(of: f, at: x) }(Tensor([1, 2]))
      }
      return leaked
    }
  }

  /// Where it is used.
  enum Use: String, CaseIterable, Codable {
    case alone, withAConstant, gradient, jvp, vmap, hvp, linearize, checkpoint, onAnotherThread

    func use(_ leaked: Tensor) {
      let f = { (x: Tensor) in x * leaked }
      let (x, v) = (Tensor(0.5), Tensor(1))
      switch self {
      case .alone: _ = exp(leaked)
      case .withAConstant: _ = Tensor(2) * leaked
      case .gradient: _ = AutoDiff.gradient(of: f, at: x)
      case .jvp: _ = AutoDiff.jvp(of: f, at: x, along: v)
      case .vmap: _ = AutoDiff.vmap(f)(Tensor([1, 2]))
      case .hvp: _ = AutoDiff.hvp(of: f, at: x, along: v)
      case .linearize: _ = AutoDiff.linearize(f, at: x)
      case .checkpoint: _ = AutoDiff.gradient(of: { AutoDiff.checkpoint(f)($0) }, at: x)
      case .onAnotherThread: onThread { _ = exp(leaked) }
      }
    }
  }

  private static let ended =
    "a value was used after the transform that followed it had ended. Return it from the transformed closure instead of "
    + "storing it outside."

  @Test(arguments: Origin.allCases) func aLeakedValueStops(_ origin: Origin) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [origin = origin as Origin] in
      Use.alone.use(origin.leak())
    }
    #expect(result.message.contains("exp: " + Self.ended), "\(result.message)")
  }

  @Test(arguments: [Origin.gradient, .vmap, .jvp], Use.allCases)
  func aLeakedValueStopsWhereverItIsUsed(_ origin: Origin, _ use: Use) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [origin = origin as Origin, use = use as Use] in
      use.use(origin.leak())
    }
    #expect(result.message.contains(Self.ended), "\(result.message)")
  }

  /// An outer transform is still at work when a value of an inner one is used.
  @Test(arguments: [Origin.gradient, .vmap, .jvp, .hvp]) func aValueOfAnInnerTransformStops(_ origin: Origin) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [origin = origin as Origin] in
      _ = gradient(of: { (x: Tensor) in x * origin.leak() }, at: Tensor(1))
    }
    #expect(result.message.contains("multiply: " + Self.ended), "\(result.message)")
  }

  /// What a checkpoint forgets cannot be used, though the transform around it is still at work.
  @Test(arguments: [true, false]) func aValueThatACheckpointHasForgottenStops(_ isReturned: Bool) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [isReturned = isReturned as Bool] in
      _ = gradient(
        of: { (x: Tensor) -> Tensor in
          var leaked = x
          let y = checkpoint { (z: Tensor) -> Tensor in
            leaked = sin(z)
            return exp(leaked) * z
          }(x)
          let later = cos(y) * y
          return isReturned ? leaked : later * leaked
        }, at: Tensor(1))
    }
    #expect(result.message.contains("a value was used that checkpoint has forgotten"), "\(result.message)")
  }

  // MARK: Threads

  enum Threaded: String, CaseIterable, Codable { case gradient, jvp, vmap, checkpoint, concurrently }

  @Test(arguments: Threaded.allCases) func anotherThreadInsideATransformStops(_ transform: Threaded) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [transform = transform as Threaded] in
      let elsewhere = { (x: Tensor) -> Tensor in
        onThread { _ = sin(x) }
        return x
      }
      switch transform {
      case .gradient: _ = AutoDiff.gradient(of: elsewhere, at: Tensor(1))
      case .jvp: _ = AutoDiff.jvp(of: elsewhere, at: Tensor(1), along: Tensor(1))
      case .vmap: _ = AutoDiff.vmap(elsewhere)(Tensor([1, 2]))
      case .checkpoint: _ = AutoDiff.gradient(of: { AutoDiff.checkpoint(elsewhere)($0) }, at: Tensor(1))
      case .concurrently:
        _ = AutoDiff.gradient(
          of: { (x: Tensor) in
            DispatchQueue.concurrentPerform(iterations: 64) { _ in
              for _ in 0..<1000 { _ = sin(x) * x }
            }
            return x
          }, at: Tensor(1))
      }
    }
    #expect(
      result.message.contains("a value that a transform follows was used on another thread than the transform's"),
      "\(result.message)")
  }

  /// The closure may hand its work to other threads as long as they differentiate for themselves.
  @Test func threadsInsideATransformMayHaveTransformsOfTheirOwn() {
    let slope = gradient(
      of: { (x: Tensor) -> Tensor in
        let constant = Locked(Tensor(0))
        onThread { constant.value = AutoDiff.gradient(of: { sin($0) * $0 }, at: Tensor(2)) }
        return x * constant.value
      }, at: Tensor(1))
    expectClose(slope.scalar, (gradient(of: { sin($0) * $0 }, at: Tensor(2))).scalar, .exact)
  }

  // MARK: What may outlive a transform

  @Test func pullbacksAndLinearMapsMayBeCalledLaterAndElsewhere() {
    let x = Tensor([0.5, -1])
    let w = Tensor([[1, 2], [3, 4]])
    let plain = { (x: Tensor) in tanh(matmul(w, x)) * x }
    let expected = vjp(of: plain, at: x).pullback(x)
    let moved = jvp(of: plain, at: x, along: x).tangent
    for f in [plain, checkpoint(plain), { checkpoint { checkpoint(plain)($0) }($0) }] as [(Tensor) -> Tensor] {
      nonisolated(unsafe) let pullback = vjp(of: f, at: x).pullback
      nonisolated(unsafe) let map = linearize(f, at: x).derivative
      let results = Locked<[Tensor]>([])
      onThread { results.value = [pullback(x), map(x)] }
      expectClose(results.value, [expected, moved], .exact)
      expectClose([pullback(x), map(x)], [expected, moved], .exact)
    }
    let rows = stack([x, x * 2])
    nonisolated(unsafe) let pullback = vjp(of: { vmap(checkpoint(plain))($0) }, at: rows).pullback
    let result = Locked(Tensor(0))
    onThread { result.value = pullback(rows) }
    expectClose(result.value, vjp(of: { vmap(plain)($0) }, at: rows).pullback(rows), .exact)
  }

  /// A pullback of an outer value, called while an inner transform is at work, and inside another transform.
  @Test func pullbacksMayBeCalledInsideOtherTransforms() {
    let pullback = vjp(of: { sin($0) * $0 }, at: Tensor(0.5)).pullback
    let slope = pullback(Tensor(1)).scalar
    expectClose(gradient(of: { pullback($0) }, at: Tensor(3)).scalar, slope, .exact)
    expectClose(vmap { (c: Tensor) in pullback(c) }(Tensor([1.0, 2])), Tensor([slope, 2 * slope]), .exact)
    let inner = gradient(
      of: { (x: Tensor) -> Tensor in
        let pullback = vjp(of: { (y: Tensor) in y * y * x }, at: x).pullback
        return gradient(of: { (c: Tensor) in pullback(c * c) }, at: x)
      }, at: Tensor(2))
    // d/dc 2x² c² at c = x is 4x³.
    expectClose(inner.scalar, 48, .exact)
  }

  /// Checkpoints whose function uses values of transforms inside and outside.
  @Test func checkpointsInsideOtherTransforms() {
    let rows = Tensor([[0.5, -1], [2, 0.25]])
    let block = { (x: Tensor) in tanh(x * x.sum()) }
    let expected = gradient(of: { vmap(block)($0).sum() }, at: rows)
    expectClose(gradient(of: { vmap(checkpoint(block))($0).sum() }, at: rows), expected, .exact)
    expectClose(gradient(of: { vmap(checkpoint(checkpoint(block)))($0).sum() }, at: rows), expected, .exact)
    expectClose(
      gradient(of: { checkpoint { vmap(checkpoint(block))($0).sum() }($0) }, at: rows), expected, .exact)
    expectClose(vmap { (x: Tensor) in gradient(of: { checkpoint(block)($0).sum() }, at: x) }(rows), expected, .exact)
    expectClose(
      hvp(of: { vmap(checkpoint(block))($0).sum() }, at: rows, along: rows),
      hvp(of: { vmap(block)($0).sum() }, at: rows, along: rows), .analytic)
    // A value of the inner vmap that the function captures.
    let captured = { (wrap: Bool) in
      gradient(
        of: { (w: Tensor) in
          vmap { (x: Tensor) -> Tensor in
            let f = { (w: Tensor) in sin(w * x.sum()) * w }
            return wrap ? checkpoint(f)(w) : f(w)
          }(rows).sum()
        }, at: Tensor(0.5))
    }
    expectClose(captured(true), captured(false), .exact)
  }
}

/// Runs on a thread that is not this one, and waits.
private func onThread(_ work: @escaping @Sendable () -> Void) {
  let done = DispatchSemaphore(value: 0)
  Thread {
    work()
    done.signal()
  }.start()
  done.wait()
}
