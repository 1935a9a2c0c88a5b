import AutoDiff
import Foundation
import Layers
import Tangent
import Testing

/// The README's program compiles, runs, and stands in the README as it stands here.
@Suite struct ReadmeTests {
  @Test func theProgramRuns() throws {
    // README: begin
    let net = Sequential([Dense(64), Tanh(), Dense(64), Tanh(), Dense(3)])
    var generator = RandomGenerator(seed: 1)
    let x = Tensor.normal([5, 8], using: &generator)  // five examples of eight numbers
    let p = net.initialized(like: x[0], seed: 0)  // one run creates every parameter
    let kernel = tangentKernel(of: net, at: p, on: x, outputs: .traceMean)
    print(kernel)
    // README: end
    #expect(kernel.shape == [5, 5])
    #expect(try symmetricEigenvalues(kernel)[0].scalar > 0)
  }

  /// What the README writes between backquotes.
  @Test func theExpressionsCompile() {
    struct Residual: Layer {
      let width: Int
      func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
        x + Dense(width)(tanh(Dense(width)(x, p.inner)), p.outer)
      }
    }
    #expect(Residual(width: 3).initialized(like: Tensor([1, 2, 3]), seed: 0).named.count == 4)
    var t = Tensor.range(to: 48).reshaped(to: [2, 6, 4])
    #expect(t[0, 1..<5, ...].shape == [4, 4])
    t[.all, -1] = Tensor(0)
    #expect(select(t .> 0, t, -.infinity)[1, 5, 0].scalar == -.infinity && maximum(0, t) == t)
  }

  @Test func trainingInAProgram() {
    let net = Sequential([Dense(8), Tanh(), Dense(1)])
    var generator = RandomGenerator(seed: 1)
    let images = Tensor.normal([5, 8], using: &generator)
    let labels = Tensor.normal([5, 1], using: &generator)
    let p = net.initialized(like: images[0], seed: 0)
    func loss(_ p: Parameters, _ x: Tensor, _ y: Tensor) -> Tensor { square(vmap { net($0, p) }(x) - y).mean() }
    let train = compiled { (p: Parameters) in
      let (trained, losses) = scan(1000, p) { p in
        let (value, slope) = valueWithGradient(of: { loss($0, images, labels) }, at: p)
        return (p.adding(slope, scaledBy: -0.1), value)
      }
      return Pair(trained, losses)
    }
    let (trained, losses) = (train(p).first, train(p).second.scalars)
    #expect(losses.count == 1000 && losses[0] == loss(p, images, labels).scalar)
    #expect(losses[1] < losses[0] && losses[999] < losses[0] / 100)
    #expect(loss(trained, images, labels).scalar < losses[0] / 100)
  }

  @Test func kernelsGoToFiles() throws {
    let net = Sequential([Dense(8), Tanh(), Dense(2)])
    var generator = RandomGenerator(seed: 1)
    let x = Tensor.normal([5, 8], using: &generator)
    let p = net.initialized(like: x[0], seed: 0)
    let folder = try TemporaryFolder()
    let job = try KernelComputation(of: net, at: p, on: x, outputs: .traceMean, budget: 2 << 30)
    #expect("\(job.plan)".contains("1 tile"))
    try job.write(to: folder.path("kernel.npy")) { #expect($0.fraction == 1 && $0.remaining == 0) }
    expectClose(
      try Tensor(contentsOf: folder.path("kernel.npy")), tangentKernel(of: net, at: p, on: x, outputs: .traceMean))
  }

  @Test func theProgramStandsInTheReadme() throws {
    let here = URL(filePath: #filePath)
    let source = try String(contentsOf: here, encoding: .utf8)
    let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
    let lines = source.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    let begin = try #require(lines.firstIndex(of: "// README: begin"))
    let end = try #require(lines.firstIndex(of: "// README: end"))
    let program = lines[(begin + 1)..<end].joined(separator: "\n")
    #expect(program.count > 200)
    #expect(readme.contains(program))
  }
}
