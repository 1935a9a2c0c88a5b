import Testing

@testable import AutoDiff

/// A transform of functions of several tensors, and its obvious twin: a loop or difference quotients.
private enum Transform: CaseIterable {
  case vmap, jvp, vjp

  typealias Function = ([Tensor]) -> [Tensor]

  static let batchSize = 2

  /// - Parameters:
  ///   - inputs: the number of arguments of f.
  /// - Returns: the transformed function. For jvp the directions, for vjp the cotangents follow the arguments.
  func callAsFunction(_ f: @escaping Function, inputs: Int) -> Function {
    switch self {
    case .vmap: AutoDiff.vmap(f)
    case .jvp: { AutoDiff.jvp(of: f, at: Array($0[..<inputs]), along: Array($0[inputs...])).tangent }
    case .vjp: { AutoDiff.vjp(of: f, at: Array($0[..<inputs])).pullback(Array($0[inputs...])) }
    }
  }

  func reference(_ f: @escaping Function, inputs: Int) -> Function {
    switch self {
    case .vmap:
      { arguments in
        let results = (0..<Self.batchSize).map { k in f(arguments.map { $0[k] }) }
        return results[0].indices.map { output in stack(results.map { $0[output] }) }
      }
    case .jvp: { Self.difference(f, Array($0[..<inputs]), Array($0[inputs...])) }
    case .vjp:
      { arguments in
        let (point, cotangents) = (Array(arguments[..<inputs]), Array(arguments[inputs...]))
        return point.indices.map { argument in
          let entries = (0..<point[argument].count).map { entry in
            var directions = point.map { Tensor.zeros(like: $0) }
            let unit = (0..<point[argument].count).map { $0 == entry ? 1.0 : 0 }
            directions[argument] = Tensor(unit, shape: point[argument].shape)
            return zip(Self.difference(f, point, directions), cotangents)
              .map { ($0 * $1).sum().scalar }.reduce(0, +)
          }
          return Tensor(entries, shape: point[argument].shape)
        }
      }
    }
  }

  /// The central difference of fourth order.
  private static func difference(_ f: Function, _ point: [Tensor], _ directions: [Tensor]) -> [Tensor] {
    let step = 0x1p-8
    func at(_ t: Double) -> [Tensor] { f(zip(point, directions).map { $0 + $1 * t }) }
    let (near, nearBack, far, farBack) = (at(step), at(-step), at(2 * step), at(-2 * step))
    return near.indices.map { k in
      (8 * (near[k] - nearBack[k]) - (far[k] - farBack[k])) / (12 * step)
    }
  }

  /// The shapes of the transformed function's arguments and results.
  func shapes(_ inputs: [[Int]], _ outputs: [[Int]]) -> (inputs: [[Int]], outputs: [[Int]]) {
    switch self {
    case .vmap: (inputs.map { [Self.batchSize] + $0 }, outputs.map { [Self.batchSize] + $0 })
    case .jvp: (inputs + inputs, outputs)
    case .vjp: (inputs + outputs, inputs)
    }
  }
}

/// All compositions of {vmap, jvp, vjp} to depth 3.
@Suite struct CompositionTests {
  static let words: [String] = {
    var (words, longest) = ([[Int]](), [[Int]()])
    for _ in 1...3 {
      longest = longest.flatMap { word in Transform.allCases.indices.map { word + [$0] } }
      words += longest
    }
    return words.map { $0.map { "\(Transform.allCases[$0])" }.joined(separator: " of ") }
  }()

  private static func function(_ inputs: [Tensor]) -> [Tensor] {
    let (x, w) = (inputs[0], inputs[1])
    let hidden = tanh(matmul(w, x))
    return [hidden * x[0..<2] + exp(x * 0.3)[1...], softmax(x).max() * square(w).sum()]
  }

  @Test(arguments: words) func agreesWithLoopsAndDifferences(word: String) {
    // "vmap of jvp" applies jvp first.
    let transforms = word.components(separatedBy: " of ").reversed().map { name in
      Transform.allCases.first { "\($0)" == name }!
    }
    var shapes: (inputs: [[Int]], outputs: [[Int]]) = ([[3], [2, 3]], [[2], []])
    var function: Transform.Function = Self.function
    var byInduction = function
    var naive = function
    for transform in transforms {
      let inputs = shapes.inputs.count
      byInduction = transform.reference(function, inputs: inputs)
      naive = transform.reference(naive, inputs: inputs)
      function = transform(function, inputs: inputs)
      shapes = transform.shapes(shapes.inputs, shapes.outputs)
    }
    var generator = RandomGenerator(seed: 5)
    let arguments = shapes.inputs.map { Tensor.uniform($0, in: -1..<1, using: &generator) }
    let results = function(arguments)
    #expect(results.map(\.shape) == shapes.outputs)
    // The outermost transform alone replaced by its twin, and all of them (where errors of differences pile up).
    expectClose(results, byInduction(arguments), .finiteDifference, seed: 5)
    let loose = Tolerance(name: "nested finite difference", float64: 1e-4, float32: 1)
    expectClose(results, naive(arguments), loose, seed: 5)
  }
}

extension String {
  fileprivate func components(separatedBy separator: String) -> [String] {
    split(separator: separator).map(String.init)
  }
}
