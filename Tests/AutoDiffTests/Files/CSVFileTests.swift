import Foundation
import Testing

@testable import AutoDiff

@Suite struct CSVFileTests {
  static func read(
    _ text: String, _ separator: CSVFile.Separator = .comma, _ header: CSVFile.Header = .detected
  ) throws(FileError) -> CSVFile {
    try CSVFile(decoding: Array(text.utf8), name: "d.csv", separator: separator, header: header)
  }

  static func values(_ text: String, _ separator: CSVFile.Separator = .comma) throws -> [Double] {
    try read(text, separator).values
  }

  // MARK: Reading

  @Test func readsRows() throws {
    let file = try Self.read("1,2,3\n4,5,6\n")
    #expect(file.header == nil)
    #expect(file.columnCount == 3 && file.rowCount == 2)
    #expect(file.values == [1, 2, 3, 4, 5, 6])
  }

  @Test(arguments: [
    "1,2\n3,4", "1,2\n3,4\n", "1,2\r\n3,4\r\n", "1,2\r\n3,4", "1,2\n3,4\n\n\r\n  \n", " 1 ,\t2\n3,4 \n",
    "\u{FEFF}1,2\n3,4\n",
    "+1,2e0\n.3e1,4.\n",
  ])
  func forgivesDifferencesOfSpelling(text: String) throws {
    let file = try Self.read(text)
    #expect(file.columnCount == 2)
    #expect(file.values == [1, 2, 3, 4])
  }

  @Test func knowsSeparators() throws {
    #expect(try Self.values("1;2\n3;4", .semicolon) == [1, 2, 3, 4])
    #expect(try Self.values("1\t2\n 3\t4 \n", .tab) == [1, 2, 3, 4])
    #expect(try Self.values("1 2\n  3 \t 4  \n", .space) == [1, 2, 3, 4])
  }

  @Test func knowsHeaders() throws {
    let plain = try Self.read("width, loss \n1,2\n")
    #expect(plain.header == ["width", "loss"] && plain.values == [1, 2])
    let quoted = try Self.read("\"a, b\",\"say \"\"c\"\"\",\"3\"\n1,2,3\n")
    #expect(quoted.header == ["a, b", "say \"c\"", "3"] && quoted.values == [1, 2, 3])
    let spaced = try Self.read("# x  y\n1 2 3\n", .space)
    #expect(spaced.header == ["#", "x", "y"])
    let numbers = try Self.read("label,0,1\n1,2,3\n", .comma, .present)
    #expect(numbers.header == ["label", "0", "1"] && numbers.values == [1, 2, 3])
    let empty = try Self.read("a,b\n")
    #expect(empty.header == ["a", "b"] && empty.rowCount == 0 && empty.columnCount == 2)
  }

  @Test(arguments: [
    "0", "-0", "1", "0.1", "123456789012345678", "9007199254740993", "1e22", "1e23", "-1.7976931348623157e308",
    "5e-324",
    "2.2250738585072011e-308", "1e-400", "0.1000000000000000055511151231257827", "12345678901234567890.", ".5",
    ".50000000000000000000000000001", "00000000000000000000001.5", "3.141592653589793", "8.5e+2", "7E-3",
    "100000000000000000000000000000000e-32", "1e0000000000000000000001",
  ])
  func roundsCorrectly(text: String) throws {
    let value = try #require(try Self.values(text).first)
    #expect(value == strtod(text, nil))
    #expect(value.sign == strtod(text, nil).sign)
  }

  @Test func knowsWordsForNumbers() throws {
    let values = try Self.values("inf,-inf,Infinity,nan,-NaN\n")
    #expect(values[..<3] == [.infinity, -.infinity, .infinity])
    #expect(values[3].isNaN && values[4].isNaN)
  }

  // MARK: Writing

  @Test func writesTheShortestDigits() {
    let file = CSVFile([1, 0.1, -1e300, .nan, -.infinity, 0.25], columnCount: 2, header: ["a", "b,c"])
    #expect(String(decoding: file.encoded(), as: UTF8.self) == "a,\"b,c\"\n1,0.1\n-1e+300,nan\n-inf,0.25\n")
    let single: [Float] = [0.1, 2]
    let text = single.withUnsafeBufferPointer { CSVFile.encode($0, columnCount: 2, separator: .semicolon) }
    #expect(String(decoding: text, as: UTF8.self) == "0.1;2\n")
  }

  @Test(arguments: CSVFile.Separator.allCases)
  func returnsWhatWasWritten(separator: CSVFile.Separator) throws {
    var noise = FileNoise(state: 5)
    let values = (0..<600).map { _ in
      let value = Double(bitPattern: noise.next())
      return value.isNaN ? 0 : value
    }
    for header in [nil, ["a", "2", "c d", "", "e,;\tf", "\"g\""]] {
      let file = CSVFile(values, columnCount: 6, header: header)
      #expect(try CSVFile(decoding: file.encoded(separator: separator), name: "d.csv", separator: separator) == file)
    }
  }

  @Test func goesThroughTheDisk() throws {
    try withTemporaryFolder { folder in
      let file = CSVFile([1, 2, 3, 4.5], columnCount: 2)
      try file.write(to: folder + "/d.csv")
      #expect(try CSVFile(contentsOf: folder + "/d.csv") == file)
    }
  }

  // MARK: What is wrong with a file

  @Test(arguments: [
    ("", "d.csv: the file holds no numbers."),
    ("\n \n", "d.csv: the file holds no numbers."),
    ("1,2\n3,x4\n", "d.csv, line 2, column 2: \"x4\" is not a number."),
    ("1,2\n3,4x,5\n", "d.csv, line 2, column 2: \"4x\" is not a number."),
    ("1,2\n3,\"4\"\n", "d.csv, line 2, column 2: \"\"4\"\" is not a number."),
    ("1,2\n3,4 5\n", "d.csv, line 2, column 2: \"4 5\" is not a number."),
    ("1,2\n3, \n", "d.csv, line 2, column 2: an empty field is not a number."),
    ("1,2\n,3\n", "d.csv, line 2, column 1: an empty field is not a number."),
    ("1,2\n0x1p3,3\n", "d.csv, line 2, column 1: \"0x1p3\" is not a number."),
    ("1,2\n1e,3\n", "d.csv, line 2, column 1: \"1e\" is not a number."),
    ("1,2\n-,3\n", "d.csv, line 2, column 1: \"-\" is not a number."),
    ("1,2\n3,4\r5,6\n", "d.csv, line 2, column 2: \"4\\x0D5\" is not a number."),
    ("a,b\rc\n1,2\n", "d.csv, line 1, column 2: \"b\\x0Dc\" holds a carriage return that does not end the line."),
    ("1,2\n1e999,3\n", "d.csv, line 2, column 1: \"1e999\" is beyond the range of a float64."),
    ("1,2\n3\n", "d.csv, line 2, column 2: line 1 has 2 columns, but this line ends after 1."),
    ("1,2\n3,4,5\n", "d.csv, line 2, column 3: line 1 has 2 columns, but here follows \"5\"."),
    ("1,2\n3,4,\n", "d.csv, line 2, column 3: line 1 has 2 columns, but here follows an empty field."),
    ("a,b,c\n1,2\n", "d.csv, line 2, column 3: line 1 has 3 columns, but this line ends after 2."),
    ("1,2\n\n3,4\n", "d.csv, line 2: an empty line stands before the last row."),
    ("\n1,2\n", "d.csv, line 1: an empty line stands before the last row."),
    (
      "a,2\n1,2\n",
      "d.csv, line 1, column 1: \"a\" is not a number. Is the first line a header? Then state it (header: .present)."
    ),
    (
      "1,2\n3,\(String(repeating: "z", count: 100))\n",
      "d.csv, line 2, column 2: \"\(String(repeating: "z", count: 40))...\" is not a number."
    ),
  ])
  func refusesWhatIsNoTable(text: String, message: String) {
    #expect(fileError { () throws(FileError) in try Self.read(text) }?.description == message)
  }

  @Test(arguments: 0..<8)
  func survivesDamage(seed: UInt64) {
    var noise = FileNoise(state: seed)
    let originals = [
      "1,2,3\n4,5,6\n7,8,9\n", "a,b\n1e5,-2.5\r\n3,4\r\n", "1;2\n3;4", "1\t2\n3\t4\n", " 1  2\n3 4 \n",
      "inf,nan\n0.1,2e-300\n",
      "\"a\",\"b\"\n1,2\n",
    ]
    let pieces = [
      "\n", "\r", "\"", ",", ";", "\t", " ", "-", "e", "E+", ".", "1e999", "99999999999999999999999999", "nan",
      "infinit",
      "\u{0}", "\u{FEFF}", "\n\n", "e99999999999999999999",
    ]
    for round in 0..<1000 {
      let bytes = noise.damaged(Array(originals[round % originals.count].utf8), pieces: pieces)
      for separator in CSVFile.Separator.allCases {
        // Whatever happened: a typed error, or whole rows.
        if let file = try? CSVFile(decoding: bytes, name: "d.csv", separator: separator) {
          #expect(file.values.count == file.rowCount * file.columnCount)
        }
      }
    }
  }
}
