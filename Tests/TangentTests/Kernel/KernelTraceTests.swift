import AutoDiff
import Tangent
import Testing

/// A value of a model's run on all examples is of no use once the kernel has been computed, and says so.
@Suite struct KernelTraceTests {
  enum Origin: String, CaseIterable, Codable {
    case tangentKernel, factoredJacobian, higherKernel, checkpoint

    /// A value that depends on the example and the parameters, or on the parameters alone, taken out of the run.
    func leak(ofParametersAlone: Bool) -> Tensor {
      var leaked = Tensor(0)
      let f = { (x: Tensor, w: Tensor) -> Tensor in
        let scaled = tanh(w)
        let y = x * scaled
        leaked = ofParametersAlone ? scaled : y
        return y * y
      }
      let (x, w) = (Tensor([1, 2]), Tensor(0.5))
      switch self {
      case .tangentKernel: _ = Tangent.tangentKernel(of: f, at: w, on: x)
      case .factoredJacobian: _ = FactoredJacobian(of: f, at: w, on: x).gram()
      case .higherKernel: _ = Tangent.higherKernel(order: 3, of: f, at: w, on: x)
      case .checkpoint:
        _ = Tangent.tangentKernel(of: { x, w in AutoDiff.checkpoint { f(x, $0) }(w) }, at: w, on: x)
      }
      return leaked
    }
  }

  @Test(arguments: Origin.allCases, [true, false])
  func aLeakedValueStops(_ origin: Origin, _ ofParametersAlone: Bool) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [origin = origin as Origin, alone = ofParametersAlone as Bool] in
      _ = exp(origin.leak(ofParametersAlone: alone))
    }
    #expect(
      result.message.contains("exp: a value was used after the transform that followed it had ended"),
      "\(result.message)")
  }

  private struct Failure: Error {}
  private final class Witness: Sendable { let factor = 2.0 }

  /// A model that throws leaves nothing of its run behind.
  @Test func aThrownErrorLeavesNothingBehind() {
    weak var witness: Witness?
    #expect(throws: Failure.self) {
      let held = Witness()
      witness = held
      _ = try tangentKernel(
        of: { (x: Tensor, w: Tensor) throws -> Tensor in
          _ = checkpoint { sin($0) * x * held.factor }(w)
          throw Failure()
        }, at: Tensor(0.5), on: Tensor([1, 2]))
    }
    #expect(witness == nil)
  }

  /// The kernel's own results are followed by outer transforms as usual.
  @Test func resultsAreOrdinaryValues() {
    let (x, w) = (Tensor([1, 2]), Tensor(0.5))
    let jacobian = FactoredJacobian(of: { (x: Tensor, w: Tensor) in checkpoint { x * tanh($0) }(w) }, at: w, on: x)
    let plain = FactoredJacobian(of: { (x: Tensor, w: Tensor) in x * tanh(w) }, at: w, on: x)
    expectClose(jacobian.gram() + jacobian.gram(with: plain), plain.gram() * 2)
    expectClose(
      gradient(of: { jacobian.jvp($0).sum() }, at: w), gradient(of: { plain.jvp($0).sum() }, at: w))
  }
}
