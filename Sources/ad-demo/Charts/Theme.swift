/// The look that all charts share.
enum Theme {
  static let text = "#1f2933"
  static let softText = "#5b6776"
  static let grid = "#e6eaee"
  static let fineGrid = "#f3f5f7"
  static let frame = "#aab4bf"

  static let titleSize = 16.0
  static let labelSize = 12.5
  static let tickSize = 11.5

  /// Colors of series, told apart also by people who see few colors: lightness and hue both change.
  static let series = ["#2563c9", "#e07b00", "#17936a", "#c2185b", "#6b4fc8", "#7a5c3e", "#0aa2c0", "#8a8f00"]

  static func color(ofSeries index: Int) -> String { series[index % series.count] }
}
