// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/gnuplot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "pictures/program.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/utf8.hpp"

namespace tapestry::detail {
namespace {

// After Okabe and Ito, 2008: stay apart for the color-blind.
constexpr std::array<const char*, 6> colors{"#0072B2", "#D55E00", "#009E73",
                                            "#CC79A7", "#56B4E9", "#E69F00"};

/// "\047" for an apostrophe.
std::string octal(char c) {
  const auto digit = [c](int shift) { return static_cast<char>('0' + (c >> shift & 7)); };
  return {'\\', digit(6), digit(3), digit(0)};
}

}  // namespace

const char* shade_of(std::size_t i) { return colors[i % colors.size()]; }

// A character that may have a meaning to gnuplot is written by its number: two apostrophes in a row
// end its other kind of string. So is a digit after such a number, which gnuplot takes for a part
// of it.
std::string plain_text(const std::string& text, std::size_t most) {
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

std::string datum(double x) { return std::isfinite(x) ? exact_text(x) : "?"; }

Script::Script(const char* op, const PlotOptions& options, unsigned width, unsigned height)
    : op_(op), title_(options.title) {
  line("set encoding utf8");
  line("set terminal svg size " + std::to_string(options.width ? options.width : width) + "," +
       std::to_string(options.height ? options.height : height) +
       " fixed enhanced background '#FFFFFF' font 'Helvetica,Arial,sans-serif,13'");
  line("set datafile missing '?'");
  line("set border 3 lc rgb '#6B7785'");
  line("set tics nomirror out textcolor rgb '#3D4753'");
  line("set grid lc rgb '#E3E8EE' lt 1 lw 1");
}

void Script::title() {
  if (!title_.empty()) line("set title " + plain_text(title_) + " noenhanced font ',15'");
}

void Script::panels(const std::vector<std::string>& names) {
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
         exact_text(y) + " center noenhanced textcolor rgb '" + shade_of(i) + "'");
  }
}

void Script::data(const std::string& name, const std::string& rows) {
  text_ += "$" + name + " << END\n" + rows + "END\n";
}

std::string Script::draw() const {
  std::string svg = run_program(op_, {"gnuplot", "gnuplot-nox", {"-"}}, text_);
  const std::string name = "<title>Gnuplot</title>";  // browsers show it under the mouse
  if (const std::size_t at = svg.find(name); at != std::string::npos) svg.erase(at, name.size());
  return svg;
}

}  // namespace tapestry::detail
