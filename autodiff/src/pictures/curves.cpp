// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/curves.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tapestry/autodiff/detail/gnuplot.hpp"
#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry {
namespace {

using detail::plain_text;
using detail::Script;
using detail::shade_of;

void check_curve(const char* op, const Curve& curve) {
  if (curve.x.size() != curve.y.size())
    throw ArgumentError(op, "curve '" + curve.name + "' has " + std::to_string(curve.x.size()) +
                                " x and " + std::to_string(curve.y.size()) + " y");
  if (curve.color < -1)
    throw ArgumentError(op, "curve '" + curve.name + "' has the color " +
                                std::to_string(curve.color) + ", which is below -1");
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
  const std::size_t shade = curve.color < 0 ? i : static_cast<std::size_t>(curve.color);
  const std::string style = std::string(" lc rgb '") + shade_of(shade) + "' ";
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

std::string curves_svg(const std::vector<Curve>& curves, const CurveOptions& options) {
  return draw_curves("curves_svg", curves, options);
}
void save_curves(const std::vector<Curve>& curves, const std::filesystem::path& path,
                 const CurveOptions& options) {
  detail::check_ending("save_curves", path, detail::FileKind::svg);
  detail::write_text("save_curves", path, draw_curves("save_curves", curves, options));
}

}  // namespace tapestry
