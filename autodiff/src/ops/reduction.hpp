// SPDX-License-Identifier: MIT
// What reductions over axes have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ops/library_op.hpp"

namespace tapestry::detail {

/// Calls `body(target index, x index)` for each element of `x`; `kept` has its rank.
template <class Body>
void for_each_pair(const Shape& kept, const Shape& full, const Body& body) {
  for (Runs<2> run(full, {&kept, &full}); run; run.next())
    for (std::size_t i = 0; i < run.count; ++i)
      body(run.offsets[0] + i * run.strides[0], run.offsets[1] + i * run.strides[1]);
}

inline OpAttributes axes_attribute(std::uint32_t set) {
  std::string axes;
  for (int i = 0; i < 32; ++i)
    if ((set >> i & 1) != 0) axes += (axes.empty() ? "" : ",") + std::to_string(i);
  return {{"axis", axes}};
}

/// Which axes a reduction is over, and whether they stay.
struct Reduce {
  static constexpr auto shapes = "(...) -> (...) without the axes, or with 1 in their place";
  std::uint32_t axes;
  bool keepdims;

  [[nodiscard]] Shape infer(const Shape& x) const { return reduced_shape(x, axes, keepdims); }
  [[nodiscard]] Shape kept(const Shape& x) const { return reduced_shape(x, axes, true); }
  [[nodiscard]] OpAttributes attributes() const { return axes_attribute(axes); }

  /// How many elements of an array of shape `x` go into each of the result.
  [[nodiscard]] double count(const Shape& x) const {
    double n = 1;
    for (std::size_t i = 0; i < x.rank(); ++i)
      if ((axes >> i & 1) != 0) n *= static_cast<double>(x[i]);
    return n;
  }

  /// A value shaped like the result, back in the shape of `x`.
  auto expanded(const auto& y, const Shape& x) const {
    return broadcast_to(reshape(y, kept(x)), x);
  }
};

/// The reductions that rules are written in, over axes given as a set.
template <class T>
Variable<T> sum_over(const Variable<T>& x, std::uint32_t axes);  // keeps the axes
template <class T>
Variable<T> mean_over(const Variable<T>& x, std::uint32_t axes);

/// Applies `Op{{axes, keepdims}}` after checking the axes.
template <class Op, class T>
Variable<T> apply_reduction(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return attempt(Op::name, x, [&] {
    return apply_op(Op{{axis_set(Op::name, axes, x.shape().rank()), keepdims}}, x);
  });
}

}  // namespace tapestry::detail
