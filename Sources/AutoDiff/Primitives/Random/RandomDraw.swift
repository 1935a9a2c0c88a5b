/// Random numbers, given the state of a generator.
///
/// Inputs: the key, [..., 2], whose entries are the low and the high 32 bits of a seed, and the position, [...], the number
/// of the first word to use. The output has the axes of the position in front: that many independent drawings.
struct RandomDraw: Primitive, Hashable {
  enum Law: Hashable {
    case normal, rademacher
    case uniform(Range<Double>)
    /// The halves of words as whole numbers, low and high: keys of other generators, along a last axis of 2.
    case key
  }

  let law: Law
  /// The shape of one drawing.
  let shape: [Int]
  let scalarType: ScalarType

  init(_ law: Law, _ shape: [Int], _ scalarType: ScalarType) {
    (self.law, self.shape, self.scalarType) = (law, shape, scalarType)
  }

  var name: String { "randomDraw" }
  var residuals: Residuals { [] }
  /// How many words a drawing takes.
  var wordCount: Int {
    let count = shape.entryCount(name)
    switch law {
    case .normal, .rademacher, .uniform: return count
    case .key: return count / 2
    }
  }

  func scalarType(of inputs: Inputs) -> ScalarType { scalarType }

  func shape(of inputs: Inputs) -> [Int] {
    let (key, position) = (inputs[0].shape, inputs[1].shape)
    if key != position + [2] {
      stop("the key must have one more axis, of 2, than the position", got: "\(key), \(position)")
    }
    let shape = position + shape
    _ = shape.entryCount(name)
    return shape
  }

  func evaluate(_ inputs: Inputs) -> Tensor {
    let shape = shape(of: inputs)
    let (states, words) = (inputs[1].count, wordCount)
    let (keys, positions) = (inputs[0].scalars, inputs[1].scalars)
    let each = self.shape.entryCount(name)
    let streams = (0..<states).map { i in
      RandomStream(seed: whole(keys[2 * i], below: 0x1p32) | whole(keys[2 * i + 1], below: 0x1p32) << 32)
    }
    let starts = positions.map { whole($0, below: 0x1p53) }
    func run<T: LoopScalar>(_: T.Type) -> Tensor {
      make(shape, T.self) { y in
        // Small drawings share a task, by their size only.
        let perTask = Swift.max(1, (1 << 14) / Swift.max(1, each))
        ThreadTeam.run((states + perTask - 1) / perTask) { task in
          for i in task * perTask..<Swift.min(states, (task + 1) * perTask) {
            fill(y + i * each, words, streams[i], from: starts[i])
          }
        }
      }
    }
    return perType(scalarType, double: run(Double.self), float: run(Float.self))
  }

  private func fill<T: LoopScalar>(
    _ y: UnsafeMutablePointer<T>, _ count: Int, _ stream: RandomStream, from position: UInt64
  ) {
    switch law {
    case .normal: stream.fill(y, count: count, from: position, NormalLaw())
    case .uniform(let range): stream.fill(y, count: count, from: position, UniformLaw(range))
    case .rademacher: stream.fill(y, count: count, from: position, SignLaw())
    case .key:
      for k in 0..<count {
        let word = stream.word(position &+ UInt64(k))
        y[2 * k] = T(word & 0xffff_ffff)
        y[2 * k + 1] = T(word >> 32)
      }
    }
  }

  private func whole(_ x: Double, below bound: Double) -> UInt64 {
    guard x >= 0, x < bound, let number = UInt64(exactly: x) else {
      stop("the entries of a state must be whole numbers in 0..<\(bound)", got: "\(x)")
    }
    return number
  }

  // Numbers are piecewise constant in the state.
  func jvp(_ inputs: Inputs, _ tangents: Tangents, output: Tensor) -> Tensor? { nil }
  func vjp(_ inputs: Inputs, output: Tensor, cotangent: Tensor, argument: Int) -> Tensor? { nil }

  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor {
    dispatch(self, inputs.aligned(isBatched, size: size))
  }
}
