// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace tapestry {

/// What is drawn differently from the rest. What is not set stays as it is.
struct DotMark {
  std::string color = {};  ///< of the line or outline: "#B8400E"
  std::string fill = {};   ///< of a box
  double width = 0;        ///< of the line or outline, in points
  std::string note = {};   ///< a line below the label of a box, or beside an arrow
  bool faded = false;      ///< light, to make others stand out
};

/// What a tool adds to a drawing: marks for some of its boxes and arrows.
struct DotOverlay {
  /// By the number of the value on the tape. Where uses of a parameter, or the outputs of an op,
  /// share a box, the first mark for one of them counts.
  std::map<std::uint32_t, DotMark> values = {};

  /// By the number of the op's first output, and the input slot.
  std::map<std::pair<std::uint32_t, std::uint32_t>, DotMark> arrows = {};

  DotMark other_values = {};  ///< for the boxes that are not listed
  DotMark other_arrows = {};
  std::string title = {};  ///< above the drawing
};

}  // namespace tapestry
