/// A source of random numbers made of tensors, for programs whose inputs and outputs are trees of tensors.
///
/// Pass it in, draw, and pass it out: as a tree it goes through `vmap`, derivatives and recorded programs, where a
/// ``RandomGenerator`` would be a constant. It gives the same numbers, bit for bit, as a generator of the same seed.
///
///     func step(_ s: Pair<Tensor, RandomState>) -> Pair<Tensor, RandomState> {
///       var random = s.second
///       let noise = random.normal(s.first.shape)
///       return Pair(0.9 * s.first + 0.1 * noise, random)
///     }
///
/// Under `vmap` every example of a batched state has numbers of its own (``split(_:)`` makes such a state), and a state that
/// is shared gives all examples the same numbers. Numbers do not depend smoothly on a state: derivatives with respect to it
/// are zero.
public struct RandomState: TensorTree, Sendable {
  /// The low and the high 32 bits of the seed, as whole numbers in `.float64`.
  public private(set) var key: Tensor
  /// How many numbers have been drawn; below 2⁵³, where whole numbers are exact.
  public private(set) var position: Tensor

  /// A state whose numbers are those of `RandomGenerator(seed: seed)`.
  public init(seed: UInt64) { self.init(RandomGenerator(seed: seed)) }

  /// A state that goes on where a generator stands. Stops if that has given 2⁵³ numbers.
  public init(_ generator: RandomGenerator) {
    guard generator.position < 1 << 53 else {
      stop("RandomState", "the position must be below 2⁵³", got: "\(generator.position)")
    }
    let seed = generator.seed
    self.init(
      key: Tensor([Double(seed & 0xffff_ffff), Double(seed >> 32)]), position: Tensor(Double(generator.position)))
  }

  private init(key: Tensor, position: Tensor) { (self.key, self.position) = (key, position) }

  /// The key, then the position.
  public mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
    body(&key)
    body(&position)
  }

  /// Independent numbers of the standard normal law; see ``Tensor/normal(_:as:using:)``.
  public mutating func normal(_ shape: [Int], as scalarType: ScalarType = .float64) -> Tensor {
    draw(RandomDraw(.normal, shape, scalarType))
  }

  /// Independent numbers, uniform in a range; see ``Tensor/uniform(_:in:as:using:)``.
  public mutating func uniform(
    _ shape: [Int], in range: Range<Double> = 0..<1, as scalarType: ScalarType = .float64
  ) -> Tensor { draw(RandomDraw(.uniform(range), shape, scalarType)) }

  /// Independent signs, 1 or −1.
  public mutating func rademacher(_ shape: [Int], as scalarType: ScalarType = .float64) -> Tensor {
    draw(RandomDraw(.rademacher, shape, scalarType))
  }

  /// A state whose numbers are independent of the ones that this one still gives; it is that of
  /// ``RandomGenerator/split()``.
  public mutating func split() -> RandomState {
    let key = draw(RandomDraw(.key, [2], .float64))
    return RandomState(key: key, position: .zero)
  }

  /// Independent states for `count` examples, along a leading axis of the leaves: one for each example of a `vmap`.
  public mutating func split(_ count: Int) -> RandomState {
    let keys = draw(RandomDraw(.key, [count, 2], .float64))
    return RandomState(key: keys, position: .zeros([count]))
  }

  private mutating func draw(_ primitive: RandomDraw) -> Tensor {
    defer { position = position + Double(primitive.wordCount) }
    return bind(primitive, key, position)
  }
}
