// SPDX-License-Identifier: MIT
// The same value with another gradient.
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// x as a constant: no gradient flows back through it. No copy.
template <class T>
Variable<T> stop_gradient(const Variable<T>& x) {
  return x.detach();
}

/// x itself going forward; its gradient is multiplied by `factor` going back. A negative factor
/// reverses it. No copy. ArgumentError when the factor is not finite.
template <class T>
Variable<T> scale_gradient(const Variable<T>& x, double factor);

}  // namespace tapestry
