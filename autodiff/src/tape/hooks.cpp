// SPDX-License-Identifier: MIT
#include "tape/hooks.hpp"

#include <functional>
#include <vector>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/op.hpp"

namespace tapestry::detail {

template <class T>
Variable<T> call_hooks(TapeState<T>& state, std::uint32_t index, const Variable<T>& gradient) {
  // A hook may register another, or remove one: what runs is settled before.
  const auto found = state.hooks.find(index);
  if (found == state.hooks.end()) return gradient;
  const std::vector<GradientHook<T>> hooks = found->second;
  Variable<T> current = gradient;
  for (const GradientHook<T>& hook : hooks) {
    if (!*hook.active) continue;
    const Variable<T> returned = hook.call(current);
    if (!returned.valid()) continue;
    static_cast<void>(operand("register_hook", state, returned));
    if (!(returned.shape() == current.shape()))
      throw ShapeError("register_hook", "a hook of '" + state.display_name(index) +
                                            "' returned a gradient of shape " +
                                            returned.shape().str() + ", not " +
                                            current.shape().str());
    current = returned;
  }
  return current;
}

template <class T>
void drop_removed_hooks(TapeState<T>& state) {
  const auto removed = [](const GradientHook<T>& hook) { return !*hook.active; };
  for (auto& [entry, hooks] : state.hooks) std::erase_if(hooks, removed);
  std::erase_if(state.hooks, [](const auto& of_entry) { return of_entry.second.empty(); });
}

TAPESTRY_INSTANTIATE(call_hooks, drop_removed_hooks)

}  // namespace tapestry::detail
