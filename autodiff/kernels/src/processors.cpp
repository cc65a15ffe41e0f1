// SPDX-License-Identifier: MIT
#include "processors.hpp"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace tapestry::detail {

#if defined(__linux__)

struct Processors::Allowed {
  cpu_set_t set;
};

Processors::Processors() : allowed_(std::make_unique<Allowed>()) {
  // It fails where there are more processors than a cpu_set_t can name.
  if (sched_getaffinity(0, sizeof(allowed_->set), &allowed_->set) != 0) allowed_.reset();
}

void Processors::keep_off_this(std::vector<std::thread>& workers) {
  if (!allowed_) return;
  const int here = sched_getcpu();
  if (here < 0 || here == avoided_) return;
  avoided_ = here;
  cpu_set_t others = allowed_->set;
  CPU_CLR(static_cast<std::size_t>(here), &others);
  if (CPU_COUNT(&others) == 0) return;
  for (std::thread& worker : workers)
    pthread_setaffinity_np(worker.native_handle(), sizeof(others), &others);
}

#else

struct Processors::Allowed {};
Processors::Processors() = default;
void Processors::keep_off_this(std::vector<std::thread>&) {}

#endif

Processors::~Processors() = default;

}  // namespace tapestry::detail
