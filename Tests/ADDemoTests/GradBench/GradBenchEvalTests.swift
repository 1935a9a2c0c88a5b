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
      return Double((37 * count * count + 11 * count) % 101) / 101 - 0.5
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
    var parents = [-1, 0]
    for first in [1, 5, 9, 13, 17] { parents += [0, first + 1, first + 2, first + 3] }
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
      false, true,
      [
        -0.3858326168312338, 0.4014750274778688, -0.2271421851108552, 0.7801545419708145, -0.9006311523219459,
        -0.7484172981210941, 0.13870772198297288, -0.7122512398357121, -0.22277823240849837,
      ],
      [
        -3.796310324603305, -9.447257127724347, -6.712259083763759, -9.81534135325094, -0.2875962893272343,
        -9.516175106799482, -9.870168255223305, -3.353051977142241, -7.14638819259279,
      ],
      [
        -3.386845484820133, 13.61986464816184, 0.5038190901670769, -10.759642882797149, 7.906307007362347, -12, -15,
        -18, 0.08394276185596736, 0.038687079821874186, -0.00012018776870104803, 0.000976012331098039,
        0.25242373532018986, -0.06982681011865151, -0.08839438400709052, 0.01417107463794233, 0.11111804203167468,
        -0.24542428872522665, -0.008492961475537018, 0.0012743757944142717, 0.014358003170648916,
        -0.06200737703380386, 0.002092221713033162, 0.0007639498584859065, -0.062012940039935044,
        0.011461497312210118, 0.031500809603762475, -0.0003354059674172197,
      ]
    ),
    (
      true, false,
      [
        -0.7236005285636671, -0.24975150714083216, -0.885843677965126, -0.33408672982557663, -1.0165822289757018,
        -0.44154479321485796, -0.13078475127893008, -0.06773656584943205, 0.4306616593522036,
      ],
      [
        -4.766509450670337, -6.7607578501524594, -4.146582590530256, -0.24237193408147215, -5.554566698564891,
        -7.593173428129182, -3.624896870528475, -5.223246624483586, -6.390973989062001,
      ],
      [
        0.2407497280847406, 4.7109866679807055, -3.788209847501573, -12, -15, -18, -0.011789829494246395,
        0.10601593094029121, -0.015815873915295153, 0.0033333121660302726, 0.12962200686806818, 0.04006382447215795,
        -0.15652852234696166, 0.002800356878481288, 0.04136725321077228, -0.12135224895332503, 0.0195087295204424,
        0.009298058750454818, -0.10496771715063094, 0.3100882692992791, 0.008752365229127316, 0.000362985205991304,
        0.11583693025642244, -0.13911850937445486, -0.022332329221613656, 0.0031567836635138543,
      ]
    ),
  ])
  func aHandAgreesWithTheReferenceProgram(
    isMirrored: Bool, isOnTriangles: Bool, errors: [Double], rows: [Double], columns: [Double]
  ) throws {
    let input = try hand(isMirrored: isMirrored, isOnTriangles: isOnTriangles)
    expectSameJSON(try output("ht", "objective", input), errors)
    let jacobian = Tensor(try #require(try output("ht", "jacobian", input) as? [[Double]]))
    func counting(_ count: Int) -> Tensor { Tensor.range(to: Double(count)) + 1 }
    expectSameJSON(matmul(jacobian, counting(jacobian.shape[1])).scalars, rows)
    expectSameJSON(matmul(counting(9), jacobian).scalars, columns)
  }
}
