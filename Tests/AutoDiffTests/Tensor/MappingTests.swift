import Foundation
import Testing

@testable import AutoDiff

/// `mapped` and `zipMapped` are a loop over entries, whatever the memory looks like.
@Suite struct MappingTests {
  private static let shapes = [[], [1], [0], [3], [2, 3], [4, 0, 2], [2, 1, 3], [5, 7, 2]]

  /// Tensors of a shape that lie in memory in different ways.
  private static func layouts(_ shape: [Int], _ type: ScalarType, _ random: inout RandomGenerator) -> [Tensor] {
    let plain = Tensor.normal(shape, using: &random).as(type)
    let repeated = Tensor.normal([1], using: &random).as(type).reshaped(to: shape.map { _ in 1 }).broadcast(to: shape)
    let flipped = Tensor.normal(shape.reversed(), using: &random).as(type).permuted(shape.indices.reversed())
    return [plain, repeated, flipped]
  }

  @Test(arguments: ScalarType.allCases, shapes) func isALoop(type: ScalarType, shape: [Int]) {
    var random = RandomGenerator(seed: 3)
    let layouts = Self.layouts(shape, type, &random)
    func rounded(_ x: Double) -> Double { type == .float64 ? x : Double(Float(x)) }
    for x in layouts {
      let y = x.mapped { $0 * 1.1 - 2 }
      #expect(y.shape == shape && y.scalarType == type)
      #expect(y.scalars == x.scalars.map { rounded($0 * 1.1 - 2) })
      for other in layouts {
        let z = x.zipMapped(other) { $0 - 3 * $1 }
        #expect(z.shape == shape && z.scalarType == type)
        #expect(z.scalars == zip(x.scalars, other.scalars).map { rounded($0 - 3 * $1) })
      }
    }
  }

  @Test func passesOnWhatIsThrown() {
    struct Refusal: Error {}
    #expect(throws: Refusal.self) { _ = try Tensor([1, -1]).mapped { if $0 < 0 { throw Refusal() } else { $0 } } }
    #expect(throws: Refusal.self) { _ = try Tensor([1]).zipMapped(Tensor([2])) { _, _ in throw Refusal() } }
  }

  @Test func stopsWhereDerivativesWouldBeLost() async {
    let traced = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = gradient(of: { $0.mapped { $0 * 2 }.sum() }, at: Tensor([1, 2]))
    }
    #expect(traced.message.contains("mapped: the tensor must not be a value inside a transform"))
    let shapes = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor([1, 2]).zipMapped(Tensor([1, 2, 3])) { $0 + $1 }
    }
    #expect(shapes.message.contains("zipMapped: shapes must agree, but got [2] and [3]."))
  }
}
