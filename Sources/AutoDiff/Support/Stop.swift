/// Stops the program because of a programmer's error: `operation: requirement, but got values. Hint.`
///
/// `fatalError`, because the text of `precondition` is lost in optimized builds.
@inline(never)
package func stop(_ operation: String, _ requirement: String, got values: String? = nil, hint: String? = nil) -> Never {
  var message = "\(operation): \(requirement)"
  if let values { message += ", but got \(values)" }
  message += "."
  if let hint { message += " \(hint)" }
  fatalError(message)
}
