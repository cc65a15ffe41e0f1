// SPDX-License-Identifier: MIT
// The cases of all ops.
#pragma once

#include "op_table/activations.hpp"
#include "op_table/elementwise.hpp"
#include "op_table/matrices.hpp"
#include "op_table/rearrangements.hpp"
#include "op_table/reductions.hpp"
#include "op_table/structure.hpp"

namespace tapestry::test {

inline const Cases& op_table() {
  static const Cases cases = [] {
    Cases all;
    for (const Cases& part : {elementwise_cases(), activation_cases(), reduction_cases(),
                              structure_cases(), rearrangement_cases(), matrix_cases()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return cases;
}

}  // namespace tapestry::test
