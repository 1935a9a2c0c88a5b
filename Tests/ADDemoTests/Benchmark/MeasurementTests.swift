import AutoDiff
import Foundation
import Testing

@testable import ad_demo

@Suite struct MeasurementTests {
  @Test func measuresOnlyTheLimitsThatAreNeeded() {
    let perceptron = BenchmarkLimits(for: Workloads.perceptron(), as: .float64, threads: 1)
    #expect(perceptron.productRate == nil && perceptron.bandwidth == nil)
    let products = BenchmarkLimits(for: Workloads.products([4]), as: .float32, threads: 1)
    #expect(products.productRate ?? 0 > 0 && products.bandwidth == nil)
  }

  @Test func reportsRatesAndShares() throws {
    let limits = BenchmarkLimits(productRate: 100, bandwidth: 10)
    let product = try Measurement(of: Workloads.products([8])[0], as: .float64, budget: 0)
    #expect(product.productRate == 1024 / product.best * 1e-9)
    #expect(limits.share(of: product) == product.productRate! / 100)
    let elementwise = try Measurement(of: Workloads.elementwise(exponents: [2])[0], as: .float32, budget: 0)
    #expect(elementwise.memoryRate == 800 / elementwise.best * 1e-9)
    #expect(limits.share(of: elementwise) == elementwise.memoryRate! / 10)
    let operations = try Measurement(of: Workloads.smallOperations()[0], as: .float64, budget: 0)
    #expect(limits.share(of: operations) == nil)
    #expect(operations.median >= operations.best)
  }

  @Test func printsJSON() throws {
    let limits = BenchmarkLimits(productRate: 100, bandwidth: 10)
    let workloads = [
      Workloads.products([8])[0], Workloads.elementwise(exponents: [2])[0], Workloads.smallOperations()[0],
      Workloads.perceptron(sizes: [2, 2, 2, 2, 2], batch: 1).last!,
    ]
    let keys = [
      ["gflops", "fraction_of_peak"], ["variant", "gb_per_s", "fraction_of_bandwidth", "ns_per_element"],
      ["variant", "us_per_op"],
      [],
    ]
    for (workload, extra) in zip(workloads, keys) {
      let measurement = try Measurement(of: workload, as: .float64, budget: 0)
      let line = Bench.json(measurement, limits, threads: 2)
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(Set(object.keys) == Set(["workload", "dtype", "threads", "ms", "median_ms", "check"] + extra))
      #expect(object["workload"] as? String == workload.id && object["dtype"] as? String == "float64")
      #expect(abs((object["ms"] as? Double ?? 0) / (measurement.best * 1e3) - 1) < 1e-14)
      // The parser does not round as the printer does.
      #expect((object["check"] is NSNull) == (measurement.check == nil))
      #expect(abs((object["check"] as? Double ?? 0) - (measurement.check ?? 0)) < 1e-14)
      #expect(Bench.row(measurement, limits)[0].hasPrefix(workload.id))
    }
  }
}
