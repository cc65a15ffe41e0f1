// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/gradient.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {
namespace detail {

template <class T>
using Segment = std::function<std::vector<Variable<T>>(std::span<const Variable<T>>)>;

template <class T>
std::vector<Variable<T>> checkpoint_segment(Segment<T> run, std::span<const Variable<T>> x);

/// What a segment may return: one variable, an array or a vector of them.
template <class T>
std::vector<Variable<T>> as_vector(Variable<T> y) {
  return {std::move(y)};
}
template <class T, std::size_t n>
std::vector<Variable<T>> as_vector(std::array<Variable<T>, n> y) {
  return {y.begin(), y.end()};
}
template <class T>
std::vector<Variable<T>> as_vector(std::vector<Variable<T>> y) {
  return y;
}

template <class Result>
struct SegmentResult {
  static Result from(std::vector<Result> y) { return std::move(y[0]); }
};
template <class T>
struct SegmentResult<std::vector<Variable<T>>> {
  static std::vector<Variable<T>> from(std::vector<Variable<T>> y) { return y; }
};
template <class T, std::size_t n>
struct SegmentResult<std::array<Variable<T>, n>> {
  static std::array<Variable<T>, n> from(std::vector<Variable<T>> y) {
    return as_list<n>(std::move(y));
  }
};

}  // namespace detail

/// f(x...), without its intermediate results: their memory is given back at once, and backward runs
/// `f` again to have them (as torch.utils.checkpoint). Values and gradients are the same to the
/// last bit: parameters watched within `f` receive their gradients, as do variables from outside
/// that it uses, and the default generator is put back for the second run, so that dropout repeats.
///
///   const auto block = [&model, bias](const auto& v) { return tanh(model.mix(v)) + bias; };
///   h = checkpoint(block, h);
///
/// `f` takes variables and returns one, or a `std::array` or `std::vector` of them. A copy of it is
/// kept, and called, as long as the result exists, so let it capture variables by value, and models
/// by reference only if they live as long; it must compute the same each time. Where nothing is
/// recorded, and on a tape that records primitive ops for study, this is just f(x...). Throws what
/// `f` throws; GradientError from backward when a second run gives results of other shapes.
template <class F, class T, class... Rest>
auto checkpoint(F f, const Variable<T>& x, const Rest&... rest) {
  using Result = std::remove_cvref_t<std::invoke_result_t<F&, const Variable<T>&, const Rest&...>>;
  const std::array<Variable<T>, 1 + sizeof...(Rest)> inputs{x, rest...};
  detail::Segment<T> run = [f = std::move(f)](std::span<const Variable<T>> v) mutable {
    return [&]<std::size_t... i>(std::index_sequence<i...>) {
      return detail::as_vector(f(v[i]...));
    }
    (std::make_index_sequence<1 + sizeof...(Rest)>{});
  };
  return detail::SegmentResult<Result>::from(
      detail::checkpoint_segment<T>(std::move(run), std::span<const Variable<T>>(inputs)));
}

}  // namespace tapestry
