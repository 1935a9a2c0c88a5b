extension LinearMap {
  /// The transposed map ȳ ↦ Jᵀȳ at the same point, from the same recording: the function is not run again.
  ///
  /// - Complexity: an application costs about as much as one of the map itself, and for a while the memory of the
  ///   intermediate cotangents.
  public var transposed: Pullback<Input, Output> { Pullback(recording: recording) }

  /// The bytes of all recorded values, which is what the tangents of one direction take at most.
  package var recordedBytes: Int {
    recording.tape.entries.reduce(0) { $0 + $1.output.count * $1.output.scalarType.byteCount }
  }
}
