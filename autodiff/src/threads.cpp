// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/threads.hpp"

#include <algorithm>
#include <string>
#include <thread>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/kernels/team.hpp"

namespace tapestry {

void set_num_threads(int count) {
  if (count < 1)
    throw ArgumentError("set_num_threads",
                        "the number of threads must be positive, not " + std::to_string(count));
  // More of them only wait for each other, and in the thousands other programs find none left.
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int most = std::max(16, 4 * processors);
  if (count > most)
    throw ArgumentError("set_num_threads", std::to_string(count) + " threads are too many for " +
                                               std::to_string(processors) +
                                               " processors: choose at most " +
                                               std::to_string(most));
  detail::use_threads(count);
}

int num_threads() { return detail::threads_in_use(); }

}  // namespace tapestry
