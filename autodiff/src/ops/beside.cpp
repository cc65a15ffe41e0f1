// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/ops/beside.hpp"

#include <algorithm>

#include "tapestry/autodiff/detail/instantiate.hpp"

namespace tapestry::detail {

template <class T>
Variable<T> constant_beside(const char* op, const Variable<T>& x, const ArrayLike<T>& numbers,
                            bool fill) {
  const bool spread = fill && numbers.is_number();
  const Shape shape = spread ? x.shape() : numbers.shape(op);
  TapeState<T>& state = x.state(op);
  const std::uint32_t index = state.add_leaf(shape, Role::constant, false, {});
  T* data = state.entries[index].data;
  if (spread && shape.size() == 0) return {state, index};
  numbers.write(data);
  if (spread) std::fill_n(data, shape.size(), *data);
  return {state, index};
}

TAPESTRY_INSTANTIATE(constant_beside)

}  // namespace tapestry::detail
