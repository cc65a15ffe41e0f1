// SPDX-License-Identifier: MIT
#pragma once

namespace tapestry {

/// How many threads the library may use for one computation, for the whole program; small ones
/// always run on the calling thread alone. At least 1, which is the default. All results have the
/// same bits with any number of threads. The threads sleep while there is nothing to do. Where
/// several threads of the program compute at once, one of them gets their help. Throws
/// ArgumentError below 1, and above four for each processor or 16, whichever is more.
void set_num_threads(int count);

/// The number set, 1 at first.
[[nodiscard]] int num_threads();

}  // namespace tapestry
