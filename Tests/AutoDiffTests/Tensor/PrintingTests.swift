import Testing

@testable import AutoDiff

@Suite struct PrintingTests {
  @Test func numbers() {
    #expect("\(Tensor(2.5))" == "2.5")
    #expect("\(Tensor(2.5, as: .float32))" == "2.5 float32")
    #expect("\(Tensor(0))" == "0.0" && "\(Tensor(-1))" == "-1.0")
    #expect("\(Tensor(.infinity))" == "inf" && "\(Tensor(.nan))" == "nan")
    #expect("\(Tensor(1.0 / 3))" == "0.333333")
    #expect("\(Tensor(1e-20))" == "1.0e-20" && "\(Tensor(1.23456789e30))" == "1.2346e30")
    #expect("\(Tensor(9.99999e99))" == "1.0e100", "rounding carries into the exponent")
    #expect("\(Tensor(123456.789))" == "123457.0")
  }

  @Test func extremes() {
    for x in [Double.greatestFiniteMagnitude, .leastNormalMagnitude, .leastNonzeroMagnitude, -1e300] {
      #expect("\(Tensor(x))".contains("e"))
    }
  }

  @Test func vectorsAreAligned() {
    #expect("\(Tensor([1, -10, 0.5]))" == "[  1.0, -10.0,   0.5]")
    #expect("\(Tensor([1, 2] as [Float]))" == "[1.0, 2.0] float32")
  }

  @Test func matricesHaveALinePerRow() {
    #expect("\(Tensor([[1, 2], [3, 40]]))" == "[[ 1.0,  2.0],\n [ 3.0, 40.0]]")
    #expect("\(Tensor([[[1, 2]], [[3, 4]]]))" == "[[[1.0, 2.0]],\n\n [[3.0, 4.0]]]")
  }

  @Test func emptyTensorsShowTheirShape() {
    #expect("\(Tensor.zeros([0, 3]))" == "[] shape [0, 3]")
  }

  @Test func largeTensorsAreAbridged() {
    let text = "\(Tensor.range(to: 10_000).reshaped(to: [100, 100]))"
    #expect(text.hasSuffix("shape [100, 100]") && text.contains("…") && text.count < 1000)
    #expect(text.contains("9999.0"))
  }

  @Test func tracedTensorsSaySo() {
    _ = gradient(
      of: { (x: Tensor) in
        #expect("\(x)" == "traced 3.0")
        return x
      }, at: Tensor(3))
    _ = vmap { (x: Tensor) -> Tensor in
      #expect("\(x)".hasPrefix("batched [1.0, 2.0]"))
      return x
    }(Tensor([1, 2]))
  }
}
