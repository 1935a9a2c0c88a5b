import AutoDiff

/// What one workload took.
struct Measurement {
  let workload: Workload
  let scalarType: ScalarType
  /// Seconds: the least of all runs, and the median.
  let best, median: Double
  /// The number that shows that the right thing was computed, where the specification has one.
  let check: Double?

  /// One untimed run, then runs until the budget of seconds is used, at least three.
  init(of workload: Workload, as scalarType: ScalarType, budget: Double) throws {
    // What earlier workloads left must not make this one faster or slower.
    releasePooledMemory()
    let (work, check) = try workload.prepare(scalarType)
    let value = check(try work())
    let clock = ContinuousClock()
    var times: [Double] = []
    var spent = 0.0
    while spent < budget || times.count < 3 {
      let time = try clock.measure { _ = try work() } / .seconds(1)
      times.append(time)
      spent += time
    }
    times.sort()
    (self.workload, self.scalarType, self.check) = (workload, scalarType, value)
    (best, median) = (times[0], times[times.count / 2])
  }

  /// GFLOP/s, where operations are counted.
  var productRate: Double? { workload.flops.map { $0 / best * 1e-9 } }

  /// GB/s, reading and writing both counted, where elements are.
  var memoryRate: Double? { workload.elements.map { Double(2 * $0 * scalarType.byteCount) / best * 1e-9 } }
}

/// The measured limits of the machine that the chosen workloads are compared with; nil where none is.
struct BenchmarkLimits {
  /// GFLOP/s.
  let productRate: Double?
  /// GB/s, reading and writing both counted.
  let bandwidth: Double?
}

extension BenchmarkLimits {
  init(for workloads: [Workload], as scalarType: ScalarType, threads: Int) {
    productRate =
      workloads.contains { $0.flops != nil } ? MachineLimits.productRate(of: scalarType, threads: threads) : nil
    bandwidth = workloads.contains { $0.elements != nil } ? MachineLimits.bandwidth() : nil
  }

  /// Which part of what the machine can do a workload reached.
  func share(of measurement: Measurement) -> Double? {
    if let rate = measurement.productRate, let productRate { return rate / productRate }
    if let rate = measurement.memoryRate, let bandwidth { return rate / bandwidth }
    return nil
  }
}
