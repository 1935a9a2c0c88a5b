import Foundation
import Testing

@testable import AutoDiff

@Suite struct NumpyFileTests {
  // MARK: What NumPy itself wrote

  /// `numpy.save` of NumPy 2.4.6, and `numpy.lib.format.write_array` for version 2.
  static let float64 = decoded(
    """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAg\
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAPA/AAAAAAAA\
    AEAAAAAAAAAIQAAAAAAAABBAAAAAAAAAFEA=
    """)
  static let bigEndianFloat32 = decoded(
    """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAg\
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAP4AAAEAAAABAQAAAQIAAAECg\
    AAA=
    """)
  static let columnMajorInt16 = decoded(
    """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGkyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAg\
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAwABAAQAAgAFAABAA0ABQARAAkA\
    FQACAA4ABgASAAoAFgADAA8ABwATAAsAFwA=
    """)
  static let version2 = decoded(
    """
    k05VTVBZAgB0AAAAeydkZXNjcic6ICc8ZjgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAg\
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAPA/AAAAAAAA\
    AEAAAAAAAAAIQAAAAAAAABBAAAAAAAAAFEA=
    """)

  static func decoded(_ text: String) -> [UInt8] { [UInt8](Data(base64Encoded: text)!) }

  static func file(
    _ header: String, version: UInt8 = 1, length: Int? = nil, values: [UInt8] = []
  ) -> [UInt8] {
    let length = length ?? header.utf8.count
    let places = version == 1 ? 2 : 4
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + (0..<places).map { UInt8(length >> (8 * $0) & 0xFF) }
      + Array(header.utf8) + values
  }

  static func values<T: Scalar>(_ file: NumpyFile, _ type: T.Type = Double.self) -> [T] {
    [T](unsafeUninitializedCapacity: file.count) { buffer, count in
      if file.count > 0 { file.copyValues(to: buffer.baseAddress!) }
      count = file.count
    }
  }

  @Test func readsWhatNumpyWrote() throws {
    let first = try NumpyFile(decoding: Self.float64, name: "a.npy")
    #expect(first.shape == [2, 3])
    #expect(first.scalarType == .float64)
    #expect(Self.values(first) == [0, 1, 2, 3, 4, 5])
    let second = try NumpyFile(decoding: Self.bigEndianFloat32, name: "a.npy")
    #expect(second.shape == [2, 3])
    #expect(second.scalarType == .float32)
    #expect(Self.values(second, Float.self) == [0, 1, 2, 3, 4, 5])
    let third = try NumpyFile(decoding: Self.columnMajorInt16, name: "a.npy")
    #expect(third.shape == [2, 3, 4])
    #expect(third.scalarType == .float64)
    #expect(Self.values(third) == (0..<24).map { Double($0) })
    let fourth = try NumpyFile(decoding: Self.version2, name: "a.npy")
    #expect(fourth.shape == [2, 3])
    #expect(Self.values(fourth) == [0, 1, 2, 3, 4, 5])
  }

  @Test func writesWhatNumpyWrites() {
    let values: [Double] = [0, 1, 2, 3, 4, 5]
    #expect(values.withUnsafeBytes { NumpyFile.encode($0, shape: [2, 3], scalarType: .float64) } == Self.float64)
  }

  // MARK: Every kind of entry

  @Test(
    arguments: [
      ("<f8", [0, 0, 0, 0, 0, 0, 4, 192], -2.5), (">f8", [192, 4, 0, 0, 0, 0, 0, 0], -2.5),
      ("<f4", [0, 0, 32, 192], -2.5), (">f4", [192, 32, 0, 0], -2.5), ("<f2", [0, 193], -2.5), (">f2", [193, 0], -2.5),
      ("|i1", [254], -2), ("i1", [254], -2), ("<i2", [254, 255], -2), (">i2", [255, 254], -2),
      ("<i4", [0, 0, 0, 128], -2_147_483_648), (">i4", [128, 0, 0, 0], -2_147_483_648),
      ("<i8", [0, 0, 0, 0, 1, 0, 0, 0], 4_294_967_296), (">i8", [0, 0, 0, 1, 0, 0, 0, 0], 4_294_967_296),
      ("|u1", [254], 254), ("<u2", [254, 255], 65534), (">u2", [255, 254], 65534),
      ("<u4", [0, 0, 0, 128], 2_147_483_648), (">u8", [255, 255, 255, 255, 255, 255, 255, 255], 0x1p64),
      ("|b1", [1], 1), ("b1", [7], 1), ("|b1", [0], 0),
    ] as [(String, [UInt8], Double)])
  func convertsEntries(descriptor: String, bytes: [UInt8], value: Double) throws {
    for order in ["False", "True"] {
      let header = "{'descr': '\(descriptor)', 'fortran_order': \(order), 'shape': (1, 2)}"
      let file = try NumpyFile(decoding: Self.file(header, values: bytes + bytes), name: "a.npy")
      #expect(file.shape == [1, 2])
      #expect(Self.values(file) == [value, value])
      #expect(Self.values(file, Float.self) == [Float(value), Float(value)])
    }
  }

  @Test func readsEveryHalfPrecisionNumber() throws {
    let all = (0...UInt16.max).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    let header = "{'descr': '<f2', 'fortran_order': False, 'shape': (65536,)}"
    let file = try NumpyFile(decoding: Self.file(header, values: all), name: "a.npy")
    let values = Self.values(file, Float.self)
    #expect(file.scalarType == .float32)
    #expect(values[0x0001] == 0x1p-24 && values[0x03FF] == 1023 * 0x1p-24 && values[0x0400] == 0x1p-14)
    #expect(values[0x3C00] == 1 && values[0x7BFF] == 65504 && values[0x7C00] == .infinity)
    #expect(values[0x8000].sign == .minus && values[0xFC00] == -.infinity && values[0x7C01].isNaN)
    // Neighbors of one sign follow each other.
    #expect((1...0x7C00).allSatisfy { values[$0] > values[$0 - 1] })
    #expect((0x8001...0xFC00).allSatisfy { values[$0] < values[$0 - 1] })
  }

  // MARK: Shapes and orders

  @Test(arguments: [
    [], [1], [0], [5], [0, 3], [3, 0, 2], [1, 1], [40, 70], [3, 1, 5], [2, 33, 3, 35], [2, 1, 3, 4, 5],
  ])
  func turnsColumnMajorIntoRowMajor(shape: [Int]) throws {
    let count = shape.reduce(1, *)
    var stored = [UInt8](repeating: 0, count: count * 4)
    // Entry i (row-major) is the number i; its place in the file follows from its indices, the first one fastest.
    for entry in 0..<count {
      var rest = entry
      var place = 0
      for axis in shape.indices.reversed() {
        place += rest % shape[axis] * shape[..<axis].reduce(1, *)
        rest /= shape[axis]
      }
      for byte in 0..<4 { stored[4 * place + byte] = UInt8(entry >> (8 * byte) & 0xFF) }
    }
    let extents = shape.map { "\($0)," }.joined()
    let header = "{'descr': '<u4', 'fortran_order': True, 'shape': (\(extents))}"
    let file = try NumpyFile(decoding: Self.file(header, values: stored), name: "a.npy")
    #expect(file.shape == shape)
    #expect(Self.values(file) == (0..<count).map { Double($0) })
  }

  @Test(arguments: [[], [0], [7], [0, 3], [2, 3], [2, 1, 3], Array(repeating: 1, count: 70)], ScalarType.allCases)
  func returnsWhatWasWritten(shape: [Int], scalarType: ScalarType) throws {
    let values = (0..<shape.reduce(1, *)).map { 1 / Double($0 - 1) }
    let bytes =
      scalarType == .float64
      ? values.withUnsafeBytes { NumpyFile.encode($0, shape: shape, scalarType: scalarType) }
      : values.map(Float.init).withUnsafeBytes { NumpyFile.encode($0, shape: shape, scalarType: scalarType) }
    let file = try NumpyFile(decoding: bytes, name: "a.npy")
    #expect(file.shape == shape)
    #expect(file.scalarType == scalarType)
    #expect(file.header.byteOffset.isMultiple(of: 64))
    if scalarType == .float64 {
      #expect(Self.values(file) == values)
    } else {
      #expect(Self.values(file, Float.self) == values.map(Float.init))
    }
  }

  @Test func writesVersionTwoWhenTheHeaderIsLong() throws {
    let shape = Array(repeating: 1, count: 30_000)
    let bytes = [1.5].withUnsafeBytes { NumpyFile.encode($0, shape: shape, scalarType: .float64) }
    #expect(bytes[6] == 2)
    let file = try NumpyFile(decoding: bytes, name: "a.npy")
    #expect(file.shape == shape && file.header.byteOffset.isMultiple(of: 64))
    #expect(Self.values(file) == [1.5])
  }

  // MARK: Headers as others write them

  @Test(arguments: [
    "{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}",
    "{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"|u1\",}\n",
    "  {'descr' : 'u1' , 'fortran_order' : True , 'shape' : ( 2 , ) , }   \n",
    "{'descr':'=u1','fortran_order':False,'shape':(2L,)}",
  ])
  func readsOtherSpellings(header: String) throws {
    for version in UInt8(1)...3 {
      let file = try NumpyFile(decoding: Self.file(header, version: version, values: [3, 4]), name: "a.npy")
      #expect(file.shape == [2])
      #expect(Self.values(file) == [3, 4])
    }
  }

  // MARK: What is wrong with a file

  static let plain = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}"

  @Test(
    arguments: [
      ([], "k.npy, byte 0: a .npy file starts with \"\\x93NUMPY\", but this one is an empty file."),
      (Array("1,2,3\n".utf8), "k.npy, byte 0: a .npy file starts with \"\\x93NUMPY\", but this one is \"1,2,3\\x0A\"."),
      ([0x93, 0x4E], "k.npy, byte 2: the file ends within the first 6 bytes."),
      (Array(file(plain)[..<7]), "k.npy, byte 7: the file ends before its version number."),
      (Array(file(plain)[..<9]), "k.npy, byte 9: the file ends within the length of its header."),
      (file(plain, version: 4), "k.npy, byte 6: versions 1.0, 2.0 and 3.0 can be read, but got 4.0."),
      (file(plain, length: 1000), "k.npy, byte 8: a header of 1000 bytes is announced, but only 55 bytes follow."),
      (
        file(plain, version: 2, length: 0xFFFF_FFFF),
        "k.npy, byte 8: a header of 4294967295 bytes is announced, but only 55 bytes follow."
      ),
      (file(plain, values: [1]), "k.npy, byte 66: shape [2] needs 2 bytes of values, but the file holds 1."),
      (file(plain, values: [1, 2, 3]), "k.npy, byte 67: 1 bytes follow the last value."),
    ] as [([UInt8], String)])
  func refusesDamagedFiles(bytes: [UInt8], message: String) {
    #expect(fileError { () throws(FileError) in try NumpyFile(decoding: bytes, name: "k.npy") }?.description == message)
  }

  @Test(arguments: [
    ("", 10, "expected '{', but got the end of the header."),
    ("[1, 2]", 10, "expected '{', but got \"[1, 2]\"."),
    ("{'descr': '<f8'", 25, "expected '}' or ',', but got the end of the header."),
    (
      "{'descr': '<f8, 'shape': 1}", 20,
      "entries can be f2, f4, f8, i1 to i8, u1 to u8 or b1 in either byte order, but got \"<f8, \"."
    ),
    ("{'descr': '<f8}", 20, "the closing quote is missing."),
    (
      "{'descr': '<c16'}", 20,
      "entries can be f2, f4, f8, i1 to i8, u1 to u8 or b1 in either byte order, but got \"<c16\"."
    ),
    (
      "{'descr': '|O'}", 20, "entries can be f2, f4, f8, i1 to i8, u1 to u8 or b1 in either byte order, but got \"|O\"."
    ),
    (
      "{'descr': '<f3'}", 20,
      "entries can be f2, f4, f8, i1 to i8, u1 to u8 or b1 in either byte order, but got \"<f3\"."
    ),
    (
      "{'descr': [('a', '<f8')]}", 20,
      "entries can be f2, f4, f8, i1 to i8, u1 to u8 or b1 in either byte order, but got a record of several fields."
    ),
    ("{'descr': 8}", 20, "expected a quoted word, but got \"8}\"."),
    ("{'shape': (2, -3)}", 24, "an extent cannot be negative."),
    ("{'shape': (99999999999999999999,)}", 21, "an extent is larger than any memory."),
    ("{'shape': (2 3)}", 23, "expected ')' or ',', but got \"3)}\"."),
    ("{'shape': (2, x)}", 24, "expected an extent, but got \"x)}\"."),
    ("{'shape': 2}", 20, "expected '(', but got \"2}\"."),
    ("{'fortran_order': 1}", 28, "expected True or False, but got \"1}\"."),
    ("{'fortran_order': False, 'fortran_order': True}", 35, "the key 'fortran_order' stands here a second time."),
    ("{'sape': (2,)}", 11, "the keys are 'descr', 'fortran_order' and 'shape', but got \"sape\"."),
    ("{'descr': '<f8', 'fortran_order': False}", 10, "the header lacks the key 'shape'."),
    ("{'fortran_order': False, 'shape': (2,)}", 10, "the header lacks the key 'descr'."),
    ("{'descr': '<f8', 'shape': (2,)}", 10, "the header lacks the key 'fortran_order'."),
    ("\(plain) #", 66, "expected nothing but space after the closing '}', but got \"#\"."),
    (
      "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 60,
      "an array of shape [4294967296, 4294967296] is too large for any memory."
    ),
    (
      "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296)}", 60,
      "an array of shape [0, 4294967296, 4294967296] is too large for any memory."
    ),
  ])
  func refusesDamagedHeaders(header: String, offset: Int, problem: String) {
    let error = fileError { () throws(FileError) in try NumpyFile(decoding: Self.file(header), name: "k.npy") }
    #expect(error?.place == .byte(offset))
    #expect(error?.problem == problem)
  }

  @Test func allocatesNothingForALyingFile() {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000000,)}"
    let error = fileError { () throws(FileError) in
      try NumpyFile(decoding: Self.file(header, values: Array(repeating: 0, count: 64)), name: "k.npy")
    }
    #expect(error?.kind == .truncated)
    #expect(
      error?.problem == "shape [100000000000000000] needs 800000000000000000 bytes of values, but the file holds 64.")
  }

  @Test(arguments: 0..<8)
  func survivesDamage(seed: UInt64) {
    var noise = FileNoise(state: seed)
    let originals = [Self.float64, Self.bigEndianFloat32, Self.columnMajorInt16, Self.version2]
    let pieces = [
      "-1", "0", "99999999999999999999", "4294967296,", "9223372036854775807", "(", ")", "{", "}", "'", "'<f8'", ",",
      ":",
      "True", "False", "'shape': (", "\u{93}NUMPY", "\u{0}", "L", " ",
    ]
    for round in 0..<500 {
      let bytes = noise.damaged(originals[round % originals.count], pieces: pieces)
      // Whatever happened: a typed error, or an array exactly as large as its shape says.
      if let file = try? NumpyFile(decoding: bytes, name: "k.npy") {
        #expect(Self.values(file).count == file.shape.reduce(1, *))
      }
    }
    for original in originals {
      for length in 0..<original.count {
        #expect(throws: FileError.self) { try NumpyFile(decoding: Array(original[..<length]), name: "k.npy") }
      }
    }
  }

  @Test func goesThroughTheDisk() throws {
    try withTemporaryFolder { folder in
      let values: [Float] = [1, 2.5, -3, .infinity]
      let path = folder + "/values.npy"
      for _ in 0..<2 {
        try values.withUnsafeBytes { bytes in
          try NumpyFile.write(bytes, shape: [2, 2], scalarType: .float32, to: path)
        }
        let file = try NumpyFile(contentsOf: path)
        #expect(file.shape == [2, 2] && file.scalarType == .float32)
        #expect(Self.values(file, Float.self) == values)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["values.npy"])
      }
    }
  }
}
