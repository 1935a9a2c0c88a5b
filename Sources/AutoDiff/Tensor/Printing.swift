extension Tensor: CustomStringConvertible {
  /// The entries in nested brackets, aligned, long axes abridged; the shape and type where they do not show.
  public var description: String {
    var prefix = ""
    let tensor = beneathRecordable { prefix += $0 is Batch ? "batched " : "traced " }
    if tensor.node.level > 0 { return "\(prefix)[no numbers] shape \(tensor.shape)" }
    let suffix = perType(tensor.scalarType, double: "", float: " float32")
    if tensor.count == 0 { return "\(prefix)[] shape \(tensor.shape)\(suffix)" }
    if tensor.rank == 0 { return prefix + Self.text(tensor.scalars[0], tensor.scalarType) + suffix }
    let values = tensor.scalars
    let strides = tensor.shape.rowMajorStrides
    let limit = tensor.count > 1000 ? 3 : Int.max
    // The columns of the shown entries get a common width.
    var shown: [Int] = []
    func collect(_ axis: Int, _ offset: Int) {
      guard axis < tensor.rank else { return shown.append(offset) }
      for k in Self.visible(tensor.shape[axis], limit) where k >= 0 { collect(axis + 1, offset + k * strides[axis]) }
    }
    collect(0, 0)
    let width = shown.map { Self.text(values[$0], tensor.scalarType).count }.max() ?? 0
    func render(_ axis: Int, _ offset: Int) -> String {
      guard axis < tensor.rank else {
        let text = Self.text(values[offset], tensor.scalarType)
        return String(repeating: " ", count: width - text.count) + text
      }
      let parts = Self.visible(tensor.shape[axis], limit).map { k in
        k < 0 ? "…" : render(axis + 1, offset + k * strides[axis])
      }
      let depth = tensor.rank - axis - 1
      let separator =
        depth == 0
        ? ", " : "," + String(repeating: "\n", count: depth) + String(repeating: " ", count: prefix.count + axis + 1)
      return "[" + parts.joined(separator: separator) + "]"
    }
    return prefix + render(0, 0) + suffix + (limit < Int.max ? " shape \(tensor.shape)" : "")
  }

  /// The positions to print along an axis; −1 marks the gap.
  private static func visible(_ extent: Int, _ limit: Int) -> [Int] {
    extent <= 2 * limit.magnitudeClampedToHalf
      ? Array(0..<extent) : Array(0..<limit) + [-1] + Array(extent - limit..<extent)
  }

  private static func text(_ value: Double, _ type: ScalarType) -> String {
    if !value.isFinite { return "\(value)" }
    let digits = perType(type, double: 6, float: 5)
    let magnitude = value.magnitude
    if value == 0 || (1e-4..<1e6).contains(magnitude) {
      let text = perType(type, double: "\(value)", float: "\(Float(value))")
      if text.count <= digits + 3 { return text }
      let exponent = value == 0 ? 0 : Int(magnitude.logarithm10.rounded(.down))
      let scale = (0..<Swift.max(0, digits - 1 - exponent)).reduce(1.0) { p, _ in p * 10 }
      return "\((value * scale).rounded() / scale)"
    }
    var mantissa = value
    var exponent = 0
    while mantissa.magnitude >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    while mantissa.magnitude < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    mantissa = (mantissa * 1e4).rounded() / 1e4
    if mantissa.magnitude >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    return "\(mantissa)e\(exponent)"
  }
}

extension Int {
  fileprivate var magnitudeClampedToHalf: Int { self == .max ? .max / 2 : self }
}

extension Double {
  fileprivate var logarithm10: Double {
    var (value, result) = (self, 0.0)
    while value >= 10 { (value, result) = (value / 10, result + 1) }
    while value < 1 { (value, result) = (value * 10, result - 1) }
    return result
  }
}
