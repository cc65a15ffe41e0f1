// SPDX-License-Identifier: MIT
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tapestry/autodiff/detail/op_info.hpp"

namespace tapestry {
namespace {

struct Registry {
  std::mutex mutex;
  std::set<std::string, std::less<>> names;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

bool detail::register_op(std::string_view name) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.names.emplace(name);
  return true;
}

std::vector<std::string> registered_ops() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  return {all.names.begin(), all.names.end()};
}

}  // namespace tapestry
