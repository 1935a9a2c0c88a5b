import AutoDiff
import Foundation

/// About how much memory the kernel of a fully connected network takes, so that a run that cannot end does not begin.
struct MemoryNeed: Error, CustomStringConvertible {
  /// An estimate in bytes.
  let bytes: Double
  let available: Double

  init(
    inputs: Int, width: Int, depth: Int, outputs: Int, examples: Int, scalarType: ScalarType,
    available: Double = MemoryNeed.ofMachine()
  ) {
    let (n, w, a, layers) = (Double(examples), Double(width), Double(outputs), Double(depth + 1))
    let parameters =
      depth == 0 ? Double(inputs) * a : Double(inputs) * w + Double(max(depth - 1, 0)) * w * w + w * a
    // Every layer's values and cotangents for each example and output, with as much again on the way; one kernel for
    // each parameter and some for the sum, its spectrum and its picture.
    let values = n * (Double(inputs) + (w + a) * layers * 2 + (w * Double(depth) + a) * a * 2)
    bytes = Double(scalarType.byteCount) * (values + parameters * 2 + n * n * layers * 2) + n * n * 8 * 4
    self.available = available
  }

  /// Throws itself if it is more than there is.
  func check() throws { if bytes > available { throw self } }

  var description: String {
    "about \(numeral(bytes / 0x1p30, digits: 3)) GiB of memory would be needed, but the machine has "
      + "\(numeral(available / 0x1p30, digits: 3)) GiB. Fewer --examples, --width or --outputs need less."
  }

  static func ofMachine() -> Double { Double(ProcessInfo.processInfo.physicalMemory) }
}
