import AutoDiff

/// `kmeans`: the cost Σᵢ minⱼ ‖cⱼ − pᵢ‖² of centroids, and the direction of Newton's method for it: the gradient divided by
/// the diagonal of the Hessian, which is diagonal.
///
/// The derivative of a minimum is that of the term that is least, and which one that is does not change nearby. So the
/// nearest centroids are found first, and the cost is differentiated with them in place. One forward derivative of the
/// gradient, along ones, gives both the gradient and the diagonal.
struct KMeans: GradBenchProblem {
  static let module = "kmeans"

  struct Input: Decodable {
    let points: [[Double]]
    let centroids: [[Double]]
  }

  let centroids: Tensor
  private let points: Tensor

  init(_ input: Input) throws {
    let d = input.points.first?.count ?? 0
    try requirePositive("the number of points", input.points.count)
    try requirePositive("the number of centroids", input.centroids.count)
    try requirePositive("the dimension of the points", d)
    points = try Tensor("points", input.points, input.points.count, d)
    centroids = try Tensor("centroids", input.centroids, input.centroids.count, d)
  }

  /// For every point the number of the nearest centroid. ‖p‖² is the same for all centroids, so ‖c‖² − 2 c·p decides. A
  /// block of points at a time, whose distances stay in the cache.
  func nearest(to centroids: Tensor) -> Tensor {
    let (n, k) = (points.shape[0], centroids.shape[0])
    let factor = concatenate([-2 * centroids, square(centroids).sum(axes: [1], keepingAxes: true)], axis: 1)
    let extended = concatenate([points, .ones([n, 1])], axis: 1)
    let block = max(64, 65_536 / k)
    return concatenate(
      stride(from: 0, to: n, by: block).map { start in
        matmul(factor, extended[start..<min(start + block, n)].transposed).argmin(axis: 0)
      })
  }

  func cost(_ centroids: Tensor, _ nearest: Tensor) -> Tensor {
    square(centroids.gathered(at: nearest) - points).sum()
  }

  func direction(_ centroids: Tensor) -> Tensor {
    let nearest = nearest(to: centroids)
    let (slope, curvature) = jvp(
      of: { gradient(of: { cost($0, nearest) }, at: $0) }, at: centroids, along: .ones(like: centroids))
    return slope / curvature
  }

  static var functions: [GradBenchFunction<KMeans>] {
    [
      GradBenchFunction("cost") { problem in
        let value = compiled { (c: Tensor) in problem.cost(c, problem.nearest(to: c)) }
        return { value(problem.centroids) }
      },
      GradBenchFunction("dir") { problem in
        let direction = compiled { (c: Tensor) in problem.direction(c) }
        return { direction(problem.centroids) }
      },
    ]
  }
}
