// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// Puts all gradients of the tape aside while one pass computes others in their place, and makes
/// that pass keep the gradients with respect to `x` on the tape.
template <class T>
class GradientsAside {
 public:
  GradientsAside(TapeState<T>& state, std::span<const Variable<T>> x)
      : state_(state), pass_(state.pass) {
    const auto count = static_cast<std::uint32_t>(state.entries.size());
    for (std::uint32_t index = 0; index < count; ++index)
      if (state.entries[index].grad) gradients_.push_back(saved(index));
    for (const Variable<T>& v : x) leaves_.push_back(saved(v.index()));
    for (const Saved& before : gradients_) state.entries[before.index].grad = nullptr;
    for (const Variable<T>& v : x) {
      state.entries[v.index()].grad_outside = false;
      state.entries[v.index()].retain_grad = true;
    }
  }
  GradientsAside(const GradientsAside&) = delete;
  GradientsAside& operator=(const GradientsAside&) = delete;
  ~GradientsAside() {
    for (Entry<T>& entry : state_.entries) state_.release_grad(entry);
    for (const Saved& before : gradients_) {
      state_.entries[before.index].grad = before.grad;
      state_.entries[before.index].pass = before.pass;
    }
    for (const Saved& before : leaves_) {
      state_.entries[before.index].grad_outside = before.grad_outside;
      state_.entries[before.index].retain_grad = before.retain_grad;
    }
    state_.pass = pass_;
  }

 private:
  struct Saved {
    std::uint32_t index;
    T* grad;
    bool grad_outside;
    std::uint32_t pass;
    bool retain_grad;
  };
  [[nodiscard]] Saved saved(std::uint32_t index) const {
    const Entry<T>& entry = state_.entries[index];
    return {index, entry.grad, entry.grad_outside, entry.pass, entry.retain_grad};
  }

  TapeState<T>& state_;
  std::uint32_t pass_;  // the last one before
  std::vector<Saved> gradients_;
  std::vector<Saved> leaves_;
};

}  // namespace tapestry::detail
