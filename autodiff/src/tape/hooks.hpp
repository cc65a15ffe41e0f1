// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// Calls the hooks of entry `index` one after another; returns what the last of them made of the
/// gradient. Throws ShapeError, StaleVariable when one returns what cannot be the gradient.
template <class T>
Variable<T> call_hooks(TapeState<T>& state, std::uint32_t index, const Variable<T>& gradient);

/// Forgets the hooks that their owners have removed.
template <class T>
void drop_removed_hooks(TapeState<T>& state);

}  // namespace tapestry::detail
