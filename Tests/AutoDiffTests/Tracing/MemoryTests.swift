import Foundation
import Testing

@testable import AutoDiff

/// What transforms allocate is freed: traces when they end, cotangents as they are consumed.
@Suite struct MemoryTests {
  /// Resident memory over 10 000 gradients, in a process of its own, where nothing else allocates.
  @Test(.disabled(if: keepsFreedMemory, "The address sanitizer keeps freed memory."))
  func tenThousandGradientsLeaveNothingBehind() async {
    await #expect(processExitsWith: .success) {
      var generator = RandomGenerator(seed: 1)
      let p = [Tensor.normal([8, 16], using: &generator), Tensor.normal([16], using: &generator)]
      let x = Tensor.normal([4, 8], using: &generator)
      let f = { (p: [Tensor]) in logsumexp(tanh(matmul(x, p[0]) + p[1])) }
      for _ in 0..<1000 { _ = gradient(of: f, at: p) }
      let before = residentBytes()
      for _ in 0..<10_000 { _ = gradient(of: f, at: p) }
      let growth = residentBytes() - before
      // A single leaked gradient of 1 kB would make 10 MB.
      if growth > 2_000_000 { fatalError("10 000 gradients left \(growth) bytes behind.") }
    }
  }

  @Test(.disabled(if: keepsFreedMemory, "The address sanitizer keeps freed memory."))
  func nestedTransformsLeaveNothingBehind() async {
    await #expect(processExitsWith: .success) {
      var generator = RandomGenerator(seed: 1)
      let w = Tensor.normal([6, 6], using: &generator)
      let f = { (x: Tensor) in (tanh(matmul(w, x)) * softmax(x)).sum() }
      func work() {
        _ = hvp(of: f, at: w[0], along: w[1])
        _ = hessian(of: f, at: w[0])
        _ = vmap { (x: Tensor) in gradient(of: f, at: x) }(w)
        _ = vjp(of: f, at: w[0]).pullback(Tensor(1))
        _ = linearize(f, at: w[0]).derivative(w[1])
      }
      for _ in 0..<200 { work() }
      let before = residentBytes()
      for _ in 0..<2000 { work() }
      let growth = residentBytes() - before
      if growth > 2_000_000 { fatalError("2000 rounds left \(growth) bytes behind.") }
    }
  }

  @Test(.disabled(if: keepsFreedMemory, "The address sanitizer keeps freed memory."))
  func programsLeaveNothingBehind() async {
    await #expect(processExitsWith: .success) {
      var generator = RandomGenerator(seed: 1)
      let x = Tensor.normal([4, 8], using: &generator)
      let step = compiled { (p: [Tensor]) in
        let f = { (p: [Tensor]) in logsumexp(tanh(matmul(x, p[0]) + p[1])[0]) }
        let g = gradient(of: f, at: p)
        return repeated(2, zip(p, g).map { $0 - $1 }) { $0.map { tanh($0) } }
      }
      var p = [Tensor.normal([8, 16], using: &generator), Tensor.normal([16], using: &generator)]
      for _ in 0..<1000 { p = step(p) }
      let before = residentBytes()
      for _ in 0..<100_000 { p = step(p) }
      let growth = residentBytes() - before
      if growth > 2_000_000 { fatalError("100 000 runs left \(growth) bytes behind.") }
    }
  }

  /// Watches the objects themselves.
  @Test func tracesAndNodesAreFreed() {
    weak var trace: Trace?
    weak var input: Node?
    weak var middle: Node?
    func spy(_ x: Tensor) -> Tensor {
      let y = x * 2
      trace = (x.node as? TracedNode)?.trace
      (input, middle) = (x.node, y.node)
      #expect(trace != nil && input != nil && middle != nil)
      return y * x
    }
    func expectFreed(_ transform: String) {
      #expect(trace == nil && input == nil && middle == nil, "\(transform)")
    }
    _ = gradient(of: spy, at: Tensor(1))
    expectFreed("gradient")
    _ = jvp(of: spy, at: Tensor(1), along: Tensor(1))
    expectFreed("jvp")
    _ = vmap(spy)(Tensor([1.0, 2]))
    expectFreed("vmap")
    _ = jacobian(of: spy, at: Tensor(1))
    expectFreed("jacobian")
    _ = vjp(of: spy, at: Tensor(1)).pullback(Tensor(1))
    expectFreed("vjp")
    _ = hvp(of: spy, at: Tensor(1), along: Tensor(1))
    expectFreed("hvp")
  }

  /// A gradient's value, even when it is kept, holds on to nothing of the recording.
  @Test func resultsDoNotKeepTheRecording() {
    weak var trace: Trace?
    let (value, slope) = valueWithGradient(
      of: { (x: Tensor) in
        trace = (x.node as? TracedNode)?.trace
        return exp(x * x)
      }, at: Tensor(1))
    #expect(trace == nil)
    #expect(value.isTraced == false && slope.isTraced == false)
  }

  /// When the backward pass comes to an operation, what was recorded after it has been freed.
  @Test func theRecordingIsFreedAsItIsConsumed() {
    final class Witness: @unchecked Sendable {
      weak var later: Node?
      var wasAlive: Bool?
    }
    struct Probe: LinearPrimitive {
      let witness: Witness
      var name: String { "probe" }
      func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
      func evaluate(_ inputs: Inputs) -> Tensor { inputs[0] }
      func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
        witness.wasAlive = witness.later != nil
        return cotangent
      }
      func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { inputs[0] }
    }
    let witness = Witness()
    let f = { (x: Tensor) -> Tensor in
      let later = exp(bind(Probe(witness: witness), x))
      // The memory of the later result, which the recording holds.
      witness.later = (later.node as? TracedNode)?.primal.node
      return (later * 2).sum()
    }
    _ = gradient(of: f, at: .ones([3]))
    #expect(witness.wasAlive == false)
    // A pullback that can be used again keeps it.
    let pullback = vjp(of: f, at: .ones([3])).pullback
    _ = pullback(Tensor(1))
    #expect(witness.wasAlive == true)
    withExtendedLifetime(pullback) {}
  }
}

/// Whether the address sanitizer is at work.
private let keepsFreedMemory = dlsym(dlopen(nil, RTLD_NOW), "__asan_init") != nil

/// The physical memory that this process occupies.
private func residentBytes() -> Int {
  #if os(Linux)
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
    return (pages.flatMap { Int($0[1]) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
  #else
    return 0
  #endif
}
