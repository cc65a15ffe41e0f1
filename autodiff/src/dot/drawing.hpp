// SPDX-License-Identifier: MIT
// What gets drawn, and how it hangs together, before it is put into words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "dot/rolling.hpp"
#include "tapestry/autodiff/dot.hpp"
#include "tapestry/autodiff/graph.hpp"

namespace tapestry::detail {

inline constexpr std::uint32_t no_box = std::numeric_limits<std::uint32_t>::max();

/// A box of the drawing: a value, all uses of a parameter, or an op with all its outputs.
struct Box {
  std::uint32_t node = 0;   // position of the first value in it
  std::uint32_t scope = 0;  // the cluster it is in
  std::uint32_t count = 1;  // of outputs; they follow one another
  bool cut = false;         // some of its inputs are left out
};

enum class ArrowKind : std::uint8_t {
  plain,
  recurrent,  // from one time step to another
  shared,     // from a leaf that is used again and again, such as a weight
};

struct Arrow {
  std::uint32_t from = 0;  // boxes
  std::uint32_t to = 0;
  std::uint32_t output = 0;  // which of the values in the box `from`
  std::uint32_t slot = 0;
  ArrowKind kind = ArrowKind::plain;
  bool again = false;              // not the first use of a shared leaf
  bool back = false;               // to the next of the steps that are rolled up in one
  std::uint32_t joint = no_joint;  // of the bus that it is a part of

  static constexpr std::uint32_t no_joint = std::numeric_limits<std::uint32_t>::max();
};

/// A point of a bus, the line that stands for long arrows to one box, or from one.
struct Joint {
  std::uint32_t arrow = 0;  // the first that meets the bus here
  std::uint32_t bus = 0;    // the joints of a bus follow one another
  std::uint32_t scope = 0;  // the cluster it is in
  std::uint32_t rank = 0;   // of the other end of that arrow, by the longest way to it
  bool into = false;        // the bus leads to the box
};

/// Tells the layout that a box comes after another; not to be seen.
struct Guide {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};

struct Drawing {
  std::vector<Box> boxes;     // in the order of the tape
  std::vector<Arrow> arrows;  // by the box they end at
  std::vector<Guide> guides;
  std::vector<Joint> joints;
  std::vector<Roll> rolls;
  std::size_t left_out = 0;  // boxes that did not fit
  bool to_the_right = false;
};

/// Chooses what to draw.
[[nodiscard]] Drawing make_drawing(const Graph& graph, const DotOptions& options);

/// The innermost scope that is around both.
[[nodiscard]] std::uint32_t common_scope(const Graph& graph, std::uint32_t a, std::uint32_t b);

}  // namespace tapestry::detail
