// SPDX-License-Identifier: MIT
#pragma once

#include <tapestry/autodiff.hpp>

#include <filesystem>
#include <vector>

/// Draws the curves and says where, or why not: without gnuplot there is no picture, and no more.
/// It says so on stderr, so that what an example prints is the same everywhere.
void draw_curves(const std::vector<tapestry::Curve>& curves, const std::filesystem::path& path,
                 const tapestry::CurveOptions& options);
