import Foundation
import Testing

@testable import ad_demo

/// The built program, called as nobody should call it: one line of complaint, the right status, and nothing left behind.
@Suite(.serialized) struct HostileCallTests {
  /// The program beside the one that runs the tests.
  private static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("ad-demo").path

  /// Runs a line of shell in a folder of its own, in which `$AD` is the program.
  static func shell(
    _ line: String, environment: [String: String] = [:]
  ) throws -> (status: Int32, output: String, complaint: String, files: [String]) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ad-demo-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try "1,2,0\n3,5,1\n2,2,0\n".write(to: folder.appendingPathComponent("small.csv"), atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", line]
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(["AD": program]) { $1 }.merging(environment) {
      $1
    }
    let (output, complaint) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, complaint)
    try process.run()
    let texts = [output, complaint].map {
      String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }
    process.waitUntilExit()
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0 != "small.csv" }.sorted()
    return (process.terminationStatus, texts[0], texts[1], files)
  }

  static let kernel = "\"$AD\" kernel --width 2 --depth 1 --data small.csv"

  // MARK: Options

  /// Every option with values that mean nothing: the call, its status, and what the one line says.
  static let calls: [(String, Int32, String)] = [
    // Numbers.
    ("kernel --examples ''", 2, "--examples needs a value"), ("kernel --examples -1", 2, "must be between 1 and"),
    ("kernel --examples 0", 2, "must be between 1 and"),
    ("kernel --examples 99999999999999999999", 2, "needs a whole number"),
    ("kernel --examples nan", 2, "needs a whole number"), ("kernel --examples 1e3", 2, "needs a whole number"),
    ("kernel --width 0", 2, "must be between 1 and"), ("kernel --width -9223372036854775809", 2, "a whole number"),
    ("kernel --depth -1", 2, "must be between 0 and"), ("kernel --depth 1001", 2, "must be between 0 and"),
    ("kernel --outputs 0", 2, "must be between 1 and"), ("kernel --outputs 0x10", 2, "needs a whole number"),
    ("kernel --seed -1", 2, "not negative"), ("kernel --seed 18446744073709551616", 2, "not negative"),
    ("kernel --width 1000000 --depth 1000", 1, "GiB of memory would be needed"),
    ("kernel --outputs 100000 --examples 1000000 --width 1000000", 1, "GiB of memory would be needed"),
    ("check --trials 0", 2, "must be between 1 and"), ("check --trials inf", 2, "needs a whole number"),
    ("check --seed ''", 2, "--seed needs a value"), ("check --primitive ''", 2, "--primitive needs a value"),
    ("check --primitive zzz", 2, "no function's name contains \"zzz\""),
    ("bench --budget nan", 2, "needs a number"), ("bench --budget inf", 2, "needs a number"),
    ("bench --budget -0.1", 2, "must be between 0 and"), ("bench --budget 1e300", 2, "must be between 0 and"),
    ("bench --threads 0", 2, "must be between 1 and"), ("bench --threads 1025", 2, "must be between 1 and"),
    ("bench --workload W99", 2, "no workload begins with W99"), ("bench --dtype int8", 2, "float64 or float32"),
    ("bench --json=yes", 2, "takes no value"), ("tour --seed 1.5", 2, "not negative"),
    // Words.
    ("kernel --activation ''", 2, "--activation needs a value"),
    ("kernel --activation tan", 2, "Did you mean \"tanh\"?"),
    ("kernel --parameterization x", 2, "tangent or standard"), ("kernel --dtype float16", 2, "float64 or float32"),
    ("kernel --inputs standardised", 2, "Did you mean \"standardized\"?"),
    ("kernel --label-column first --data small.csv", 2, "none or last"),
    ("kernel --label-column last", 2, "there is no --data"), ("kernel --label-column none", 2, "there is no --data"),
    // Files.
    ("kernel --data ''", 2, "--data needs a value"), ("kernel --data missing.csv", 1, "missing.csv: cannot be opened"),
    ("kernel --data .", 1, "the name must end in .npy or .csv"),
    ("kernel --data /dev/zero", 1, "the name must end in .npy or .csv"),
    ("tour --data /dev/null", 1, "neither a file nor a pipe"), ("tour --data small.csv", 1, "64 pixels"),
    ("tour --data missing.csv", 1, "cannot be opened"), ("tour --data .", 1, "is a folder"),
    ("kernel --data \"$(printf 'a\\377b.csv')\"", 2, "is not UTF-8 text"),
    ("kernel --output \"$(printf 'a\\377b')\"", 2, "is not UTF-8 text"),
    ("\"$(printf '\\300')\"", 2, "is not UTF-8 text"),
    ("kernel --output ''", 2, "--output needs a value"), ("tour --output ''", 2, "--output needs a value"),
    ("tour --output small.csv", 1, "small.csv: is a file, but a folder is needed"),
    ("tour --output small.csv/deeper", 1, "the folder cannot be made"),
    ("tour --output /proc/ad-demo", 1, "the folder cannot be made"),
    ("kernel --data small.csv --width 2 --output small.csv", 1, "is a file, but a folder is needed"),
    ("kernel --data small.csv --width 2 --output /proc", 1, "/proc/kernel.npy.journal: cannot be opened"),
    ("kernel --budget 0", 2, "needs a size such as 2GiB"), ("kernel --budget 2XB", 2, "needs a size such as 2GiB"),
    ("kernel --budget 1e300TB", 2, "needs a size such as 2GiB"),
    ("kernel --data small.csv --width 2 --budget 1KB", 1, "but the budget is 1000 bytes"),
    ("kernel --tile 0", 2, "must be between 1 and"), ("kernel --keep trace", 2, "trace-mean"),
    ("kernel --method fast", 2, "factored"), ("kernel --shard 2/2", 2, "a part and the number of parts"),
    ("kernel --shard auto/x", 2, "a part and the number of parts"),
    ("kernel --shard auto --data small.csv", 2, "SLURM_ARRAY_TASK_ID"),
    ("kernel --shard 0/2 --merge 2", 2, "give one of them"), ("kernel --merge 0", 2, "must be between 1 and"),
    ("kernel --plan=yes", 2, "takes no value"),
  ]

  @Test(arguments: calls) func complainsInOneLine(_ call: (line: String, status: Int32, text: String)) throws {
    let result = try Self.shell("\"$AD\" " + call.line)
    #expect(result.status == call.status, "\(call.line): \(result.complaint)")
    #expect(result.complaint.contains(call.text), "\(call.line): \(result.complaint)")
    #expect(result.complaint.hasPrefix("ad-demo"))
    #expect(result.complaint.count { $0 == "\n" } == 1 && result.complaint.hasSuffix("\n"), "\(result.complaint)")
    #expect(result.files.isEmpty)
  }

  @Test func replacesExistingFilesAndRefusesFolders() throws {
    let twice = try Self.shell("\(Self.kernel) --output o >/dev/null && \(Self.kernel) --output o >/dev/null")
    #expect(twice.status == 0, "\(twice.complaint)")
    #expect(twice.files == ["o", "o/kernel.npy", "o/kernel.svg", "o/spectrum.svg"])
    let folder = try Self.shell("mkdir -p o/kernel.npy; \(Self.kernel) --output o")
    #expect(folder.status == 1 && folder.complaint.contains("o/kernel.npy: is a folder, not a file"))
  }

  // MARK: Environment

  @Test(arguments: [
    ("AUTODIFF_THREADS", "0"), ("AUTODIFF_THREADS", "-1"), ("AUTODIFF_THREADS", "1025"), ("AUTODIFF_THREADS", "nan"),
    ("AUTODIFF_THREADS", "99999999999999999999"), ("AUTODIFF_THREADS", " 2"), ("AUTODIFF_THREADS", "two\nlines"),
    ("AUTODIFF_POOL_BYTES", "-1"), ("AUTODIFF_POOL_BYTES", "1e9"), ("AUTODIFF_POOL_BYTES", "18446744073709551616"),
    ("AUTODIFF_POOL_BYTES", "lots"),
  ])
  func refusesMeaninglessVariables(_ name: String, _ value: String) throws {
    let result = try Self.shell("\"$AD\" --help", environment: [name: value])
    #expect(result.status == 2 && result.output.isEmpty)
    #expect(result.complaint.hasPrefix("ad-demo: \(name): "))
    #expect(result.complaint.hasSuffix("but got \(value.debugDescription).\n"))
    #expect(result.complaint.count { $0 == "\n" } == 1)
  }

  @Test(arguments: ["AUTODIFF_THREADS", "AUTODIFF_POOL_BYTES"])
  func refusesVariablesThatAreNoText(_ name: String) throws {
    let result = try Self.shell("env \(name)=\"$(printf '\\377')\" \"$AD\" --help")
    #expect(result.status == 2 && result.complaint.hasPrefix("ad-demo: \(name): "))
  }

  @Test(arguments: [
    ["AUTODIFF_THREADS": ""], ["AUTODIFF_POOL_BYTES": ""], ["AUTODIFF_THREADS": "1", "AUTODIFF_POOL_BYTES": "0"],
    ["TERM": ""], ["TERM": "dumb"], ["NO_COLOR": "1"], ["TERM": "\u{1B}[31m"],
  ])
  func acceptsOtherVariables(_ environment: [String: String]) throws {
    let result = try Self.shell("\(Self.kernel) --output o", environment: environment)
    #expect(result.status == 0, "\(result.complaint)")
    #expect(!(result.output + result.complaint).contains("\u{1B}"))
  }

  // MARK: Streams

  /// Every way to lose what is written.
  @Test func survivesWithoutStandardError() throws {
    for end in ["2>&-", "2>/dev/full", "2>&1 >/dev/null | :"] {
      let result = try Self.shell("\"$AD\" nonsense \(end)\ntrue")
      #expect(result.status == 0)
    }
    for (line, status) in [("nonsense", 2), ("kernel --data missing.csv", 1), ("kernel --examples 0", 2)] {
      for end in ["2>&-", "2>/dev/full", "2>/dev/full >/dev/full", "2>&- >&-", "<&- >&- 2>&-"] {
        let result = try Self.shell("\"$AD\" \(line) \(end)")
        #expect(result.status == Int32(status), "\(line) \(end): \(result.status)")
      }
    }
    // Progress goes there too.
    let result = try Self.shell("\"$AD\" check --primitive negate --trials 1 2>/dev/full")
    #expect(result.status == 0 && result.output.contains("passed"))
  }

  @Test(arguments: ["--help", "kernel --help", "kernel --width 2 --depth 1 --data small.csv --output o"])
  func lostOutputIsAFailure(_ line: String) throws {
    for (end, reason) in [(">/dev/full", "no space left on device"), (">&-", "bad file descriptor")] {
      let result = try Self.shell("\"$AD\" \(line) \(end)")
      #expect(result.status == 1, "\(line) \(end)")
      #expect(result.complaint == "ad-demo: the standard output is not complete: \(reason).\n")
    }
    let nowhere = try Self.shell("\"$AD\" \(line) >&- 2>&-")
    #expect(nowhere.status == 1)
    let full = try Self.shell("\"$AD\" \(line) >/dev/full 2>/dev/full")
    #expect(full.status == 1)
  }

  @Test func aReaderThatLeavesIsAFailureToo() throws {
    let result = try Self.shell("{ \"$AD\" --help; echo $? >&2; } | :")
    // The reader may be gone before or after the text is written; a signal, 141, is neither.
    #expect(["0\n", "ad-demo: the standard output is not complete: broken pipe.\n1\n"].contains(result.complaint))
  }

  // MARK: Signals

  @Test(arguments: [("INT", 130), ("TERM", 143)])
  func signalsLeaveNoPartialFiles(_ signal: String, _ status: Int) throws {
    // The folder is full of large files being written, one after the other, when the signal comes.
    for delay in ["0.3", "1.0"] {
      let result = try Self.shell(
        """
        "$AD" kernel --examples 300 --width 2 --depth 0 --output o >/dev/null & process=$!
        sleep \(delay); kill -\(signal) $process; wait $process; echo $?
        """)
      // A shell without job control starts what is in the background with SIGINT ignored, and so it stays.
      let expected = signal == "INT" ? ["0\n", "130\n"] : ["0\n", "\(status)\n"]
      #expect(expected.contains(result.output), "\(result.output) \(result.complaint)")
      // What the kernel is continued from stays; hidden files do not.
      #expect(!result.files.contains { $0.contains("/.") }, "\(result.files)")
    }
  }

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)])
  func signalsEndTheProgramWithTheirStatus(_ signal: Int32, _ status: Int) throws {
    // Reading a pipe that nobody writes to, it waits as long as needed.
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ad-demo-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let pipe = folder.appendingPathComponent("pipe.csv").path
    #expect(mkfifo(pipe, 0o600) == 0)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.program)
    process.arguments = ["kernel", "--data", pipe]
    // What ignores a signal hands that down to what it starts, as a shell does in the background.
    let old = Foundation.signal(signal, SIG_DFL)
    try process.run()
    _ = Foundation.signal(signal, old)
    // Once the pipe can be opened for writing, the program reads it, and listens to signals.
    var writer: Int32 = -1
    for _ in 0..<1000 where writer < 0 {
      writer = open(pipe, O_WRONLY | O_NONBLOCK)
      if writer < 0 { usleep(20_000) }
    }
    try #require(writer >= 0)
    kill(process.processIdentifier, signal)
    for _ in 0..<1000 where process.isRunning { usleep(20_000) }
    close(writer)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    #expect(process.terminationStatus == Int32(status))
  }
}

@Suite struct PlainTerminalTests {
  @Test(arguments: [
    (["TERM": "dumb"], true), ([:], true), (["TERM": ""], true), (["TERM": "xterm", "NO_COLOR": "1"], true),
    (["TERM": "xterm"], false),
  ])
  func getsNoEscapeCodes(_ environment: [String: String], isTerminal: Bool) {
    #expect(ProgressBar.widthOfTerminal(isTerminal: isTerminal, environment: environment) == nil)
  }

  @Test func othersGetALine() {
    for environment in [["TERM": "xterm"], ["TERM": "xterm", "NO_COLOR": ""]] {
      #expect(ProgressBar.widthOfTerminal(isTerminal: true, environment: environment) != nil)
    }
  }
}
