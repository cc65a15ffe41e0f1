// SPDX-License-Identifier: MIT
#include "chart.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

namespace {

// After Okabe and Ito, 2008: stay apart for the colour-blind.
constexpr std::array<const char*, 6> colours{"#0072B2", "#D55E00", "#009E73",
                                             "#CC79A7", "#56B4E9", "#E69F00"};

std::string script_of(const Chart& chart, const std::string& path) {
  std::ostringstream script;
  script << "set encoding utf8\nset terminal svg size 640,400 fixed background '#FFFFFF' "
            "font 'Helvetica,Arial,sans-serif,13'\nset output '"
         << path << "'\nset border 3 lc rgb '#6B7785'\nset tics nomirror\n"
         << "set grid lc rgb '#E3E8EE' lt 1 lw 1\nset key outside bottom center horizontal "
            "noenhanced\n"
         << "set title \"" << chart.title << "\" noenhanced font ',15'\nset xlabel '" << chart.x
         << "'\nset ylabel '" << chart.y << "'\n";
  if (chart.logarithmic) script << "set logscale y\nset format y '10^{%L}'\n";
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    script << "$line" << i << " << END\n";
    const Line& line = chart.lines[i];
    for (std::size_t k = 0; k < line.x.size(); ++k)
      if (std::isfinite(line.y[k])) script << line.x[k] << ' ' << line.y[k] << '\n';
    script << "END\n";
  }
  script << "plot ";
  for (std::size_t i = 0; i < chart.lines.size(); ++i)
    script << (i > 0 ? ", " : "") << "$line" << i << " with linespoints pt 7 ps 0.5 lw 2 lc rgb '"
           << colours[i % colours.size()] << "' title '" << chart.lines[i].name << "'";
  script << '\n';
  return script.str();
}

}  // namespace

void draw_chart(const Chart& chart, const std::filesystem::path& path) {
  const std::filesystem::path script = path.string() + ".gnuplot";
  std::ofstream(script) << script_of(chart, path.string());
  const int failed = std::system(("gnuplot '" + script.string() + "'").c_str());
  if (failed != 0) {
    std::cout << "To be drawn by gnuplot: " << script.string() << '\n';
    return;
  }
  std::filesystem::remove(script);
  std::cout << "Drawn in " << path.string() << '\n';
}
