/// Whether a statement about numbers that are known by brackets holds.
public enum Verdict: String, Sendable {
  /// It holds for all values within the brackets.
  case proved
  /// It holds for none of them.
  case refuted
  /// The brackets do not decide it.
  case undecided
}

/// One condition of a theorem, as an inequality left ≤ right of two brackets.
public struct CertificateCondition: Sendable {
  /// What the theorem calls it, such as "(c)".
  public let name: String
  /// What it demands, in a line.
  public let statement: String
  /// Whether it holds.
  public let verdict: Verdict
  /// The left side.
  public let left: Bracket
  /// The right side.
  public let right: Bracket
  /// What decided it, or what is missing.
  public let reason: String

  /// left ≤ right, decided by the ends that make it true: the upper one of the left and the lower one of the right prove
  /// it; the other two refute it.
  ///
  /// - Parameter missing: what stands in the way of a proof, if that is known.
  init(_ name: String, _ statement: String, left: Bracket, atMost right: Bracket, missing: String? = nil) {
    (self.name, self.statement, self.left, self.right) = (name, statement, left, right)
    let (l, r) = (left, right)
    if l.upper.value <= r.lower.value {
      verdict = .proved
      reason = "\(shown(l.upper.value)) ≤ \(shown(r.lower.value))"
    } else if l.lower.value > r.upper.value {
      verdict = .refuted
      reason = "\(shown(l.lower.value)) > \(shown(r.upper.value))"
    } else {
      verdict = .undecided
      let ends =
        "the left side lies in [\(shown(l.lower.value)), \(shown(l.upper.value))], the right one in "
        + "[\(shown(r.lower.value)), \(shown(r.upper.value))]"
      reason = missing.map { $0 + "; " + ends } ?? ends
    }
  }

  /// A condition whose verdict is known.
  init(_ name: String, _ statement: String, _ verdict: Verdict, left: Bracket, right: Bracket, reason: String) {
    (self.name, self.statement, self.verdict, self.left, self.right) = (name, statement, verdict, left, right)
    self.reason = reason
  }
}

extension [CertificateCondition] {
  /// Of all together: proved if each is, refuted if one is.
  var verdict: Verdict {
    if allSatisfy({ $0.verdict == .proved }) { return .proved }
    return contains { $0.verdict == .refuted } ? .refuted : .undecided
  }
}

/// Three digits, as messages show numbers.
private func shown(_ x: Double) -> String {
  guard x.isFinite, x != 0 else { return x == 0 ? "0" : "\(x)" }
  let exponent = Int(x.magnitude.exponentInTens)
  if (-3...3).contains(exponent) { return "\((x * 10_000).rounded() / 10_000)" }
  var mantissa = x
  for _ in 0..<abs(exponent) { mantissa = exponent > 0 ? mantissa / 10 : mantissa * 10 }
  return "\((mantissa * 1000).rounded() / 1000)e\(exponent)"
}

extension Double {
  /// ⌊log₁₀ x⌋ of a positive number.
  fileprivate var exponentInTens: Double {
    var (x, exponent) = (self, 0.0)
    while x >= 10 { (x, exponent) = (x / 10, exponent + 1) }
    while x < 1 { (x, exponent) = (x * 10, exponent - 1) }
    return exponent
  }
}
