#if hasFeature(BuiltinModule)
  internal import Builtin
#endif

/// Hints that memory will soon be needed. They change nothing but the time, and any address is allowed.
///
/// The language has no such operation. The compiler's own module has, where the package enables it (the feature
/// `BuiltinModule`); elsewhere the hints are left out, which costs large matrix products about a twentieth of their speed.
enum Prefetch {
  /// To the first-level cache, for reading.
  @inline(__always) static func forReading(_ address: UnsafeRawPointer) {
    #if hasFeature(BuiltinModule)
      Builtin.int_prefetch_RawPointer(address._rawValue, Int32(0)._value, Int32(3)._value, Int32(1)._value)
    #endif
  }

  /// To the second-level cache, for reading.
  @inline(__always) static func forReadingLater(_ address: UnsafeRawPointer) {
    #if hasFeature(BuiltinModule)
      Builtin.int_prefetch_RawPointer(address._rawValue, Int32(0)._value, Int32(2)._value, Int32(1)._value)
    #endif
  }

  /// To the first-level cache, for writing.
  @inline(__always) static func forWriting(_ address: UnsafeRawPointer) {
    #if hasFeature(BuiltinModule)
      Builtin.int_prefetch_RawPointer(address._rawValue, Int32(1)._value, Int32(3)._value, Int32(1)._value)
    #endif
  }
}

/// Hints to the core about the code that it runs.
enum Hint {
  /// This is a loop that waits for another thread: where two threads share a core, the other one gets more of it.
  @inline(__always) static func waiting() {
    #if hasFeature(BuiltinModule) && arch(x86_64)
      Builtin.int_x86_sse2_pause()
    #endif
  }
}
