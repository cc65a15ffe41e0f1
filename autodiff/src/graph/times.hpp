// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/states.hpp"

namespace tapestry::detail {

/// The time step that a scope is in; `no_step` if in none.
template <class T>
std::int64_t time_of(const TapeState<T>& state, std::uint32_t scope) {
  for (; scope != 0; scope = state.scopes[scope].parent)
    if (state.scopes[scope].kind == ScopeKind::step) return state.scopes[scope].number;
  return no_step;
}

}  // namespace tapestry::detail
