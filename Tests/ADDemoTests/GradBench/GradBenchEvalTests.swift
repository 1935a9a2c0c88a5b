import AutoDiff
import Foundation
import Testing

@testable import ad_demo

@Suite struct GradBenchEvalTests {
  @Test(arguments: GradBenchRecording.all.keys.sorted())
  func agreesWithTheReferenceProgram(module: String) throws {
    for recording in try #require(GradBenchRecording.all[module]) {
      for (function, expected) in recording.outputs {
        expectSameJSON(try output(module, function, recording.input), try json(expected), "\(module) \(function)")
      }
    }
  }

  @Test func helloSquaresAndDoubles() throws {
    #expect(try output("hello", "square", "3.5") as? Double == 12.25)
    #expect(try output("hello", "double", "-3.5") as? Double == -7)
  }

  /// Every module, with all functions that the suite asks for.
  @Test func allEvalsAreThere() {
    let functions = Dictionary(
      uniqueKeysWithValues: GradBenchSession.allModules.map { ($0.name, Set($0.functionNames)) })
    let nestings: Set = ["rr", "ff", "fr", "rf"]
    #expect(
      functions == [
        "hello": ["square", "double"], "gmm": ["objective", "jacobian"], "ba": ["objective", "jacobian"],
        "ht": ["objective", "jacobian"], "lstm": ["objective", "jacobian"], "kmeans": ["cost", "dir"],
        "lse": ["primal", "gradient"], "llsq": ["primal", "gradient"], "ode": ["primal", "gradient"],
        "det": ["primal", "gradient"], "particle": nestings, "saddle": nestings,
      ])
  }

  // MARK: Nested derivatives

  /// The suite's constant; a program with derivatives by hand and dual numbers gives 0.20719187464861155.
  @Test(arguments: ["rr", "ff", "fr", "rf"])
  func aParticleLandsTheSameByAllModes(nesting: String) throws {
    let w = try #require(try output("particle", nesting, #"{"w": 0}"#) as? Double)
    #expect(abs(w - 0.2071918746486116) < 1e-12)
  }

  @Test(arguments: ["rr", "ff", "fr", "rf"])
  func aSaddleIsTheSameByAllModes(nesting: String) throws {
    // From nearer than the suite starts, for fewer steps: by plain numbers, and the derivatives 2x and −2y.
    func descend(_ start: Double) -> Double {
      var (x, step, successes) = (start, 1e-5, 0)
      while (8 * x * x).squareRoot() > 1e-5 {
        if successes == 10 { (step, successes) = (2 * step, 0) }
        let next = x - step * 2 * x
        if (2 * (next - x) * (next - x)).squareRoot() <= 1e-5 { break }
        if next * next < x * x { (x, successes) = (next, successes + 1) } else { (step, successes) = (step / 2, 0) }
      }
      return x
    }
    let expected = descend(0.02)
    let point = try #require(try output("saddle", nesting, #"{"start": [0.02, 0.02]}"#) as? [Double])
    #expect(point.count == 4)
    for entry in point { #expect(abs(entry - expected) < 1e-12) }
  }

  // MARK: Hand tracking

  /// Numbers of a rule that another program can repeat exactly.
  private struct Sequence {
    var count = 0

    mutating func next() -> Double {
      count += 1
      let number: Int = (37 * count * count + 11 * count) % 101
      return Double(number) / 101 - 0.5
    }
    mutating func row(_ count: Int) -> [Double] { (0..<count).map { _ in next() } }
    mutating func rows(_ count: Int, _ width: Int) -> [[Double]] { (0..<count).map { _ in row(width) } }
  }

  /// A hand of 22 bones and 5 vertices.
  private func hand(isMirrored: Bool, isOnTriangles: Bool) throws -> String {
    var numbers = Sequence()
    let theta = numbers.row(26)
    func matrices() -> [[[Double]]] {
      (0..<22).map { _ -> [[Double]] in
        var matrix = numbers.rows(4, 4)
        matrix[3] = [0, 0, 0, 1]
        return matrix
      }
    }
    // The wrist, five fingers of four bones, the forearm.
    var parents = [-1]
    for first in [1, 5, 9, 13, 17] { parents += [0, first, first + 1, first + 2] }
    parents.append(0)
    let (relatives, inverses) = (matrices(), matrices())
    var positions = numbers.rows(5, 3)
    for vertex in 0..<5 { positions[vertex].append(1) }
    let model: [String: Any] = [
      "parents": parents, "base_relatives": relatives, "inverse_base_absolutes": inverses,
      "base_positions": positions, "weights": numbers.rows(5, 22), "triangles": [[0, 1, 2], [2, 3, 4], [4, 1, 3]],
      "is_mirrored": isMirrored,
    ]
    let data: [String: Any] = ["correspondences": [2, 0, 1], "points": numbers.rows(3, 3), "model": model]
    let us = numbers.rows(3, 2)
    let input: [String: Any] = ["theta": theta, "us": isOnTriangles ? us : [], "data": data]
    return String(decoding: try JSONSerialization.data(withJSONObject: input), as: UTF8.self)
  }

  /// The numbers are of the suite's reference program: errors, and the Jacobian times (1, 2, …) from the right and from
  /// the left.
  @Test(arguments: [
    (
      false,
      [
        0.7403948661640458, -0.03896145458594358, -1.188972030439307, 0.8733280137906084, -0.935561346928288,
        -0.8200569252092589, -1.0152719658014848, -0.17584050492593983, 0.8519358490184982,
      ],
      [
        -3.736133583993797, -2.0341528065695327, -8.460054748436209, -5.190132525359566, -1.8903847729261771,
        -7.492871276773349, -4.278071530318738, -8.34765402798432, -3.3687481381918234,
      ],
      [
        -0.827666090947734, 2.2005917032199136, -1.7959584050734554, -12.0, -15.0, -18.0, 0.07362809604173323,
        -0.060397515720584716, 0.09139564545012296, -0.020987180999142797, -0.033062839433328314, 0.035604782581457266,
        0.00661318578431529, 0.0023032266416985617, 0.03065966002424133, -0.012890217593557273, 0.007415329629759316,
        0.007453656066501777, -0.02718309880007133, -0.051209254244798094, -0.005138266562754587,
        -6.5059356957274084e-06, -0.045138959570627746, -0.04778198437606134, -0.003402457820345253,
        -0.0003162938785807043,
      ]
    ),
    (
      true,
      [
        -0.6377146933266467, 0.4225715872331271, -0.05237092042749389, 1.1163557543261025, -0.8387640610978639,
        -0.9010360549155141, 0.10373822682615397, -0.6736838010128334, -0.17577193604102248,
      ],
      [
        -4.629399679283431, -11.625705664285656, -4.9024279760006975, -10.186973227712288, 1.5620590462142057,
        -11.46503216194571, -9.273552667681273, -3.5196383573503884, -7.013767196918329,
      ],
      [
        -3.00610365941016, 12.287963702172117, 1.2192137738540394, -11.864515033175472, 8.320552657131598, -12.0, -15.0,
        -18.0, -0.03937406655932682, 0.01801749757497605, 0.06000899923219997, -0.009051602788331366,
        -0.02451637280373397, -0.024408640370570563, 0.005547471817787461, -0.0016639624595888728, 0.04850866708648594,
        -0.018118642375341443, -0.012726748958778539, 0.0009418327904880408, 0.007095951317693479, 0.00978220500968417,
        0.0017356294632268994, -9.613335912385119e-05, 0.025312610498701905, -0.010023254966834209,
        0.013059884158687403, -0.0021278780902411307,
      ]
    ),
  ])
  func aHandAgreesWithTheReferenceProgram(
    isOnTriangles: Bool, errors: [Double], rows: [Double], columns: [Double]
  ) throws {
    let input = try hand(isMirrored: false, isOnTriangles: isOnTriangles)
    expectSameJSON(try output("ht", "objective", input), errors)
    let jacobian = Tensor(try #require(try output("ht", "jacobian", input) as? [[Double]]))
    func counting(_ count: Int) -> Tensor { Tensor.range(to: Double(count)) + 1 }
    expectSameJSON(matmul(jacobian, counting(jacobian.shape[1])).scalars, rows)
    expectSameJSON(matmul(counting(9), jacobian).scalars, columns)
  }

  /// The reference program leaves the mirror out of its Jacobian (its errors have it), so differences decide.
  @Test func aMirroredHandAgreesWithDifferences() throws {
    let input = try hand(isMirrored: true, isOnTriangles: false)
    let decoded = try JSONDecoder().decode(HandTracking.Input.self, from: Data(input.utf8))
    let problem = try HandTracking(decoded)
    let jacobian = problem.jacobian(problem.pose)
    for column in 0..<26 {
      func errors(_ shift: Double) -> Tensor {
        var pose = problem.pose
        pose.theta[column] += shift
        return problem.errors(pose).flattened
      }
      let difference = (errors(1e-5) - errors(-1e-5)) / 2e-5
      #expect((jacobian[.all, column] - difference).norm().scalar < 1e-8)
    }
  }
}
