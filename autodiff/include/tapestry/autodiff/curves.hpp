// SPDX-License-Identifier: MIT
// Curves as an SVG picture in one call. Gnuplot draws them: its program must be installed where a
// picture is made (Debian: gnuplot-nox), not where it is looked at.
//
//   save_curves({{"training", steps, losses}, {"validation", epochs, held_out}}, "loss.svg");
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tapestry {

struct PlotOptions {
  std::string title = {};  ///< plain text
  unsigned width = 0;      ///< pixels; 0: as fits the picture
  unsigned height = 0;
};

/// A line through the points (x[i], y[i]), in their order. What is not finite leaves a gap.
struct Curve {
  std::string name = {};  ///< in the legend; none there when it is empty
  std::vector<double> x = {};
  std::vector<double> y = {};
  bool dashed = false;
  int color = -1;  ///< the same for the same number, six in all; -1: by position
};

struct CurveOptions {
  std::string title = {};  ///< plain text, as the labels and the names
  unsigned width = 0;      ///< pixels; 0: as fits the picture
  unsigned height = 0;
  std::string x_label = {};
  std::string y_label = {};
  bool log_y = false;  ///< logarithmic; what is not positive leaves a gap
};

/// Curves in one picture, their legend below it. Throws FileError when gnuplot is missing
/// or fails, or the file cannot be written; ArgumentError when there is nothing to draw, the file
/// has the ending of another kind, as "loss.png" has, the x and y of a curve differ in number, or a
/// color is below -1.
[[nodiscard]] std::string curves_svg(const std::vector<Curve>& curves,
                                     const CurveOptions& options = {});
void save_curves(const std::vector<Curve>& curves, const std::filesystem::path& path,
                 const CurveOptions& options = {});

}  // namespace tapestry
