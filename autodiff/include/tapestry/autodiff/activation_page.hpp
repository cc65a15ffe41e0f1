// SPDX-License-Identifier: MIT
// Activations over text (Karpathy, Johnson and Fei-Fei 2015): what a unit does at each character or
// word, as the color behind it.
//
//   const Array<> c = result.gate("c");                       // (T, B, H)
//   save_activations(text, c, "cells.html", {.title = "Cells of layer 0"});
//
// The page stands alone: no network, no other file. A slider goes through all units.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "tapestry/autodiff/array.hpp"

namespace tapestry {

struct ActivationPageOptions {
  std::string title = {};               ///< plain text
  std::vector<std::size_t> units = {};  ///< shown at once; by default the six that vary most
  std::size_t sequence = 0;             ///< which of the B sequences
};

/// The page for T tokens and activations (T, H) or (T, B, H). Each unit has a color scale of its
/// own: blue below zero, orange above. ShapeError when there are not T tokens, or no units;
/// IndexError for a unit or sequence that does not exist.
template <class T>
[[nodiscard]] std::string activation_html(const std::vector<std::string>& tokens,
                                          const Array<T>& activations,
                                          const ActivationPageOptions& options = {});

/// The same, written to a file. FileError; ArgumentError when `path` has the ending of another kind
/// of file.
template <class T>
void save_activations(const std::vector<std::string>& tokens, const Array<T>& activations,
                      const std::filesystem::path& path, const ActivationPageOptions& options = {});

}  // namespace tapestry
