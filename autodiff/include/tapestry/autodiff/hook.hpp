// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

namespace tapestry {

/// What `Variable::register_hook` returns: the way to take the hook away again. Dropping it changes
/// nothing.
class Hook {
 public:
  Hook() = default;

  /// For the engine.
  explicit Hook(std::weak_ptr<bool> active) : active_(std::move(active)) {}

  /// From now on the hook is not called. Does nothing when it is gone already, with its tape or
  /// the values on it.
  void remove() const {
    if (const std::shared_ptr<bool> active = active_.lock()) *active = false;
  }

 private:
  std::weak_ptr<bool> active_;
};

}  // namespace tapestry
