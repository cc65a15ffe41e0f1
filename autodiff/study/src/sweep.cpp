// SPDX-License-Identifier: MIT
#include "sweep.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

namespace tapestry::detail {
namespace {

/// Gradients within these bounds are left as they are.
template <class T>
constexpr int safe_exponent = std::is_same_v<T, float> ? 48 : 400;

template <class T>
std::vector<Variable<T>> handles_of(TapeState<T>& state, std::span<const std::uint32_t> entries) {
  std::vector<Variable<T>> handles;
  for (const std::uint32_t entry : entries) handles.emplace_back(state, entry);
  return handles;
}

template <class T>
double largest(const T* data, std::size_t size) {
  T most = 0;
  for (std::size_t k = 0; k < size; ++k) most = std::max(most, std::abs(data[k]));
  return static_cast<double>(most);
}

}  // namespace

template <class T>
Sweep<T>::Sweep(TapeState<T>& state, std::string_view op, std::vector<std::uint32_t> targets,
                AtTarget at_target)
    : state_(state),
      op_(op),
      targets_(std::move(targets)),
      at_target_(at_target),
      handles_(handles_of<T>(state, targets_)),
      captured_(state, handles_),
      reached_(state.entries.size()) {
  std::vector<std::uint32_t> first_use(state.entries.size(), none);
  for (std::uint32_t k = 0; k < state.nodes.size(); ++k)
    for (std::uint32_t i = 0; i < state.nodes[k].input_count; ++i) {
      std::uint32_t& use = first_use[state.edges[state.nodes[k].first_input + i]];
      if (use == none) use = k;
    }
  for (std::uint32_t number = 0; number < targets_.size(); ++number) {
    reached_[targets_[number]] = true;
    const std::uint32_t node = state.entries[targets_[number]].node;
    const bool leaf = node == none;
    if (leaf && first_use[targets_[number]] == none) continue;
    events_.push_back({leaf ? first_use[targets_[number]] : node, leaf, number});
  }
  std::ranges::stable_sort(events_, [](const Event& a, const Event& b) {
    return a.node != b.node ? a.node > b.node : !a.after && b.after;
  });
  extend_reached(state, 0, reached_);
  for (const std::uint32_t target : targets_) low_ = std::min(low_, target);
}

template <class T>
void Sweep<T>::run(std::span<const SweepSeed<T>> seeds, const Read& read,
                   const std::vector<bool>& wanted) {
  read_ = &read;
  next_ = 0;
  exponent_ = 0;
  quiet_ = std::numeric_limits<double>::infinity();
  const RunningPass<T> running(state_, op_);
  BackwardPass<T> pass(state_, op_, reached_);
  bool any = false;
  for (const SweepSeed<T>& from : seeds) {
    if (!pass.needs(from.entry)) continue;
    any = true;
    high_ = std::max(high_, from.entry + 1);
    if (from.seed.empty()) {
      pass.seed(from.entry, nullptr);
    } else {
      const Shape& shape = state_.entries[from.entry].shape;
      Array<T> seed = Array<T>::from_shape(std::vector<std::size_t>(shape.begin(), shape.end()));
      std::ranges::copy(from.seed, seed.data());
      pass.seed(from.entry, &seed);
    }
  }
  std::uint32_t first = none;
  for (const Event& event : events_)
    if (wanted.empty() || wanted[event.number]) first = event.node;
  if (any && first != none) pass.run_watched(first, *this);
  drop_gradients();
}

template <class T>
void Sweep<T>::before_node(std::uint32_t node) {
  while (next_ < events_.size() &&
         (events_[next_].node > node || (events_[next_].node == node && !events_[next_].after))) {
    if (events_[next_].node == node) handle(events_[next_]);
    ++next_;
  }
}

template <class T>
void Sweep<T>::after_node(std::uint32_t index) {
  const Node<T> node = state_.nodes[index];
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    state_.release_grad(state_.entries[node.first_output + j]);
  for (; next_ < events_.size() && events_[next_].node == index; ++next_) handle(events_[next_]);
}

template <class T>
void Sweep<T>::handle(const Event& event) {
  Entry<T>& entry = state_.entries[targets_[event.number]];
  if (!state_.has_grad(entry)) return;
  const std::size_t size = entry.shape.size();
  (*read_)(event.number, std::span<const T>(entry.grad, size), exponent_);
  watch_scale(entry.grad, size);
  if (event.after || at_target_ == AtTarget::stop) state_.release_grad(entry);
}

template <class T>
void Sweep<T>::watch_scale(const T* gradient, std::size_t size) {
  const double most = largest(gradient, size);
  if (most == 0 || !std::isfinite(most)) return;
  const int exponent = std::ilogb(most);
  if (exponent > safe_exponent<T> || (exponent < -safe_exponent<T> && most < quiet_)) {
    quiet_ = most / 256;
    rescale();
  }
}

/// Brings the largest gradient that is still on its way to about 1.
template <class T>
void Sweep<T>::rescale() {
  double most = 0;
  const std::span on_the_way(state_.entries.data() + low_, high_ - low_);
  for (const Entry<T>& entry : on_the_way)
    if (entry.grad) most = std::max(most, largest(entry.grad, entry.shape.size()));
  if (most == 0 || !std::isfinite(most)) return;
  const int exponent = std::ilogb(most);
  if (std::abs(exponent) <= safe_exponent<T> / 2) return;
  for (const Entry<T>& entry : on_the_way)
    for (std::size_t k = 0; entry.grad && k < entry.shape.size(); ++k)
      entry.grad[k] = std::ldexp(entry.grad[k], -exponent);
  exponent_ += exponent;
  quiet_ = std::numeric_limits<double>::infinity();
}

template <class T>
void Sweep<T>::drop_gradients() {
  for (std::uint32_t index = low_; index < high_; ++index)
    state_.release_grad(state_.entries[index]);
  high_ = 0;
}

template class Sweep<float>;
template class Sweep<double>;

}  // namespace tapestry::detail
