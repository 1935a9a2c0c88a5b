import Layers
import Tangent
import TestSupport
import Testing

@testable import AutoDiff

/// Models of the catalogue inside recorded programs, under transforms nested to the third order.
@Suite struct RecordedModelTests {
  @Test(arguments: Model.catalogue) func recordedIsEager(model: Model) {
    var random = RandomGenerator(seed: 21)
    let (p, examples) = (model.parameters, model.examples)
    let direction = p.map { Tensor.normal($0.shape, using: &random) }
    let f: ([Tensor]) -> Tensor = { p in square(vmap { model.f($0, p) }(examples)).sum() }
    func expectSame(_ name: String, _ g: @escaping ([Tensor]) -> [Tensor]) {
      let program = compiled(g)
      for _ in 0..<2 { expectClose(program(p), g(p), .exact, atLeast: 1e-3, "\(name) of \(model.name)") }
    }
    expectSame("value") { [f($0)] }
    expectSame("gradient") { gradient(of: f, at: $0) }
    expectSame("hvp") { hvp(of: f, at: $0, along: direction) }
    expectSame("third derivative") { p in
      jvp(of: { hvp(of: f, at: $0, along: direction) }, at: p, along: direction).tangent
    }
    expectSame("examples") { p in [vmap { model.f($0, p) }(examples)] }
    expectSame("gradients of examples") { p in
      vmap { (x: Tensor) in gradient(of: { square(model.f(x, $0)).sum() }, at: p) }(examples)
    }
    expectSame("checkpoint") { gradient(of: { checkpoint(f)($0) }, at: $0) }
    expectSame("steps") { p in
      repeated(3, p) { p in
        let g = gradient(of: f, at: p)
        return zip(p, g).map { $0 - 0.01 * $1 }
      }
    }
    expectSame("gradient through steps") { p in
      gradient(
        of: { (p: [Tensor]) in
          let end = repeated(2, p) { p in
            let g = gradient(of: f, at: p)
            return zip(p, g).map { $0 - 0.01 * $1 }
          }
          return f(end)
        }, at: p)
    }
  }

  @Test func parametersOfLayers() {
    let net = Sequential {
      Dense(5)
      Tanh()
      Dense(2)
    }
    let x = Tensor.linspace(-1, 1, count: 12).reshaped(to: [4, 3])
    let descent = GradientDescent(learningRate: 0.1, momentum: 0.5)
    let step: (GradientDescent.State<Parameters>) -> GradientDescent.State<Parameters> = { state in
      let loss = { (p: Parameters) in square(vmap { net($0, p) }(x) - 1).sum() }
      return descent.step(state, along: gradient(of: loss, at: state.parameters))
    }
    var state = descent.start(at: net.initialized(like: x[0], seed: 3))
    let end = compiled { repeated(20, $0, step) }(state)
    for _ in 0..<20 { state = step(state) }
    #expect(end.leaves.map(\.scalars) == state.leaves.map(\.scalars))
    #expect(end.parameters.leaves.count == 4)
  }

  @Test func tangentKernelsCanBeRecorded() {
    let x = Tensor.linspace(-1, 1, count: 12).reshaped(to: [4, 3])
    let p = [
      Tensor.linspace(-1, 1, count: 15).reshaped(to: [3, 5]), Tensor.linspace(0, 1, count: 10).reshaped(to: [5, 2]),
    ]
    let kernel: ([Tensor]) -> Tensor = { p in
      tangentKernel(of: { (x: Tensor, p: [Tensor]) in matmul(tanh(matmul(x, p[0])), p[1]) }, at: p, on: x)
    }
    expectClose(compiled(kernel)(p), kernel(p), .exact)
  }
}
