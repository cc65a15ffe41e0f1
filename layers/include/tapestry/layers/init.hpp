// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::layers {

/// An array of the given shape, each element uniform in [-bound, bound), from
/// `default_generator()`.
template <class T>
[[nodiscard]] Array<T> uniform(const Shape& shape, double bound);

/// An array of the given shape, each element normal with mean 0 and the given deviation, from
/// `default_generator()`.
template <class T>
[[nodiscard]] Array<T> normal(const Shape& shape, double deviation);

}  // namespace tapestry::layers
