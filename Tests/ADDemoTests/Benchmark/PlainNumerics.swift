import Foundation

/// The benchmark's work written out with loops over arrays of numbers, nothing shared with what it measures.

/// The specification's hash of seed and place, as it is written there.
func specifiedHash(seed: UInt64, place: Int) -> UInt64 {
  var z = (seed &* 4_294_967_296 &+ UInt64(place) &+ 1) &* 0x9E37_79B9_7F4A_7C15
  z ^= z >> 30
  z = z &* 0xBF58_476D_1CE4_E5B9
  z ^= z >> 27
  z = z &* 0x94D0_49BB_1331_11EB
  z ^= z >> 31
  return z
}

func specifiedFill(_ seed: UInt64, _ count: Int, scale: Double = 1) -> [Double] {
  (0..<count).map {
    (2 * (Double(specifiedHash(seed: seed, place: $0) >> 11) * 0x1p-53) - 1) * 3.0.squareRoot() * scale
  }
}

/// A vector that comes in blocks, such as one per parameter.
typealias Blocks = [[Double]]

/// a + factor · b
func sum(_ a: Blocks, _ factor: Double = 1, times b: Blocks) -> Blocks {
  zip(a, b).map { a, b in zip(a, b).map { $0 + factor * $1 } }
}
func scaled(_ a: Blocks, by factor: Double) -> Blocks { a.map { $0.map { $0 * factor } } }
func inner(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).map(*).reduce(0, +) }
func inner(_ a: Blocks, _ b: Blocks) -> Double { zip(a, b).map(inner).reduce(0, +) }
func length(_ a: [Double]) -> Double { inner(a, a).squareRoot() }
func length(_ a: Blocks) -> Double { inner(a, a).squareRoot() }

func outer(_ a: [Double], _ b: [Double]) -> [Double] { a.flatMap { a in b.map { a * $0 } } }

/// x W for a row x and W [x.count, columns].
func rowTimes(_ x: [Double], _ w: [Double], columns: Int) -> [Double] {
  (0..<columns).map { j in x.indices.reduce(0) { $0 + x[$1] * w[$1 * columns + j] } }
}

/// W x for W [rows, x.count].
func matrixTimes(_ w: [Double], _ x: [Double]) -> [Double] {
  (0..<w.count / x.count).map { i in x.indices.reduce(0) { $0 + w[i * x.count + $1] * x[$1] } }
}

/// Wᵀ y for W [y.count, columns].
func transposedTimes(_ w: [Double], _ y: [Double]) -> [Double] { rowTimes(y, w, columns: w.count / y.count) }

/// One row per entry of the value: ∂f_a / ∂p by central differences.
func differenceJacobian(of f: (Blocks) -> [Double], at p: Blocks, step: Double = 1e-4) -> Blocks {
  var rows = f(p).map { _ in [Double]() }
  for block in p.indices {
    for k in p[block].indices {
      func shifted(_ h: Double) -> [Double] {
        var q = p
        q[block][k] += h
        return f(q)
      }
      // Fourth order, so that the step can be large and rounding errors small.
      let (near, far) = (zip(shifted(step), shifted(-step)), zip(shifted(2 * step), shifted(-2 * step)))
      for (a, (n, f)) in zip(near, far).enumerated() {
        rows[a].append((8 * (n.0 - n.1) - (f.0 - f.1)) / (12 * step))
      }
    }
  }
  return rows
}

/// The derivative along v of a function whose value comes in blocks, by central differences of fourth order.
func differenceDerivative(of f: (Blocks) -> Blocks, at p: Blocks, along v: Blocks, step: Double = 1e-3) -> Blocks {
  func difference(_ h: Double) -> Blocks { sum(f(sum(p, h, times: v)), -1, times: f(sum(p, -h, times: v))) }
  let (near, far) = (difference(step), difference(2 * step))
  return scaled(sum(scaled(near, by: 8), -1, times: far), by: 1 / (12 * step))
}

/// A correlation with windows of 3 × 3 and zeros around the image: [side, side, inputs] → [side, side, outputs].
func convolved(_ x: [Double], _ w: [Double], side: Int, inputs: Int, outputs: Int) -> [Double] {
  var y = [Double](repeating: 0, count: side * side * outputs)
  for i in 0..<side {
    for j in 0..<side {
      for r in 0..<3 {
        for s in 0..<3 {
          let (u, v) = (i + r - 1, j + s - 1)
          guard 0..<side ~= u, 0..<side ~= v else { continue }
          for c in 0..<inputs {
            for o in 0..<outputs {
              y[(i * side + j) * outputs + o] +=
                x[(u * side + v) * inputs + c] * w[((r * 3 + s) * inputs + c) * outputs + o]
            }
          }
        }
      }
    }
  }
  return y
}

/// The four layers of the benchmark's perceptron for one example, and the gradient of half its squared error.
struct PlainPerceptron {
  let sizes: [Int]

  var parameters: Blocks {
    var blocks: Blocks = []
    for l in 0..<4 {
      let scale = 1 / Double(sizes[l]).squareRoot()
      blocks.append(specifiedFill(10 + UInt64(l), sizes[l] * sizes[l + 1], scale: scale))
      blocks.append(specifiedFill(20 + UInt64(l), sizes[l + 1], scale: 0.1))
    }
    return blocks
  }

  func direction(scale: Double) -> Blocks {
    var blocks: Blocks = []
    for l in 0..<4 {
      blocks.append(specifiedFill(40 + UInt64(l), sizes[l] * sizes[l + 1], scale: scale))
      blocks.append(specifiedFill(44 + UInt64(l), sizes[l + 1], scale: scale))
    }
    return blocks
  }

  func examples(_ batch: Int) -> [(x: [Double], y: [Double])] {
    let (x, y) = (specifiedFill(30, batch * sizes[0]), specifiedFill(31, batch * sizes[4]))
    return (0..<batch).map { n in
      (Array(x[n * sizes[0]..<(n + 1) * sizes[0]]), Array(y[n * sizes[4]..<(n + 1) * sizes[4]]))
    }
  }

  /// The values of all layers, h₀ = x first.
  func layers(_ x: [Double], _ p: Blocks) -> Blocks {
    var h = [x]
    for l in 0..<4 {
      let z = zip(rowTimes(h[l], p[2 * l], columns: sizes[l + 1]), p[2 * l + 1]).map(+)
      h.append(l < 3 ? z.map(tanh) : z)
    }
    return h
  }

  /// ½ |f(x) − y|² and its gradient by the formulas of back-propagation.
  func squaredError(_ x: [Double], _ y: [Double], _ p: Blocks) -> (value: Double, gradient: Blocks) {
    let h = layers(x, p)
    var delta = zip(h[4], y).map(-)
    let value = inner(delta, delta) / 2
    var gradient: Blocks = []
    for l in (0..<4).reversed() {
      gradient.insert(contentsOf: [outer(h[l], delta), delta], at: 0)
      // h = tanh z has the derivative 1 − h².
      delta = zip(matrixTimes(p[2 * l], delta), h[l]).map { $0 * (1 - $1 * $1) }
    }
    return (value, gradient)
  }

  /// The mean over a batch.
  func loss(_ batch: Int, _ p: Blocks) -> (value: Double, gradient: Blocks) {
    var (value, gradient) = (0.0, p.map { $0.map { _ in 0.0 } })
    for (x, y) in examples(batch) {
      let one = squaredError(x, y, p)
      value += one.value / Double(batch)
      gradient = sum(gradient, 1 / Double(batch), times: one.gradient)
    }
    return (value, gradient)
  }

  func hessianTimes(_ v: Blocks, _ batch: Int, at p: Blocks) -> Blocks {
    differenceDerivative(of: { loss(batch, $0).gradient }, at: p, along: v)
  }
}

/// a · x², where xˡ = tanh(Wₗ xˡ⁻¹) / √m.
struct PlainTwoLayers {
  let width: Int

  /// ∇f by the formulas of back-propagation.
  func gradient(_ x: [Double], _ p: Blocks) -> Blocks {
    let scale = 1 / Double(width).squareRoot()
    let t1 = matrixTimes(p[0], x).map(tanh)
    let x1 = t1.map { $0 * scale }
    let t2 = matrixTimes(p[1], x1).map(tanh)
    let delta2 = zip(p[2], t2).map { $0 * scale * (1 - $1 * $1) }
    let delta1 = zip(transposedTimes(p[1], delta2), t1).map { $0 * scale * (1 - $1 * $1) }
    return [outer(delta1, x), outer(delta2, x1), t2.map { $0 * scale }]
  }
}
