// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "tapestry/autodiff/graph.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

/// A value of a tape as the study tools show it.
struct StudyValue {
  std::uint32_t id = 0;  ///< its number on the tape, as `Variable::index()`
  std::string name;      ///< given by the user or the model; may be empty
  std::string op;        ///< the op that computed it; empty for a leaf
  Shape shape;
  Role role = Role::op;
  std::int64_t step = -1;   ///< of the innermost time step around it; -1 outside of any
  std::int64_t layer = -1;  ///< of the innermost layer
  std::string place;        ///< the scopes around it but for the step: "lstm.layer 0"
};

}  // namespace tapestry
