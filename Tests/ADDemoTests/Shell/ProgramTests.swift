import AutoDiff
import Foundation
import Testing

@testable import ad_demo

/// A command whose runs can be looked at, because it fails with the values of its options.
private enum Probe: Command {
  enum Color: String, OptionChoice { case red, green }
  struct Report: Error, CustomStringConvertible { let description: String }

  static let name = "probe"
  static let summary = "Report the options"
  static let discussion = "Does nothing else."
  static let count = Option("count", "N", default: 3, range: 1...10, "How many")
  static let rate = Option("rate", "X", default: 0.5, "How fast")
  static let seed = Option<UInt64>("seed", "N", default: 0, "Where chance starts")
  static let data = Option<String?>(optional: "data", "FILE", "What to read")
  static let threads = Option<Int?>(optional: "threads", "N", range: 1...8, "Cores")
  static let name2 = Option<[String]>(repeated: "pick", "NAME", "Which of them")
  static let color = Option("color", "NAME", default: Color.red, "The color")
  static let loud = Option(switch: "loud", "Say more, in a text that is so long that it cannot stand on one line of 80")
  static let options: [any CommandOption] = [count, rate, seed, data, threads, name2, color, loud]

  static func run(_ arguments: Arguments) throws {
    throw Report(
      description: """
        \(arguments[count]) \(arguments[rate]) \(arguments[seed]) \(arguments[data] ?? "-") \
        \(arguments[threads] ?? 0) \(arguments[name2]) \(arguments[color]) \(arguments[loud])
        second line
        """)
  }
}

private enum Quiet: Command {
  static let name = "quiet"
  static let summary = "Do nothing"
  static let options: [any CommandOption] = []
  static func run(_ arguments: Arguments) throws {}
}

@Suite struct ProgramTests {
  /// Runs the program on words, and collects its texts.
  static func run(_ line: String) -> (status: Int32, output: String, complaint: String) {
    run(line.split(separator: " ").map(String.init))
  }

  static func run(_ words: [String]) -> (status: Int32, output: String, complaint: String) {
    var (output, complaint) = ("", "")
    let commands: [any Command.Type] = [Probe.self, Quiet.self, KernelCommand.self]
    let program = Program(commands: commands, output: { output += $0 }, complain: { complaint += $0 })
    let status = program.run(words)
    return (status, output, complaint)
  }

  // MARK: What runs

  @Test(arguments: [
    ("", "3 0.5 0 - 0 [] red false"), ("probe", "3 0.5 0 - 0 [] red false"),
    ("probe --count 7 --rate=-1e3 --seed 9", "7 -1000.0 9 - 0 [] red false"),
    ("--count=7 --loud --threads 8", "7 0.5 0 - 8 [] red true"),
    ("probe --data a=b.csv --color green", "3 0.5 0 a=b.csv 0 [] green false"),
    ("probe --data=-", "3 0.5 0 - 0 [] red false"),
    ("probe --pick a --rate -2 --pick=--b", "3 -2.0 0 - 0 [\"a\", \"--b\"] red false"),
  ])
  func understandsOptions(line: String, report: String) {
    let result = Self.run(line)
    #expect(result.status == 1)
    #expect(result.complaint == "ad-demo probe: \(report) second line\n")
    #expect(result.output.isEmpty)
  }

  @Test func succeedsSilently() {
    #expect(Self.run("quiet") == (0, "", ""))
  }

  // MARK: What does not

  @Test(arguments: [
    ("prob", "ad-demo: there is no command \"prob\". Did you mean \"probe\"?"),
    ("kernle --seed 1", "ad-demo: there is no command \"kernle\". Did you mean \"kernel\"?"),
    ("xyz", "ad-demo: there is no command \"xyz\". ad-demo --help lists them."),
    ("help xyz", "ad-demo: there is no command \"xyz\". ad-demo --help lists them."),
    ("probe --cuont 3", "ad-demo probe: there is no option --cuont. Did you mean --count?"),
    ("probe --thr 3", "ad-demo probe: there is no option --thr. Did you mean --threads?"),
    ("--frobnicate", "ad-demo probe: there is no option --frobnicate. The option --help lists them."),
    ("quiet --any", "ad-demo quiet: there is no option --any. The option --help lists them."),
    ("probe --count", "ad-demo probe: --count needs a value: --count N"),
    ("probe --count --loud", "ad-demo probe: --count needs a value: --count N"),
    ("probe --data=", "ad-demo probe: --data needs a value: --data FILE"),
    ("probe --count three", "ad-demo probe: --count needs a whole number, but got \"three\"."),
    ("probe --count 2.5", "ad-demo probe: --count needs a whole number, but got \"2.5\"."),
    ("probe --count 11", "ad-demo probe: --count must be between 1 and 10, but got \"11\"."),
    ("probe --threads 0", "ad-demo probe: --threads must be between 1 and 8, but got \"0\"."),
    ("probe --rate nan", "ad-demo probe: --rate needs a number, but got \"nan\"."),
    ("probe --seed -1", "ad-demo probe: --seed needs a whole number that is not negative, but got \"-1\"."),
    ("probe --color gren", "ad-demo probe: --color needs red or green, but got \"gren\". Did you mean \"green\"?"),
    ("probe --loud=yes", "ad-demo probe: --loud takes no value, but got \"yes\"."),
    ("probe --seed 1 --seed 2", "ad-demo probe: --seed is given twice."),
    ("probe --loud --loud", "ad-demo probe: --loud is given twice."),
    ("probe 3", "ad-demo probe: \"3\" is not an option. The option --help lists them."),
    ("probe -count 3", "ad-demo probe: \"-count\" is not an option. Did you mean --count?"),
    ("probe --", "ad-demo probe: there is no option --. The option --help lists them."),
    (
      "kernel --dtype flaot32",
      "ad-demo kernel: --dtype needs float64 or float32, but got \"flaot32\". Did you mean \"float32\"?"
    ),
  ])
  func explainsWrongCalls(line: String, complaint: String) {
    let result = Self.run(line)
    #expect(result.complaint == complaint + "\n")
    #expect(result.status == 2)
    #expect(result.output.isEmpty)
  }

  @Test func acceptsAnyWords() {
    for words in [[""], ["-"], ["--="], ["=", "=="], ["probe", ""], ["probe", "--", "--"], ["probe", "-=-"]] {
      #expect(Self.run(words).status == 2)
    }
  }

  // MARK: Help

  @Test(arguments: ["--help", "-h", "help"])
  func listsCommands(line: String) {
    let expected = """
      Differentiates networks and computes their tangent kernels.

      Usage: ad-demo [command] [options]

      Commands:
        probe   Report the options (what runs without a command)
        quiet   Do nothing
        kernel  Compute the tangent kernel of a network on your data

      ad-demo <command> --help explains a command's options.

      """
    #expect(Self.run(line) == (0, expected, ""))
  }

  @Test(arguments: ["probe --help", "help probe", "probe --count x -h"])
  func listsOptions(line: String) {
    let expected = """
      Report the options

      Usage: ad-demo probe [options]

      Does nothing else.

      Options:
        --count N     How many (default: 3)
        --rate X      How fast (default: 0.5)
        --seed N      Where chance starts (default: 0)
        --data FILE   What to read
        --threads N   Cores
        --pick NAME   Which of them (may be repeated)
        --color NAME  The color: red, green (default: red)
        --loud        Say more, in a text that is so long that it cannot stand on one
                      line of 80
        --help        Print this text

      """
    #expect(Self.run(line) == (0, expected, ""))
  }

  @Test func helpOfEveryCommandFits() {
    for command in AdDemo.commands {
      #expect(command.help.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(command.name)")
      #expect(Set(command.options.map { $0.name }).count == command.options.count, "\(command.name)")
    }
  }

  // MARK: Suggestions

  @Test func measuresHowDifferentWordsAre() {
    #expect(editDistance("", "abc") == 3)
    #expect(editDistance("kernel", "kernel") == 0)
    #expect(editDistance("kernle", "kernel") == 1)
    #expect(editDistance("kitten", "sitting") == 3)
    #expect(nearest("w", among: ["width", "depth"]) == "width")
    #expect(nearest("WIDHT", among: ["width", "depth"]) == "width")
    #expect(nearest("examples", among: ["width", "depth"]) == nil)
    #expect(nearest("", among: ["width", "depth"]) == nil)
    #expect(nearest("x", among: []) == nil)
  }
}
