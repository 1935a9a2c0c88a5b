// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The arithmetic is compiled for the CPU of the machine that builds it, because the same Swift code runs five and more
// times slower when compiled for baseline x86-64. AUTODIFF_CPU overrides: "baseline", or any name that -march knows.
let cpu = Context.environment["AUTODIFF_CPU"] ?? "native"

/// The features of the target CPU that the sources need to know of at compile time; see Loops/Machine/InstructionSet.swift.
func features(of cpu: String) -> (fma: Bool, lanes: Int) {
  func has(_ names: [String]) -> Bool { names.contains { cpu.hasPrefix($0) } }
  if cpu == "native" {
    let flags =
      ((try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? "")
      .split(separator: "\n").first { $0.hasPrefix("flags") }?.split(separator: " ") ?? []
    if ["avx512f", "avx512dq", "avx512bw", "avx512vl"].allSatisfy({ flags.contains(Substring($0)) }) {
      return (true, 512)
    }
    if flags.contains("avx2"), flags.contains("fma") { return (true, 256) }
    return (false, 128)
  }
  if has(["x86-64-v4", "skylake-avx512", "cascadelake", "icelake", "sapphirerapids", "znver4", "znver5"]) {
    return (true, 512)
  }
  if has(["x86-64-v3", "haswell", "broadwell", "skylake", "znver"]) { return (true, 256) }
  return (false, 128)
}

var settings: [SwiftSetting] = [
  // For Loops/Machine/CoreHints.swift only, which does without where a compiler has no such feature.
  .enableExperimentalFeature("BuiltinModule")
]
// A debug build would run the vector loops sixty times slower without optimization; whole-module, because generic code is
// specialized only within what the compiler sees at once. AUTODIFF_DEBUG=plain does without: tests are slow, but an edit
// is compiled in seconds.
if Context.environment["AUTODIFF_DEBUG"] != "plain" {
  settings.append(
    .unsafeFlags(["-O", "-whole-module-optimization", "-num-threads", "4"], .when(configuration: .debug)))
}
#if arch(x86_64)
  let target = features(of: cpu)
  if cpu != "baseline" { settings.append(.unsafeFlags(["-Xcc", "-march=\(cpu)"])) }
  settings.append(.define("AUTODIFF_LANES_\(target.lanes)"))
  if target.fma { settings.append(.define("AUTODIFF_FMA")) }
#else
  settings.append(.define("AUTODIFF_LANES_128"))
  settings.append(.define("AUTODIFF_FMA"))
#endif

let package = Package(
  name: "AutoDiff",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "AutoDiff", targets: ["AutoDiff"]),
    .library(name: "Layers", targets: ["Layers"]),
    .library(name: "Tangent", targets: ["Tangent"]),
    .executable(name: "ad-demo", targets: ["ad-demo"]),
  ],
  dependencies: [],
  targets: [
    .target(name: "AutoDiff", swiftSettings: settings),
    .target(name: "Layers", dependencies: ["AutoDiff"], swiftSettings: settings),
    .target(name: "Tangent", dependencies: ["AutoDiff", "Layers"], swiftSettings: settings),
    .executableTarget(
      name: "ad-demo", dependencies: ["AutoDiff", "Layers", "Tangent"],
      resources: [.copy("Resources/digits.csv"), .copy("Resources/README.md")]),
    .target(name: "TestSupport", dependencies: ["AutoDiff"], path: "Tests/TestSupport"),
    .testTarget(name: "AutoDiffTests", dependencies: ["AutoDiff", "TestSupport"]),
    .testTarget(name: "LayersTests", dependencies: ["Layers", "TestSupport"]),
    .testTarget(name: "TangentTests", dependencies: ["Tangent", "TestSupport"]),
    .testTarget(name: "ADDemoTests", dependencies: ["ad-demo", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
