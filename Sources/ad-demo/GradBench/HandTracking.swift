import AutoDiff

/// `ht`: the distances of measured points from a model of a hand, and their Jacobian in the 26 numbers of its pose.
///
/// Bones form a tree. A vertex follows several of them, Σ_b w_b T_b v with the transforms T_b; then the whole hand is turned
/// and moved. Where `us` are given, a point lies on a triangle with these barycentric coordinates, and the Jacobian begins
/// with two columns for the point's own pair of them.
///
/// There are few inputs and many outputs: one forward derivative, batched over the directions.
struct HandTracking: GradBenchProblem {
  static let module = "ht"

  struct Input: Decodable {
    struct Model: Decodable {
      let parents: [Int]
      let relatives: [[[Double]]], inverses: [[[Double]]]
      let positions: [[Double]], weights: [[Double]]
      let triangles: [[Int]]
      let isMirrored: Bool

      enum CodingKeys: String, CodingKey {
        case parents, weights, triangles, positions = "base_positions", isMirrored = "is_mirrored"
        case relatives = "base_relatives", inverses = "inverse_base_absolutes"
      }
    }
    struct Data: Decodable {
      let correspondences: [Int]
      let points: [[Double]]
      let model: Model
    }
    let theta: [Double]
    let us: [[Double]]
    let data: Data
  }

  struct Pose: TensorTree {
    /// [26]: rotation and translation of the hand, and four angles for each finger.
    var theta: Tensor
    /// [points, 2], or no rows.
    var us: Tensor

    mutating func forEachTensor(_ body: (inout Tensor) -> Void) {
      body(&theta)
      body(&us)
    }
  }

  let pose: Pose
  private let points: Tensor, mirror: Tensor
  /// The transforms of bones to their parents and from the resting hand, [bones, 4, 4].
  private let relatives: Tensor, inverses: Tensor
  private let tree: BoneTree
  /// The vertices' places at rest, [vertices, 4], and weights, [vertices, bones].
  private let positions: Tensor, weights: Tensor
  /// The vertices that matter: one for each point, or the first of all triangles, the second and the third.
  private let vertices: [Int]
  /// Where each bone's angles about x and z stand in (theta, 0).
  private let xAngles: [Int], zAngles: [Int]

  init(_ input: Input) throws {
    let (data, model) = (input.data, input.data.model)
    let count = data.correspondences.count
    try requirePositive("the number of correspondences", count)
    let isOnTriangles = !input.us.isEmpty
    pose = Pose(
      theta: try Tensor("theta", input.theta, 26), us: try Tensor("us", input.us, isOnTriangles ? count : 0, 2))
    points = try Tensor("points", data.points, count, 3)
    mirror = Tensor([model.isMirrored ? -1 : 1, 1, 1])
    let bones = model.parents.count
    guard bones >= 20 else { throw GradBenchError("there must be at least 20 bones, but got \(bones)") }
    tree = try BoneTree(parents: model.parents)
    func matrices(_ name: String, _ list: [[[Double]]]) throws -> Tensor {
      try Tensor(name, list.flatMap { $0 }, 4 * bones, 4).reshaped(to: [bones, 4, 4])
    }
    relatives = try matrices("base_relatives", model.relatives)
    inverses = try matrices("inverse_base_absolutes", model.inverses)
    let vertexCount = model.positions.count
    positions = try Tensor("base_positions", model.positions, vertexCount, 4)
    weights = try Tensor("weights", model.weights, vertexCount, bones)
    func checked(_ index: Int, below count: Int, _ name: String) throws -> Int {
      guard (0..<count).contains(index) else {
        throw GradBenchError("\(name) must lie in 0..<\(count), but got \(index)")
      }
      return index
    }
    if isOnTriangles {
      let triangles = try data.correspondences.map { index in
        let triangle = model.triangles[try checked(index, below: model.triangles.count, "correspondences")]
        guard triangle.count == 3 else {
          throw GradBenchError("triangles must have 3 corners, but got \(triangle.count)")
        }
        return try triangle.map { try checked($0, below: vertexCount, "triangles") }
      }
      vertices = (0..<3).flatMap { corner in triangles.map { $0[corner] } }
    } else {
      vertices = try data.correspondences.map { try checked($0, below: vertexCount, "correspondences") }
    }
    // A finger has four bones. Its second one turns about x and z, the next two about x; all others stay.
    let none = 26
    var (x, z) = ([Int](repeating: none, count: bones), [Int](repeating: none, count: bones))
    for finger in 0..<5 {
      let (bone, angle) = (4 * finger + 2, 6 + 4 * finger)
      for (bone, angle) in [(bone, angle), (bone + 1, angle + 2), (bone + 2, angle + 3)] where bone < bones {
        x[bone] = angle
      }
      if bone < bones { z[bone] = angle + 1 }
    }
    (xAngles, zAngles) = (x, z)
  }

  // MARK: The model

  /// Point − its place on the hand.
  ///
  /// - Shapes: [points, 3].
  func errors(_ pose: Pose) -> Tensor {
    let corners = vertexPositions(pose.theta)
    if pose.us.count == 0 { return points - corners }
    let places = corners.reshaped(to: [3, points.shape[0], 3])
    let u = pose.us[.all, 0, .newAxis], v = pose.us[.all, 1, .newAxis]
    return points - (u * places[0] + v * places[1] + (1 - u - v) * places[2])
  }

  private func vertexPositions(_ theta: Tensor) -> Tensor {
    let transforms = matmul(tree.chained(matmul(relatives, rotations(theta))), inverses)
    // Σ_b w_b T_b v as one product, summed over bones and coordinates.
    let bones = relatives.shape[0]
    let rest = weights.gathered(at: vertices).expanded(at: 2) * positions.gathered(at: vertices).expanded(at: 1)
    let skinned = matmul(
      rest.reshaped(to: [vertices.count, bones * 4]),
      transforms[.all, ..<3, .all].permuted([0, 2, 1]).reshaped(to: [bones * 4, 3]))
    return matmul(skinned * mirror, Self.rotation(theta[..<3]).transposed) + theta[3..<6]
  }

  /// The rotations of the bones against their parents, first about x, then about z.
  ///
  /// - Shapes: [bones, 4, 4].
  private func rotations(_ theta: Tensor) -> Tensor {
    let angles = concatenate([theta, .zeros([1])])
    let x = angles.gathered(at: xAngles), z = angles.gathered(at: zAngles)
    let (cx, sx, cz, sz) = (cos(x), sin(x), cos(z), sin(z))
    let zero = Tensor.zeros(like: x), one = Tensor.ones(like: x)
    let entries = [
      cz, -sz * cx, sz * sx, zero, sz, cz * cx, -cz * sx, zero, zero, sx, cx, zero, zero, zero, zero, one,
    ]
    return stack(entries, axis: 1).reshaped(to: [xAngles.count, 4, 4])
  }

  /// The rotation about an axis by the axis's length: cos · 1 + (1 − cos) a aᵀ + sin [a]×, the identity where it is short.
  private static func rotation(_ axis: Tensor) -> Tensor {
    let angle = axis.norm()
    if angle.scalar < 1e-4 { return .eye(3) }
    let a = axis / angle
    let cosine = cos(angle)
    return cosine * .eye(3) + (1 - cosine) * outer(a, a) + sin(angle) * tensordot(crossProduct, a, axes: ([2], [0]))
  }

  /// (r × v)ᵢ = Σ crossProduct[i, j, k] vⱼ rₖ.
  private static let crossProduct = Tensor(
    [0, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 1, 0, 0, 0, 0, 0], shape: [3, 3, 3])

  // MARK: The Jacobian

  /// [3 · points, columns], the columns of `us` first.
  func jacobian(_ pose: Pose) -> Tensor {
    let pairs = pose.us.count == 0 ? 0 : 2
    let basis = Tensor.eye(26 + pairs)
    // A direction in `us` moves the first or the second number of every point.
    let directions = Pose(
      theta: basis[.all, pairs...],
      us: basis[.all, .newAxis, ..<pairs].broadcast(to: [26 + pairs, pose.us.shape[0], pairs])
        .reshaped(to: [26 + pairs] + pose.us.shape))
    return vmap({ directionalDerivative(of: errors, at: pose, along: $0).flattened }, outputAxis: 1)(directions)
  }

  static var functions: [GradBenchFunction<HandTracking>] {
    [
      GradBenchFunction("objective") { hand in
        let value = { (pose: Pose) in hand.errors(pose).flattened }
        return { value(hand.pose) }
      },
      GradBenchFunction("jacobian") { hand in
        let derivative = { (pose: Pose) in hand.jacobian(pose) }
        return { derivative(hand.pose) }
      },
    ]
  }
}

/// Bones whose transforms are relative to their parents.
private struct BoneTree {
  /// By depth: the bones of this depth, and where their parents stand among those of the depth above.
  private var levels: [(bones: [Int], parents: [Int])] = []
  /// Where each bone stands in the levels one after another.
  private var places: [Int]

  init(parents: [Int]) throws {
    places = [Int](repeating: -1, count: parents.count)
    var found = 0
    var above = [-1]
    while found < parents.count {
      let bones = parents.indices.filter { above.contains(parents[$0]) }
      guard !bones.isEmpty else { throw GradBenchError("parents must make a tree, with -1 above its roots") }
      levels.append((bones, levels.isEmpty ? [] : bones.map { above.firstIndex(of: parents[$0])! }))
      for (offset, bone) in bones.enumerated() { places[bone] = found + offset }
      found += bones.count
      above = bones
    }
  }

  /// The product of all transforms from the root to a bone, for every bone.
  ///
  /// - Shapes: [bones, 4, 4] each.
  func chained(_ relatives: Tensor) -> Tensor {
    var products: [Tensor] = []
    for (bones, parents) in levels {
      let own = relatives.gathered(at: bones)
      products.append(products.last.map { matmul($0.gathered(at: parents), own) } ?? own)
    }
    return concatenate(products).gathered(at: places)
  }
}
