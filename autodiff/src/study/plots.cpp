// SPDX-License-Identifier: MIT
#include "tapestry/study/plots.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <string_view>

#include "study/program.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/utf8.hpp"
#include "text_file.hpp"

namespace tapestry {
namespace {

// After Okabe and Ito, 2008: stay apart for the colour-blind.
constexpr std::array<const char*, 6> colours{"#0072B2", "#D55E00", "#009E73",
                                             "#CC79A7", "#56B4E9", "#E69F00"};

const char* colour(std::size_t i) { return colours[i % colours.size()]; }

/// "\047" for an apostrophe.
std::string octal(char c) {
  const auto digit = [c](int shift) { return static_cast<char>('0' + (c >> shift & 7)); };
  return {'\\', digit(6), digit(3), digit(0)};
}

/// Text as a string of gnuplot; texts beyond `most` characters end in an ellipsis. What may have a
/// meaning to gnuplot is written by its number: two apostrophes in a row end its other kind of
/// string. So is a digit after such a number, which gnuplot takes for a part of it.
std::string plain_text(const std::string& text, std::size_t most = 200) {
  constexpr std::string_view plain = " .,:;-+=()[]/|<>&!?_*";
  std::string result = "\"";
  std::string_view rest = text;
  bool by_number = false;  // the character before
  for (std::size_t n = 0; !rest.empty(); ++n) {
    if (n == most) return result + "…\"";
    const std::string_view character = utf8::take_shown(rest);
    const char c = character.front();
    const bool digit = c >= '0' && c <= '9', letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    by_number = character.size() == 1 && !letter && (by_number || !digit) &&
                plain.find(c) == std::string_view::npos;
    result += by_number ? octal(c) : std::string(character);
  }
  return result + '"';
}

/// A number of a data block; what cannot be drawn is missing.
std::string datum(double x) { return std::isfinite(x) ? exact_text(x) : "?"; }

class Script {
 public:
  Script(const char* op, const PlotOptions& options, unsigned width, unsigned height) : op_(op) {
    line("set encoding utf8");
    line("set terminal svg size " + std::to_string(options.width ? options.width : width) + "," +
         std::to_string(options.height ? options.height : height) +
         " fixed enhanced background '#FFFFFF' font 'Helvetica,Arial,sans-serif,13'");
    line("set datafile missing '?'");
    line("set border 3 lc rgb '#6B7785'");
    line("set tics nomirror out textcolor rgb '#3D4753'");
    line("set grid lc rgb '#E3E8EE' lt 1 lw 1");
    title_ = options.title;
  }

  void line(const std::string& text) { text_ += text + '\n'; }

  void title() {
    if (!title_.empty()) line("set title " + plain_text(title_) + " noenhanced font ',15'");
  }
  /// Two panels side by side, and below them the names of the curves in their colours.
  void panels(const std::vector<std::string>& names) {
    const std::size_t columns = std::min<std::size_t>(names.size(), 4);
    const std::size_t rows = (names.size() + 3) / 4;
    line("set multiplot layout 1,2" +
         (title_.empty() ? "" : " title " + plain_text(title_) + " noenhanced font ',15'"));
    line("set tmargin at screen " + std::string(title_.empty() ? "0.95" : "0.89"));
    line("set bmargin at screen " + exact_text(0.18 + 0.06 * static_cast<double>(rows)));
    line("unset key");
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto column = static_cast<double>(i % columns);
      const double x = (column + 0.5) / static_cast<double>(columns);
      const double y = 0.035 + 0.06 * static_cast<double>(rows - 1 - i / 4);
      line("set label " + plain_text("━━ " + names[i]) + " at screen " + exact_text(x) + "," +
           exact_text(y) + " center noenhanced textcolor rgb '" + colour(i) + "'");
    }
  }
  void second_panel() { line("unset label"); }

  /// A block of data: the lines of `rows`.
  void data(const std::string& name, const std::string& rows) {
    text_ += "$" + name + " << END\n" + rows + "END\n";
  }

  [[nodiscard]] std::string draw() const {
    std::string svg = detail::run_program(op_, {"gnuplot", "gnuplot-nox", {"-"}}, text_);
    const std::string name = "<title>Gnuplot</title>";  // browsers show it under the mouse
    if (const std::size_t at = svg.find(name); at != std::string::npos) svg.erase(at, name.size());
    return svg;
  }

 private:
  const char* op_;
  std::string text_;
  std::string title_;
};

std::string draw_heat_map(const char* op, const TimeTable& table, HeatMapOf what,
                          const PlotOptions& options) {
  std::vector<std::size_t> columns;
  for (std::size_t c = 0; c < table.use_times.size(); ++c)
    if (table.use_times[c] != TimeTable::no_step) columns.push_back(c);
  if (columns.empty() || table.loss_times.empty())
    throw ArgumentError(op, "the table has no uses within time steps");
  double most = -std::numeric_limits<double>::infinity();
  double largest = 0;
  for (const double x : table.log_norms) most = std::max(most, x);
  for (const double x : table.shares) largest = std::max(largest, std::abs(x));
  if (largest == 0) largest = 1;
  const bool share = what == HeatMapOf::share;
  const double lowest = most - 30 * std::numbers::ln10;
  std::string rows;
  for (std::size_t r = 0; r < table.loss_times.size(); ++r) {
    for (const std::size_t c : columns) {
      const double log_norm = table.log_norm(r, c);
      const bool path = std::isfinite(log_norm);
      const double value =
          share ? (path ? table.share(r, c) : std::nan(""))
                : (log_norm >= lowest ? log_norm / std::numbers::ln10 : std::nan(""));
      rows += std::to_string(table.use_times[c]) + ' ' + std::to_string(table.loss_times[r]) + ' ' +
              (std::isfinite(value) ? exact_text(value) : "NaN") + '\n';
    }
    rows += '\n';
  }
  Script script(op, options, 620, 520);
  script.data("cells", rows);
  script.title();
  script.line("set xlabel 'use at step k'");
  script.line("set ylabel 'loss at step t'");
  script.line("set yrange [*:*] reverse");
  script.line("set autoscale xfix");
  script.line("set autoscale yfix");
  script.line("unset grid");
  script.line("set size ratio " +
              exact_text(std::clamp(static_cast<double>(table.loss_times.size()) /
                                        static_cast<double>(columns.size()),
                                    0.12, 1.5)));
  if (share) {
    script.line(
        "set palette defined (-1 '#0B4F8A', -0.3 '#7FB3DA', 0 '#F7F7F7', 0.3 '#F4A26B', "
        "1 '#B8400E')");
    script.line("set cbrange [" + exact_text(-largest) + ":" + exact_text(largest) + "]");
    script.line("set cblabel 'share of the gradient'");
  } else {
    script.line(
        "set palette defined (0 '#EEF3F8', 0.35 '#8FBBDD', 0.65 '#3A7FB5', 0.85 '#1D3F72', "
        "1 '#0B1E3F')");
    script.line("set format cb '10^{%g}'");
    script.line("set cblabel '‖w_t G[t,k]‖'");
  }
  script.line("plot $cells using 1:2:3 with image pixels notitle");
  return script.draw();
}

std::string draw_lag_curve(const char* op, const std::vector<NamedTable>& tables,
                           const PlotOptions& options) {
  if (tables.empty()) throw ArgumentError(op, "there are no tables");
  Script script(op, options, 880, 400);
  std::string norms = "plot ";
  std::string biases = "plot ";
  std::vector<std::string> names;
  bool any = false;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    names.push_back(tables[i].name);
    const std::string number = std::to_string(i);
    std::string rows;
    for (const LagPoint& point : tables[i].table.lag_curve()) {
      any |= std::isfinite(point.log_norm);
      rows += std::to_string(point.lag) + ' ' + datum(point.log_norm / std::numbers::ln10) + '\n';
    }
    script.data("norms" + number, rows);
    rows.clear();
    for (const TruncationBias& bias : tables[i].table.biases)
      rows += std::to_string(bias.window) + ' ' + datum(100 * bias.bias) + '\n';
    script.data("biases" + number, rows.empty() ? "0 ?\n" : rows);
    const std::string style = std::string(" with lines lw 2 lc rgb '") + colour(i) + "' notitle";
    norms += (i > 0 ? ", " : "") + ("$norms" + number) + " using 1:2" + style;
    biases += (i > 0 ? ", " : "") + ("$biases" + number) + " using 1:2" + style;
  }
  if (!any) throw ArgumentError(op, "all cells are zero");
  script.panels(names);
  script.line("set xlabel 'lag t − k'");
  script.line("set ylabel '‖w_t G[t,k]‖, mean over t'");
  script.line("set format y '10^{%g}'");
  script.line(norms);
  script.second_panel();
  script.line("set xlabel 'window K of truncated backpropagation'");
  script.line("set ylabel 'bias of the gradient'");
  script.line("set format y '%g %%'");
  script.line("set yrange [0:*]");
  script.line(biases);
  script.line("unset multiplot");
  return script.draw();
}

std::string draw_spectrum(const char* op, const std::vector<NamedSpectrum>& spectra,
                          const PlotOptions& options) {
  if (spectra.empty()) throw ArgumentError(op, "there are no spectra");
  Script script(op, options, 940, 420);
  std::string values = "plot 0 with lines lw 1 dt 2 lc rgb '#8793A0' notitle";
  std::string exponents = "plot 0 with lines lw 1 dt 2 lc rgb '#8793A0' notitle";
  std::vector<std::string> names;
  for (std::size_t i = 0; i < spectra.size(); ++i) {
    names.push_back(spectra[i].name);
    const StateSpectrum& spectrum = spectra[i].spectrum;
    const std::string number = std::to_string(i);
    std::string rows;
    for (const StateStep& step : spectrum.steps)
      rows += std::to_string(step.time) + ' ' + datum(std::log10(step.sigma_max())) + ' ' +
              datum(std::log10(step.spectral_radius)) + ' ' +
              datum(std::log10(std::max(step.sigma_min(), 1e-300))) + '\n';
    script.data("steps" + number, rows);
    rows.clear();
    for (std::size_t k = 0; k < spectrum.exponents.size(); ++k)
      rows += std::to_string(k + 1) + ' ' + datum(spectrum.exponents[k]) + '\n';
    script.data("exponents" + number, rows);
    const std::string shade = std::string(" lc rgb '") + colour(i) + "' ";
    const std::string curve = ", $steps" + number + " using 1:";
    values += curve + "2 with lines lw 2.2" + shade + "notitle";
    if (std::isfinite(spectrum.steps.at(0).spectral_radius))
      values += curve + "3 with lines lw 1.6 dt '-'" + shade + "notitle";
    values += curve + "4 with lines lw 1.2 dt '.'" + shade + "notitle";
    exponents += ", $exponents" + number + " using 1:2 with linespoints lw 1.4 pt 7 ps 0.35" +
                 shade + "notitle";
  }
  script.panels(names);
  script.line("set yrange [-8:*]");
  script.line("set xlabel 'step t'");
  script.line("set ylabel 'σ_{max} —   |λ|_{max} - -   σ_{min} ···   of ∂s_t/∂s_{t−1}'");
  script.line("set format y '10^{%g}'");
  script.line(values);
  script.line("set xlabel 'number'");
  script.line("set ylabel 'Lyapunov exponent, 1/step'");
  script.line("set format y '%g'");
  script.line("set yrange [*:*]");
  script.second_panel();
  script.line(exponents);
  script.line("unset multiplot");
  return script.draw();
}

void check_curve(const char* op, const Curve& curve) {
  if (curve.x.size() != curve.y.size())
    throw ArgumentError(op, "curve '" + curve.name + "' has " + std::to_string(curve.x.size()) +
                                " x and " + std::to_string(curve.y.size()) + " y");
  if (curve.colour < -1)
    throw ArgumentError(op, "curve '" + curve.name + "' has the colour " +
                                std::to_string(curve.colour) + ", which is below -1");
}

/// From the least to the greatest number.
struct Extent {
  double least = std::numeric_limits<double>::infinity();
  double greatest = -std::numeric_limits<double>::infinity();

  void add(double x) {
    least = std::min(least, x);
    greatest = std::max(greatest, x);
  }
  [[nodiscard]] std::string range() const {
    return "range [" + exact_text(least) + ":" + exact_text(greatest) + "]";
  }
};

/// Where a logarithmic axis has marks. Gnuplot has them at powers of ten only, too few for a loss
/// that goes from 3.5 to 1.5.
std::string log_ticks(const Extent& y) {
  const double ratio = y.greatest / y.least;
  if (!(ratio < 100)) return "";
  std::string marks;
  const auto mark = [&](double at) { marks += (marks.empty() ? "" : ", ") + exact_text(at); };
  const auto power = [](double x) { return std::pow(10.0, std::floor(std::log10(x))); };
  if (ratio > 10) {
    for (double decade = power(y.least); decade < y.greatest; decade *= 10)
      for (const int m : {1, 2, 5}) mark(m * decade);
  } else {
    const double least_step = (y.greatest - y.least) / 5;
    const double base = power(least_step);
    const double step = base * (least_step < 2 * base ? 2 : least_step < 5 * base ? 5 : 10);
    for (int k = 0; k < 8; ++k) mark((std::floor(y.least / step) + k) * step);
  }
  return "set ytics (" + marks + ")";
}

/// Gnuplot rounds the ranges outwards, but warns of an axis on which all is at one place.
void set_axes(Script& script, Extent x, Extent y, bool log_y) {
  const auto widen = [](Extent& extent) {
    const double size = std::max(std::abs(extent.least), std::abs(extent.greatest));
    const double margin = size == 0 ? 1 : size / 2;
    const bool flat = extent.greatest - extent.least <= 1e-9 * size;
    if (flat) extent = {extent.least - margin, extent.greatest + margin};
    return flat;
  };
  if (widen(x)) script.line("set x" + x.range());
  const bool flat = widen(y);
  if (log_y) {
    script.line("set logscale y");
    script.line("set format y '%h'");
    script.line(log_ticks(y));
    const double margin = std::pow(y.greatest / y.least, 0.05);
    y = {y.least / margin, y.greatest * margin};
  }
  if (flat || log_y) script.line("set y" + y.range());
}

/// The points of a curve as lines of data, and beside them those without a neighbour, which a line
/// does not show.
struct Points {
  std::string all;
  std::string alone;

  Points(const Curve& curve, bool log_y, Extent& x, Extent& y) {
    const auto drawn = [&](std::size_t i) {
      return i < curve.x.size() && std::isfinite(curve.x[i]) && std::isfinite(curve.y[i]) &&
             !(log_y && curve.y[i] <= 0);
    };
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (!drawn(i)) {
        all += "NaN NaN\n";
        continue;
      }
      x.add(curve.x[i]);
      y.add(curve.y[i]);
      const std::string row = exact_text(curve.x[i]) + ' ' + exact_text(curve.y[i]) + '\n';
      all += row;
      if (!drawn(i + 1) && (i == 0 || !drawn(i - 1))) alone += row;
    }
  }

  [[nodiscard]] bool any() const { return all.find_first_of("0123456789") != std::string::npos; }
};

/// What gnuplot is to draw of a curve, whose points it adds to the script.
std::string plot_of(Script& script, const Curve& curve, const Points& points, std::size_t i,
                    std::size_t longest_name) {
  const std::string number = std::to_string(i);
  const std::size_t shade = curve.colour < 0 ? i : static_cast<std::size_t>(curve.colour);
  const std::string style = std::string(" lc rgb '") + colour(shade) + "' ";
  script.data("curve" + number, points.all);
  std::string plot =
      "$curve" + number + " using 1:2 with lines lw 2" + style + (curve.dashed ? "dt (8,5) " : "") +
      (curve.name.empty() ? "notitle" : "title " + plain_text(curve.name, longest_name));
  if (points.alone.empty()) return plot;
  script.data("alone" + number, points.alone);
  return plot + ", $alone" + number + " using 1:2 with points pt 7 ps 0.4" + style + "notitle";
}

std::string draw_curves(const char* op, const std::vector<Curve>& curves,
                        const CurveOptions& options) {
  if (curves.empty()) throw ArgumentError(op, "there are no curves");
  constexpr unsigned width = 760;
  // Gnuplot must find room for the names, about 10 pixels a character beside their lines.
  const unsigned room = std::max(options.width ? options.width : width, 180U) - 100;
  const std::size_t longest_name = room / 10;
  Script script(op, {options.title, options.width, options.height}, width, 460);
  std::string plots;
  Extent x;
  Extent y;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    check_curve(op, curves[i]);
    const Points points(curves[i], options.log_y, x, y);
    if (!points.any()) continue;
    plots += (plots.empty() ? "plot " : ", ") + plot_of(script, curves[i], points, i, longest_name);
  }
  if (plots.empty()) throw ArgumentError(op, "no curve has a point that can be drawn");
  script.title();
  script.line(
      "set key below center horizontal Left reverse noenhanced height 0.6 samplen 3 "
      "textcolor rgb '#3D4753'");
  script.line("set xlabel " + plain_text(options.x_label) + " noenhanced offset 0,0.3");
  script.line("set ylabel " + plain_text(options.y_label) + " noenhanced");
  set_axes(script, x, y, options.log_y);
  script.line(plots);
  return script.draw();
}

}  // namespace

std::string heat_map_svg(const TimeTable& table, HeatMapOf what, const PlotOptions& options) {
  return draw_heat_map("heat_map_svg", table, what, options);
}
void save_heat_map(const TimeTable& table, const std::filesystem::path& path, HeatMapOf what,
                   const PlotOptions& options) {
  detail::check_ending("save_heat_map", path, detail::FileKind::svg);
  detail::write_text("save_heat_map", path, draw_heat_map("save_heat_map", table, what, options));
}

std::string lag_curve_svg(const std::vector<NamedTable>& tables, const PlotOptions& options) {
  return draw_lag_curve("lag_curve_svg", tables, options);
}
void save_lag_curve(const std::vector<NamedTable>& tables, const std::filesystem::path& path,
                    const PlotOptions& options) {
  detail::check_ending("save_lag_curve", path, detail::FileKind::svg);
  detail::write_text("save_lag_curve", path, draw_lag_curve("save_lag_curve", tables, options));
}

std::string spectrum_svg(const std::vector<NamedSpectrum>& spectra, const PlotOptions& options) {
  return draw_spectrum("spectrum_svg", spectra, options);
}
void save_spectrum(const std::vector<NamedSpectrum>& spectra, const std::filesystem::path& path,
                   const PlotOptions& options) {
  detail::check_ending("save_spectrum", path, detail::FileKind::svg);
  detail::write_text("save_spectrum", path, draw_spectrum("save_spectrum", spectra, options));
}

std::string curves_svg(const std::vector<Curve>& curves, const CurveOptions& options) {
  return draw_curves("curves_svg", curves, options);
}
void save_curves(const std::vector<Curve>& curves, const std::filesystem::path& path,
                 const CurveOptions& options) {
  detail::check_ending("save_curves", path, detail::FileKind::svg);
  detail::write_text("save_curves", path, draw_curves("save_curves", curves, options));
}

}  // namespace tapestry
