import Testing

@testable import AutoDiff

@Suite struct HostCPUTests {
  private let description = """
    processor\t: 0
    model name\t: Example CPU @ 2.00GHz
    flags\t\t: fpu sse2 avx avx2 fma
    """

  @Test func thisProcessorHasWhatThisBinaryNeeds() {
    #expect(HostCPU.missingFeature() == nil)
    checkHostCPU()
  }

  @Test func missingFeatureIsNamedInOneLine() throws {
    let message = try #require(HostCPU.missingFeature(required: ["avx2", "avx512f"], processor: description))
    #expect(message.contains("avx512f") && message.contains("Example CPU @ 2.00GHz"))
    #expect(!message.contains("\n"))
  }

  @Test func presentFeaturesAndUnknownProcessorsPass() {
    #expect(HostCPU.missingFeature(required: ["avx2", "fma"], processor: description) == nil)
    #expect(HostCPU.missingFeature(required: [], processor: description) == nil)
    #expect(HostCPU.missingFeature(required: ["avx2"], processor: "processor : 0") == nil)
  }

  /// A part of a word is not the word.
  @Test func flagsAreComparedAsWords() {
    #expect(HostCPU.missingFeature(required: ["avx5"], processor: "flags : avx512f") != nil)
  }
}
