// SPDX-License-Identifier: MIT
#include "draw_curves.hpp"

#include <iostream>

void draw_curves(const std::vector<tapestry::Curve>& curves, const std::filesystem::path& path,
                 const tapestry::CurveOptions& options) {
  std::cout.flush();
  try {
    tapestry::save_curves(curves, path, options);
    std::cerr << "Drawn in " << path.string() << '\n';
  } catch (const tapestry::FileError& error) {
    std::cerr << "Not drawn: " << error.what() << '\n';
  }
}
