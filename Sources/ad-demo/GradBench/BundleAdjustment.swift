import AutoDiff

/// `ba`: the errors of p observations of m points by n cameras, and their sparse Jacobian.
///
/// Observation i is of point i mod m by camera i mod n. It has two errors of projection, which depend on the 11 numbers of
/// its camera, the 3 of its point and its weight: two rows of 15 entries, by two pullbacks for all observations at once.
struct BundleAdjustment: GradBenchProblem {
  static let module = "ba"

  struct Input: Decodable {
    let n: Int, m: Int, p: Int
    let cam: [Double], x: [Double], feat: [Double]
    let w: Double
  }

  /// What one observation depends on, each number a tensor of its own.
  struct Observation: TensorTree {
    var rotation: [Tensor], center: [Tensor], focal: Tensor, principal: [Tensor], radial: [Tensor]
    var point: [Tensor]
    var weight: Tensor

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      rotation.forEachTensor(body)
      center.forEachTensor(body)
      body(&focal)
      principal.forEachTensor(body)
      radial.forEachTensor(body)
      point.forEachTensor(body)
      body(&weight)
    }
  }

  /// A sparse matrix by rows: `rows` says where each begins in `columns` and `values`.
  struct SparseMatrix {
    var rows: [Int32], columns: [Int32]
    var values: Tensor
  }

  /// How many observations are computed together: as many as leave their intermediate values in the cache.
  private static let blockSize = 2048

  private let n: Int, m: Int, p: Int
  /// [11, n], [3, m], [p] and [2, p].
  private let cameras: Tensor, points: Tensor, weights: Tensor, features: Tensor

  init(_ input: Input) throws {
    (n, m, p) = (input.n, input.m, input.p)
    for (name, count) in [("n", n), ("m", m), ("p", p)] { try requirePositive(name, count) }
    guard 31 * p <= Int32.max, 11 * n + 3 * m + p <= Int32.max else {
      throw GradBenchError("n, m and p are too large: the columns must have 32-bit numbers")
    }
    func repeated(_ name: String, _ entries: [Double], _ length: Int, _ count: Int) throws -> Tensor {
      let column = try Tensor(name, entries, length).reshaped(to: [length, 1])
      return column * .ones([length, count])
    }
    cameras = try repeated("cam", input.cam, 11, n)
    points = try repeated("x", input.x, 3, m)
    features = try repeated("feat", input.feat, 2, p)
    weights = .filled(input.w, [p]) * .ones([p])
  }

  // MARK: One observation

  /// w · (projection of the point − where it was seen), two numbers.
  static func error(_ o: Observation, seenAt feature: [Tensor]) -> [Tensor] {
    let view = rotated(zip(o.point, o.center).map { $0 - $1 }, by: o.rotation)
    let (x, y) = (view[0] / view[2], view[1] / view[2])
    let radius = square(x) + square(y)
    let distortion = 1 + o.radial[0] * radius + o.radial[1] * square(radius)
    let scale = o.focal * distortion
    return [
      o.weight * (scale * x + o.principal[0] - feature[0]), o.weight * (scale * y + o.principal[1] - feature[1]),
    ]
  }

  static func weightError(_ weight: Tensor) -> Tensor { 1 - square(weight) }

  /// A vector turned about an axis r by the angle |r|, after Rodrigues:
  /// v cos|r| + (r × v) sin|r| / |r| + r (r · v) (1 − cos|r|) / |r|². At r = 0 the factors have their limits.
  private static func rotated(_ v: [Tensor], by r: [Tensor]) -> [Tensor] {
    let squared = square(r[0]) + square(r[1]) + square(r[2])
    let turns = squared .> 0
    let angle = sqrt(select(turns, squared, 1))
    let cosine = select(turns, cos(angle), 1)
    let across = select(turns, sin(angle) / angle, 1)
    let along = select(turns, (1 - cos(angle)) / square(angle), 0.5) * (r[0] * v[0] + r[1] * v[1] + r[2] * v[2])
    return (0..<3).map { i in
      let (j, k) = ((i + 1) % 3, (i + 2) % 3)
      return v[i] * cosine + (r[j] * v[k] - r[k] * v[j]) * across + r[i] * along
    }
  }

  // MARK: All observations

  private func observations(_ range: Range<Int>) -> (Observation, features: [Tensor]) {
    let camera = cameras.gathered(at: range.map { $0 % n }, axis: 1)
    let point = points.gathered(at: range.map { $0 % m }, axis: 1)
    func rows(_ table: Tensor, _ range: Range<Int>) -> [Tensor] { range.map { table[$0] } }
    let observation = Observation(
      rotation: rows(camera, 0..<3), center: rows(camera, 3..<6), focal: camera[6], principal: rows(camera, 7..<9),
      radial: rows(camera, 9..<11), point: rows(point, 0..<3), weight: weights[range])
    return (observation, rows(features[.all, range], 0..<2))
  }

  private var blocks: [Range<Int>] {
    stride(from: 0, to: p, by: Self.blockSize).map { $0..<min($0 + Self.blockSize, p) }
  }

  /// The two errors of every observation, [p, 2].
  static func errors(_ observations: Observation, seenAt features: [Tensor]) -> Tensor {
    stack(vmap { error($0, seenAt: $1) }(observations, features), axis: 1)
  }

  /// The two rows of every observation, one after the other.
  static func derivatives(_ observations: Observation, seenAt features: [Tensor]) -> Tensor {
    let (one, zero) = (Tensor(1), Tensor(0))
    let rows = vmap { (observation: Observation, features: [Tensor]) in
      let pullback = vjp(of: { error($0, seenAt: features) }, at: observation).pullback
      return [pullback([one, zero]), pullback([zero, one])]
    }(observations, features)
    return stack(rows.flatMap(\.leaves), axis: 1).flattened
  }

  /// What a function of observations gives for all of them, block by block.
  private func map(_ f: Compiled<Pair<Observation, [Tensor]>, Tensor>) -> [Tensor] {
    blocks.map { range in
      let (observations, features) = observations(range)
      return f(observations, features)
    }
  }

  private func jacobian(_ derivatives: [Tensor]) -> SparseMatrix {
    let slopes = vmap { (w: Tensor) in gradient(of: Self.weightError, at: w) }(weights)
    let (rows, columns) = structure()
    return SparseMatrix(rows: rows, columns: columns, values: concatenate(derivatives + [slopes]))
  }

  /// Which entries are there: two rows for every observation, then one for every weight.
  private func structure() -> (rows: [Int32], columns: [Int32]) {
    let firstWeight = 11 * n + 3 * m
    let rows = [Int32](unsafeUninitializedCapacity: 3 * p + 1) { rows, count in
      for row in 0...2 * p { rows[row] = Int32(15 * row) }
      for row in 0..<p { rows[2 * p + 1 + row] = Int32(30 * p + row + 1) }
      count = 3 * p + 1
    }
    let columns = [Int32](unsafeUninitializedCapacity: 31 * p) { columns, count in
      for i in 0..<p {
        let (camera, point) = (11 * (i % n), 11 * n + 3 * (i % m))
        for row in [30 * i, 30 * i + 15] {
          for k in 0..<11 { columns[row + k] = Int32(camera + k) }
          for k in 0..<3 { columns[row + 11 + k] = Int32(point + k) }
          columns[row + 14] = Int32(firstWeight + i)
        }
        columns[30 * p + i] = Int32(firstWeight + i)
      }
      count = 31 * p
    }
    return (rows, columns)
  }

  // MARK: Answers

  static var functions: [GradBenchFunction<BundleAdjustment>] {
    [
      GradBenchFunction("objective") { problem in
        let errors = compiled(Self.errors)
        return { (concatenate(problem.map(errors)), Self.weightError(problem.weights)) }
      } answer: { (projection: Tensor, weight: Tensor) in
        Errors(
          projection: .init(elements: projection[0].scalars, repeated: projection.shape[0]),
          weight: .init(element: weight[0].scalar, repeated: weight.count))
      },
      GradBenchFunction("jacobian") { problem in
        let derivatives = compiled(Self.derivatives)
        return { problem.jacobian(problem.map(derivatives)) }
      } answer: {
        Excerpt(
          rows: excerpt($0.rows), cols: excerpt($0.columns),
          vals: $0.values[..<min(30, $0.values.count)].scalars + [$0.values[-1].scalar])
      },
    ]
  }

  /// The first 30 entries and the last one, which is what the eval compares.
  private static func excerpt(_ entries: [Int32]) -> [Int32] { entries.prefix(30) + entries.suffix(1) }

  private struct Errors: Encodable {
    struct Projection: Encodable {
      let elements: [Double]
      let repeated: Int
    }
    struct Weight: Encodable {
      let element: Double
      let repeated: Int
    }
    let projection: Projection
    let weight: Weight

    enum CodingKeys: String, CodingKey { case projection = "reproj_error", weight = "w_err" }
  }

  private struct Excerpt: Encodable {
    let rows: [Int32], cols: [Int32]
    let vals: [Double]
  }
}
