// SPDX-License-Identifier: MIT
#pragma once

namespace tapestry {

/// How many threads a large matrix product may use, for the whole program; small ones always run on
/// the calling thread. At least 1, which is the default: threads that wait for each other cost more
/// than they gain at the sizes of small recurrent models. Throws ArgumentError below 1.
/// Without OpenBLAS the BLAS decides for itself.
void set_num_threads(int count);

/// The number set, 1 at first.
[[nodiscard]] int num_threads();

}  // namespace tapestry
