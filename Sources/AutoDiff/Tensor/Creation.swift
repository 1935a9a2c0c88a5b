extension Tensor {
  /// A single number.
  public init(_ value: Double, as scalarType: ScalarType = .float64) {
    node = ArrayNode(
      shape: [], scalarType: scalarType, single: perType(scalarType, double: value, float: Double(Float(value))))
  }

  /// The entries in row-major order under a shape; by default a vector.
  ///
  /// Stops unless the number of entries is that of the shape.
  public init(_ entries: [Double], shape: [Int]? = nil, as scalarType: ScalarType = .float64) {
    let shape = shape ?? [entries.count]
    Self.check(shape, entries.count)
    self =
      perType(
        scalarType,
        double: .make(shape, Double.self, for: "Tensor") { for k in entries.indices { $0[k] = entries[k] } },
        float: .make(shape, Float.self, for: "Tensor") { for k in entries.indices { $0[k] = Float(entries[k]) } })
  }

  /// The entries in row-major order under a shape; by default a vector. The scalar type is `.float32`.
  ///
  /// Disfavoured, so that `Tensor([1, 2])`, which both initializers would take, has the default type `.float64`.
  @_disfavoredOverload
  public init(_ entries: [Float], shape: [Int]? = nil) {
    let shape = shape ?? [entries.count]
    Self.check(shape, entries.count)
    self = .make(shape, Float.self, for: "Tensor") { for k in entries.indices { $0[k] = entries[k] } }
  }

  /// The rows of a matrix. Stops if they differ in length.
  public init(_ rows: [[Double]], as scalarType: ScalarType = .float64) {
    self = rows.isEmpty ? .zeros([0, 0], as: scalarType) : stack(rows.map { Tensor($0, as: scalarType) })
  }

  /// The blocks of a tensor of rank 3. Stops if they differ in shape.
  public init(_ blocks: [[[Double]]], as scalarType: ScalarType = .float64) {
    self = blocks.isEmpty ? .zeros([0, 0, 0], as: scalarType) : stack(blocks.map { Tensor($0, as: scalarType) })
  }

  private static func check(_ shape: [Int], _ count: Int) {
    if shape.entryCount("Tensor") != count {
      stop("Tensor", "the shape must hold all entries", got: "\(count) entries for \(shape)")
    }
  }

  /// A tensor with one value everywhere. It is a view of a single number.
  public static func filled(_ value: Double, _ shape: [Int], as scalarType: ScalarType = .float64) -> Tensor {
    filled(value, shape, as: scalarType, for: "filled")
  }
  private static func filled(_ value: Double, _ shape: [Int], as scalarType: ScalarType, for operation: String)
    -> Tensor
  {
    _ = shape.entryCount(operation)
    return Tensor(value, as: scalarType).broadcast(to: shape)
  }
  /// Zeros.
  public static func zeros(_ shape: [Int], as scalarType: ScalarType = .float64) -> Tensor {
    filled(0, shape, as: scalarType, for: "zeros")
  }
  /// Ones.
  public static func ones(_ shape: [Int], as scalarType: ScalarType = .float64) -> Tensor {
    filled(1, shape, as: scalarType, for: "ones")
  }
  /// Zeros of another tensor's shape and type.
  public static func zeros(like other: Tensor) -> Tensor { filled(0, other.shape, as: other.scalarType) }
  /// Ones of another tensor's shape and type.
  public static func ones(like other: Tensor) -> Tensor { filled(1, other.shape, as: other.scalarType) }

  /// The number 0.
  static let zero = Tensor(0)

  /// start, start + step, … as far as they lie before the end. Stops at a step of 0, and where memory cannot hold them.
  public static func range(
    from start: Double = 0, to end: Double, by step: Double = 1, as scalarType: ScalarType = .float64
  ) -> Tensor {
    guard step != 0, step.isFinite, start.isFinite, end.isFinite else {
      stop("range", "bounds must be finite and the step not 0", got: "\(start), \(end), \(step)")
    }
    let steps = ((end - start) / step).rounded(.up)
    // What is beyond all memory need not be an exact number.
    let count = steps > 0 ? Int(exactly: steps) ?? .max : 0
    return computed(count, as: scalarType, for: "range") { start + Double($0) * step }
  }

  /// The vector of `count` numbers that a function gives for 0, 1, …
  static func computed(
    _ count: Int, as scalarType: ScalarType, for operation: String, _ entry: (Int) -> Double
  ) -> Tensor {
    perType(
      scalarType, double: .make([count], Double.self, for: operation) { for k in 0..<count { $0[k] = entry(k) } },
      float: .make([count], Float.self, for: operation) { for k in 0..<count { $0[k] = Float(entry(k)) } })
  }

  /// `count` numbers at equal distances from `start` to `end`, both included. Stops unless there is at least one, and where
  /// memory cannot hold them.
  public static func linspace(_ start: Double, _ end: Double, count: Int, as scalarType: ScalarType = .float64)
    -> Tensor
  {
    guard count > 0 else { stop("linspace", "the count must be positive", got: "\(count)") }
    let step = count > 1 ? (end - start) / Double(count - 1) : 0
    return computed(count, as: scalarType, for: "linspace") {
      $0 == count - 1 && count > 1 ? end : start + Double($0) * step
    }
  }

  /// The identity matrix of order n. Stops at a negative order, and where memory cannot hold it.
  public static func eye(_ n: Int, as scalarType: ScalarType = .float64) -> Tensor {
    guard n >= 0 else { stop("eye", "the order must not be negative", got: "\(n)") }
    func fill<T: LoopScalar>(_ entries: UnsafeMutablePointer<T>) {
      entries.initialize(repeating: 0, count: n * n)
      for k in 0..<n { entries[k * n + k] = 1 }
    }
    return perType(
      scalarType, double: .make([n, n], Double.self, for: "eye") { fill($0) },
      float: .make([n, n], Float.self, for: "eye") { fill($0) })
  }

  /// The same values in another scalar type. Differentiable, each way.
  public func `as`(_ type: ScalarType) -> Tensor {
    type == scalarType ? self : bind(Convert(to: type), .one(self))
  }
}

/// The same values in another scalar type.
struct Convert: LinearPrimitive {
  let to: ScalarType
  var name: String { "convert" }

  func shape(of inputs: Inputs) -> [Int] { inputs[0].shape }
  func scalarType(of inputs: Inputs) -> ScalarType { to }
  func evaluate(_ inputs: Inputs) -> Tensor {
    let x = inputs[0]
    switch (x.scalarType, to) {
    case (.float64, .float32):
      return make(x.shape, Float.self) { y in
        x.withEntries(Double.self) { for k in 0..<x.count { y[k] = Float($0[k]) } }
      }
    case (.float32, .float64):
      return make(x.shape, Double.self) { y in
        x.withEntries(Float.self) { for k in 0..<x.count { y[k] = Double($0[k]) } }
      }
    default: return x
    }
  }
  func transpose(_ cotangent: Tensor, inputShape: [Int]) -> Tensor {
    dispatch(Convert(to: perType(to, double: .float32, float: .float64)), .one(cotangent))
  }
  func pullback(_ gradient: OuterProducts, _ inputs: Inputs, argument: Int) -> OuterProducts? {
    gradient.converted(to: inputs[0].scalarType)
  }
  func batch(_ inputs: Inputs, isBatched: ShortList<Bool>, size: Int) -> Tensor { dispatch(self, inputs) }
  /// Rounding to a narrower type is not a part of the function that is bounded.
  func bounds(_ inputs: ShortList<ValueBounds>) throws(BoundError) -> ValueBounds { inputs[0] }
}
