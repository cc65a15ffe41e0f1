// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

struct Line {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

/// Lines over one pair of axes.
struct Chart {
  std::string title;
  std::string x;  ///< names of the axes
  std::string y;
  std::vector<Line> lines;
  bool logarithmic = false;  ///< the y axis
};

/// Draws a chart as SVG with gnuplot and says so in a line, or that there is no gnuplot.
void draw_chart(const Chart& chart, const std::filesystem::path& path);
