// SPDX-License-Identifier: MIT
// Scripts for gnuplot, which draws all curves and heat maps, and their common look.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tapestry/autodiff/curves.hpp"

namespace tapestry::detail {

/// The color of curve `i`; the seventh has that of the first.
[[nodiscard]] const char* shade_of(std::size_t i);

/// Text as a string of gnuplot; texts beyond `most` characters end in an ellipsis.
[[nodiscard]] std::string plain_text(const std::string& text, std::size_t most = 200);

/// A number of a data block; gnuplot leaves out a number that is not finite.
[[nodiscard]] std::string datum(double x);

class Script {
 public:
  /// `op` is what errors name. The picture has `width` by `height` pixels unless options say else.
  Script(const char* op, const PlotOptions& options, unsigned width, unsigned height);

  void line(const std::string& text) { text_ += text + '\n'; }
  void title();

  /// Two panels side by side, and below them the names of the curves in their colors.
  void panels(const std::vector<std::string>& names);
  void second_panel() { line("unset label"); }

  /// A block of data: the lines of `rows`.
  void data(const std::string& name, const std::string& rows);

  /// The picture as SVG. FileError.
  [[nodiscard]] std::string draw() const;

 private:
  const char* op_;
  std::string text_;
  std::string title_;
};

}  // namespace tapestry::detail
