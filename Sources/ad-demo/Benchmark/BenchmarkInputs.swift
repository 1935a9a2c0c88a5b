import AutoDiff

/// Numbers of mean 0 and variance 1 that every program can compute: uniform on ±√3, by a SplitMix64 hash of the seed and
/// of the place in row-major order. The scale is a factor in double precision, before rounding.
func benchmarkFill(_ seed: UInt64, _ shape: [Int], scale: Double = 1, as scalarType: ScalarType) -> Tensor {
  let bound = 3.0.squareRoot()
  let values = (0..<shape.reduce(1, *)).map { index in
    var z = ((seed << 32) &+ UInt64(index) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    return (Double(z >> 11) * 0x1p-52 - 1) * bound * scale
  }
  return Tensor(values, shape: shape, as: scalarType)
}
