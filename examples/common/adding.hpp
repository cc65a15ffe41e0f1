// SPDX-License-Identifier: MIT
// The data of the adding problem (Hochreiter and Schmidhuber 1997): of many random numbers two are
// marked, one in each half, and their sum is asked for.
#pragma once

#include <tapestry/tapestry.hpp>

#include <cstddef>

struct AddingBatch {
  tapestry::Array<float> x;       ///< (T, B, 2): a number, and 1 where it is marked
  tapestry::Array<float> target;  ///< (B)
};

/// `size` sequences (B) of `length` steps (T).
AddingBatch draw_adding(std::size_t length, std::size_t size, tapestry::Generator& random);
