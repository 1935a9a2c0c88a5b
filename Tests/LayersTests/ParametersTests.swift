import AutoDiff
import Testing

@testable import Layers

@Suite struct ParametersTests {
  static let x = Tensor([0.5, -1, 2])

  // MARK: Creation

  @Test func areDeterminedByTheSeed() {
    let net = Sequential {
      Dense(4); Tanh(); Dense(2)
    }
    let (a, b) = (net.initialized(like: Self.x, seed: 7), net.initialized(like: Self.x, seed: 7))
    #expect(a.leaves == b.leaves)
    let other = net.initialized(like: Self.x, seed: 8)
    #expect(a[at: "0.weight"] != other[at: "0.weight"])
    #expect(a[at: "0.weight"] != nil)
  }

  @Test func doNotDependOnTheNumbersOfTheExample() {
    let net = Sequential {
      Dense(4); Relu(); Dense(2)
    }
    #expect(net.initialized(like: Self.x, seed: 1).leaves == net.initialized(like: Self.x * -3, seed: 1).leaves)
  }

  @Test func doNotDependOnOtherLayers() {
    let plain = Sequential {
      Dense(4); Tanh(); Dense(2)
    }.initialized(like: Self.x, seed: 7)
    let changed = Sequential {
      Dense(4, bias: false)
      Relu()
      Dense(2)
      Dense(5)
    }.initialized(like: Self.x, seed: 7)
    for path in ["0.weight", "2.weight", "2.bias"] { #expect(plain[at: path] == changed[at: path]) }
  }

  @Test func differFromPathToPath() {
    let p = Sequential {
      Dense(3); Dense(3); Dense(3)
    }.initialized(like: Self.x, seed: 0)
    let weights = ["0", "1", "2"].map { p[at: $0 + ".weight"]! }
    #expect(weights[0] != weights[1] && weights[1] != weights[2] && weights[0] != weights[2])
  }

  @Test func takeTheScalarTypeOfTheExample() {
    let net = Sequential {
      Dense(4, parameterization: .neuralTangent()); Dense(2)
    }
    let double = net.initialized(like: Self.x, seed: 3)
    let single = net.initialized(like: Self.x.as(.float32), seed: 3)
    #expect(single.leaves.allSatisfy { $0.scalarType == .float32 })
    expectClose(single.mapTensors { $0.as(.float64) }, double, tolerance: 1e-6)
  }

  // MARK: The tree

  @Test func areNamedByTheirPaths() {
    let p = Sequential {
      Dense(4); Tanh(); Dense(2, bias: false)
    }.initialized(like: Self.x, seed: 0)
    #expect(p.named.map(\.path) == ["0.weight", "0.bias", "2.weight"])
    #expect(p.named.map(\.tensor) == p.leaves)
    #expect(p.description == "0.weight [3, 4]\n0.bias [4]\n2.weight [4, 2]")
    #expect(p["0"].named.map(\.path) == ["0.weight", "0.bias"])
    #expect(p["1"].leaves.isEmpty)
    #expect(p.entryCount == 24)
  }

  @Test func canBeReadAndSetByPath() {
    var p = Parameters()
    p.set("block.inner.weight", to: Tensor([1, 2]))
    p.set("block.bias", to: Tensor(3))
    p.set("block.inner.weight", to: Tensor([4, 5]))
    #expect(p.named.map(\.path) == ["block.inner.weight", "block.bias"])
    #expect(p[at: "block.inner.weight"] == Tensor([4, 5]))
    #expect(p.block.inner.tensor("weight", [2], .zeros) == Tensor([4, 5]))
    #expect(p[at: "block.inner"] == nil)
    #expect(p[at: "nowhere"] == nil)
    var copy = p
    copy.block.inner.set("weight", to: Tensor([0, 0]))
    #expect(p[at: "block.inner.weight"] == Tensor([4, 5]))
    #expect(copy[at: "block.inner.weight"] == Tensor([0, 0]))
    copy.other = p.block
    #expect(copy.named.map(\.path).suffix(2) == ["other.inner.weight", "other.bias"])
  }

  @Test func formAVectorSpace() {
    let net = Sequential {
      Dense(4); Dense(2)
    }
    let (p, q) = (net.initialized(like: Self.x, seed: 1), net.initialized(like: Self.x, seed: 2))
    let sum = p.adding(q, scaledBy: -2)
    for ((a, b), c) in zip(zip(p.leaves, q.leaves), sum.leaves) { expectClose(c, a - b * 2) }
    #expect(sum.named.map(\.path) == p.named.map(\.path))
    expectClose(p.interpolated(to: q, at: 0.25), p.scaled(by: 0.75).adding(q.scaled(by: 0.25)))
    expectClose(p.innerProduct(q), dot(p.flattenedEntries, q.flattenedEntries))
    expectClose(p.replacingEntries(with: p.flattenedEntries), p, tolerance: 0)
  }

  // MARK: Sharing

  /// Uses one subtree for two layers.
  private struct Tied: Layer {
    func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor {
      Dense(3)(tanh(Dense(3)(x, p.shared)), p.shared)
    }
  }

  @Test func tieWeightsWhenASubtreeIsShared() {
    let p = Tied().initialized(like: Self.x, seed: 0)
    #expect(p.named.map(\.path) == ["shared.weight", "shared.bias"])
    // The gradient is the sum over both uses.
    let (w, b) = (p[at: "shared.weight"]!, p[at: "shared.bias"]!)
    let both = gradient(
      of: { (q: [Tensor]) in matmul(tanh(matmul(Self.x, q[0]) + q[1]), q[2]).sum() + q[3].sum() }, at: [w, b, w, b])
    let tied = gradient(of: { Tied()(Self.x, $0).sum() }, at: p)
    expectClose(tied.leaves, [both[0] + both[2], both[1] + both[3]])
  }

  // MARK: Errors

  @Test func aMissingParameterIsNamed() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let p = Sequential {
        Dense(4); Dense(2)
      }.initialized(like: Tensor([1, 2, 3]), seed: 0)
      _ = Sequential {
        Dense(4); Dense(2); Dense(1)
      }(Tensor([1, 2, 3]), p)
    }
    #expect(result.message.contains("Parameters: 2.weight must exist"))
    #expect(result.message.contains("Create the parameters with initialized(like:seed:) of the same model."))
  }

  private struct Named: Layer {
    var first = "dense"
    var second = "inner"
    func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { Dense(2)(Dense(2)(x, p[first]), p.block[second]) }
  }

  @Test func misspeltPartsAreCompared() async {
    let part = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let x = Tensor([1, 2, 3])
      _ = Named(first: "dence")(x, Named().initialized(like: x, seed: 0))
    }
    #expect(
      part.message.contains(
        "Parameters: dence.weight must exist, but got only [\"dense\", \"block\"]. Did you mean dense.weight?"))
    let inner = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let x = Tensor([1, 2, 3])
      _ = Named(second: "iner")(x, Named().initialized(like: x, seed: 0))
    }
    #expect(
      inner.message.contains(
        "Parameters: block.iner.weight must exist, but got only [\"inner\"] under block. Did you mean block.inner.weight?"
      ))
    let whole = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let x = Tensor([1, 2, 3])
      _ = Dense(2)(x, Named().initialized(like: x, seed: 0))
    }
    #expect(
      whole.message.contains(
        "Parameters: weight must exist, but got only [\"dense\", \"block\"]. There is dense.weight."))
  }

  /// Messages name the layer with its place, and remind of `vmap` where several examples came instead of one.
  @Test func layersSayWhereTheyAre() async {
    let dense = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let p = Sequential {
        Tanh(); Dense(2)
      }.initialized(like: Tensor([1, 2, 3]), seed: 0)
      _ = Sequential {
        Tanh(); Dense(2)
      }(Tensor(1), p)
    }
    #expect(
      dense.message.contains("Fatal error: Dense at \"1\": the input needs at least one axis, but got []. Was one"))
    let image = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Sequential {
        Tanh(); Convolution2D(2, window: (2, 2))
      }.initialized(like: Tensor([1, 2, 3]), seed: 0)
    }
    #expect(image.message.contains("Fatal error: Convolution2D at \"1\": needs images"))
    let batch = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let net = Sequential {
        Flatten(); Dense(2)
      }
      let images = Tensor.ones([5, 2, 3])
      let p = net.initialized(like: images, seed: 0)
      _ = net.batched(images, p)
    }
    #expect(batch.message.contains("1.weight must have shape [6, 2], but got [30, 2]."))
    #expect(batch.message.contains("A model takes one example; for several use vmap or batched."))
  }

  @Test func pathsAreKnown() {
    let p = Named().initialized(like: Tensor([1, 2, 3]), seed: 0)
    #expect(p.path == "" && p.block.inner.path == "block.inner" && p.dense.path == "dense")
  }

  @Test func editDistances() {
    for (a, b, distance) in [
      ("", "", 0), ("a", "", 1), ("", "abc", 3), ("dense", "dence", 1), ("kitten", "sitting", 3),
    ] {
      #expect(a.editDistance(to: b) == distance && b.editDistance(to: a) == distance)
    }
  }

  @Test func aWrongShapeIsNamed() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let p = Sequential {
        Dense(4); Dense(2)
      }.initialized(like: Tensor([1, 2, 3]), seed: 0)
      _ = Sequential {
        Dense(4); Dense(3)
      }(Tensor([1, 2, 3]), p)
    }
    #expect(result.message.contains("Parameters: 1.weight must have shape [4, 3], but got [4, 2]."))
  }

  @Test func tiedParametersMustAgree() async {
    struct Mistied: Layer {
      func callAsFunction(_ x: Tensor, _ p: Parameters) -> Tensor { Dense(3)(Dense(2)(x, p.shared), p.shared) }
    }
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Mistied().initialized(like: Tensor([1, 2, 3]), seed: 0)
    }
    #expect(
      result.message.contains(
        "Parameters: shared.weight is used twice and must keep its shape, but got [3, 2] and [2, 3]."))
  }

  @Test func aTensorIsNoPart() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let p = Dense(2).initialized(like: Tensor([1, 2, 3]), seed: 0)
      _ = Dense(2)(Tensor([1, 2, 3]), p.weight)
    }
    #expect(result.message.contains("Parameters: weight must be a part, but got a tensor."))
  }
}
