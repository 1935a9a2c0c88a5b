/// A function's run on a tape, kept so that its derivatives can be applied any number of times.
final class Recording<Input: TensorTree, Output: TensorTree> {
  let tape: Tape
  let input: Input
  /// What the function returned: values of the tape, or constants.
  let output: Output

  /// - Parameter forGradients: whether the tape will be run backward only.
  init(of f: (Input) throws -> Output, at x: Input, forGradients: Bool = false) rethrows {
    let tape = Tape(carriesCotangents: forGradients)
    defer { tape.close() }
    self.tape = tape
    input = x
    do {
      output = try f(x.mapTensors { tape.watch($0) })
    } catch {
      // Without an output there is nobody to be deinitialized.
      tape.clear()
      throw error
    }
  }

  /// A part that can be run again refers to the tape that refers to it.
  deinit { tape.clear() }

  /// The function's value.
  var value: Output { output.mapTensors { tape.primal(of: $0) } }
}
