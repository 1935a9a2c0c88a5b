/// What is known at compile time of the processors that this module is compiled for.
///
/// `Package.swift` looks at the machine, or at `AUTODIFF_CPU`, and defines what it found: `AUTODIFF_LANES_512`, `_256` or
/// `_128`, the bits of a vector, and `AUTODIFF_FMA`. What follows from these stands here and nowhere else, save the vector
/// types and instructions themselves.
enum InstructionSet {
  /// The features that a processor must have, in the words of `/proc/cpuinfo`.
  static var features: [String] {
    var features: [String] = []
    #if AUTODIFF_LANES_512
      features += ["avx512f", "avx512dq", "avx512bw", "avx512vl"]
    #elseif AUTODIFF_LANES_256
      features += ["avx2"]
    #endif
    #if AUTODIFF_FMA
      features += ["fma"]
    #endif
    return features
  }

  /// Whether there are 32 vector registers, as with AVX-512 and on arm64, or 16.
  static var hasManyRegisters: Bool {
    @inline(__always) get {
      #if AUTODIFF_LANES_512 || arch(arm64)
        true
      #else
        false
      #endif
    }
  }

  /// Whether the entries of a vector are added to their neighbors, and the sums to theirs; elsewhere halves are added.
  static var addsNeighbors: Bool {
    @inline(__always) get {
      #if arch(x86_64) && AUTODIFF_LANES_256
        true
      #else
        false
      #endif
    }
  }

  /// Whether vectors can be stored past the caches.
  static var canStream: Bool {
    @inline(__always) get {
      #if arch(x86_64) && (AUTODIFF_LANES_512 || AUTODIFF_LANES_256)
        true
      #else
        false
      #endif
    }
  }
}
