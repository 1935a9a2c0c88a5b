import AutoDiff
import Layers
import Testing

/// A layer's example and output may be any tree.
@Suite struct TreeLayerTests {
  private struct Sentence: TensorTree {
    var words: Tensor
    var mask: Tensor
    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&words)
      body(&mask)
    }
  }

  /// Attention of one query over the words that the mask lets through; the weights are a second output.
  private struct Attention: Layer {
    func callAsFunction(_ x: Sentence, _ p: Parameters) -> Pair<Tensor, Tensor> {
      let query = p.tensor("query", [x.words.shape[1]], .normal(standardDeviation: 1))
      let weights = softmax(select(x.mask, matmul(x.words, query), -.infinity))
      return Pair(matmul(weights, x.words), weights)
    }
  }

  /// A graph [adjacency, features] to features.
  private struct GraphLayer: Layer {
    let width: Int
    func callAsFunction(_ graph: [Tensor], _ p: Parameters) -> [Tensor] {
      [graph[0], tanh(Dense(width)(matmul(graph[0], graph[1]), p))]
    }
  }

  private static let sentences: Sentence = {
    var generator = RandomGenerator(seed: 3)
    return Sentence(
      words: .normal([4, 3, 2], using: &generator), mask: Tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1]]))
  }()

  @Test func parametersOutputsAndBatches() {
    let one = Self.sentences.mapTensors { $0[1] }
    let p = Attention().initialized(like: one, seed: 1)
    #expect(p.named.map(\.path) == ["query"])
    let y = Attention()(one, p)
    #expect(y.first.shape == [2] && y.second.scalars[2] == 0)
    let all = Attention().batched(Self.sentences, p)
    #expect(all.first.shape == [4, 2] && all.second.shape == [4, 3])
    expectClose(all.first[1], y.first)
    let g = gradient(of: { p in square(Attention().batched(Self.sentences, p).first).sum() }, at: p)
    let sum = (0..<4).map { k in
      gradient(of: { p in square(Attention()(Self.sentences.mapTensors { $0[k] }, p).first).sum() }, at: p)
    }.reduce(p.zeroed) { $0.adding($1) }
    expectClose(g, sum)
  }

  @Test func graphs() {
    let graph = [Tensor([[0, 1], [1, 0]]), Tensor([[1, 2, 3], [4, 5, 6]])]
    let layer = GraphLayer(width: 2)
    let p = layer.initialized(like: graph, seed: 1)
    #expect(layer(graph, p)[1].shape == [2, 2])
    #expect(p.named.map(\.tensor.shape) == [[3, 2], [2]])
  }

  /// The type of the parameters is that of the example.
  @Test func scalarTypes() {
    let one = Self.sentences.mapTensors { $0[1].as(.float32) }
    #expect(Attention().initialized(like: one, seed: 1)[at: "query"]?.scalarType == .float32)
  }

  /// Layers of tensors are what a sequence joins, also behind their protocol.
  @Test func sequencesOfTensorLayers() {
    let layers: [any Layer<Tensor, Tensor>] = [Dense(4), Tanh(), Dense(2)]
    let p = Sequential(layers).initialized(like: Tensor([1, 2]), seed: 2)
    #expect(Sequential(layers)(Tensor([1, 2]), p).shape == [2])
    func outputs(_ model: some Layer<Tensor, Tensor>) -> Int { model(Tensor([1, 2]), p).count }
    #expect(outputs(Sequential(layers)) == 2)
  }
}
