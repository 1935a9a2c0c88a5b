import AutoDiff
import Foundation

/// About how much memory a fully connected network and one example take, so that a run that cannot end does not begin.
struct MemoryNeed: Error, CustomStringConvertible {
  /// An estimate in bytes.
  let bytes: Double
  let available: Double

  init(
    inputs: Int, width: Int, depth: Int, outputs: Int, scalarType: ScalarType,
    available: Double = MemoryNeed.ofMachine()
  ) {
    let (d, w, a, layers) = (Double(inputs), Double(width), Double(outputs), Double(depth))
    let parameters = depth == 0 ? d * a : d * w + max(layers - 1, 0) * w * w + w * a
    // The values of every layer and one cotangent of each, and as much again on the way.
    bytes = Double(scalarType.byteCount) * (2 * parameters + 4 * (d + (w + a) * (layers + 1)))
    self.available = available
  }

  /// Throws itself if it is more than there is.
  func check() throws { if bytes > available { throw self } }

  var description: String {
    "about \(numeral(bytes / 0x1p30, digits: 3)) GiB of memory would be needed, but the machine has "
      + "\(numeral(available / 0x1p30, digits: 3)) GiB. A smaller --width, --depth or --outputs needs less."
  }

  static func ofMachine() -> Double { Double(ProcessInfo.processInfo.physicalMemory) }
}
