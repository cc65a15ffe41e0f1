// SPDX-License-Identifier: MIT
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tapestry/autodiff/detail/op_info.hpp"

namespace tapestry {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, OpDescription, std::less<>> ops;
};

Registry& registry() {
  static Registry& instance = *new Registry();  // also there for destructors of static objects
  return instance;
}

}  // namespace

bool detail::register_op(std::string_view name, std::string_view formula, std::string_view shapes,
                         bool fused) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.ops.try_emplace(std::string(name), OpDescription{std::string(name), std::string(formula),
                                                       std::string(shapes), fused});
  return true;
}

std::vector<OpDescription> registered_ops() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<OpDescription> ops;
  for (const auto& [name, description] : all.ops) ops.push_back(description);
  return ops;
}

}  // namespace tapestry
