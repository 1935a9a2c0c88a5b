/// What an operation does to a parameter on its way to where an example meets it, as far as the structure of per-example
/// gradients survives it.
package enum ParameterMap {
  /// The parameter times a number.
  case scale(Double)
  /// The parameter with its axes reordered, as in ``Tensor/permuted(_:)``.
  case permute([Int])

  /// What a primitive with one followed input does, or nil if it destroys the structure.
  package init?(_ operation: any Primitive) {
    switch operation {
    case let scale as Scale: self = .scale(scale.factor)
    case let division as DivideByConstant: self = .scale(1 / division.divisor)
    case is Negate: self = .scale(-1)
    case let permute as Permute: self = .permute(permute.axes)
    default: return nil
    }
  }
}
