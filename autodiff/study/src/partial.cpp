// SPDX-License-Identifier: MIT
#include "tapestry/study/partial.hpp"

#include <algorithm>
#include <string>

#include "sweep.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace {

using detail::Numbers;
using detail::Record;

/// Row by row, from the paths along the kept edges.
template <class T>
Array<T> derivative(std::string_view op, const Record<T>& record, const std::vector<bool>& kept) {
  Shape shape = record.to_shape();
  const Shape by = record.from_shape();
  const std::size_t rows = shape.size();
  if (shape.rank() + by.rank() > Shape::max_rank)
    throw ShapeError(op, "derivatives of " + shape.str() + " by " + by.str() +
                             " would have more than " + std::to_string(Shape::max_rank) + " axes");
  for (const std::size_t extent : by) shape.push_back(extent);
  Numbers<T> elements(shape.size());
  for (std::size_t j = 0; j < rows; ++j) {
    Numbers<T> one(rows);
    one[j] = T{1};
    const Numbers<T> row = gradient_of(record, kept, one);
    std::ranges::copy(row, elements.begin() + static_cast<std::ptrdiff_t>(j * by.size()));
  }
  return detail::to_array(elements, shape);
}

/// All edges but those that leave a value which is held constant.
template <class T, class Held>
std::vector<bool> edges_without(const Record<T>& record, const Held& held) {
  std::vector<bool> kept(record.edges().size());
  for (std::size_t e = 0; e < kept.size(); ++e) {
    const std::uint32_t from = record.edges()[e].from;
    kept[e] = record.is_source(from) || !held(from);
  }
  return kept;
}

}  // namespace

template <class T>
Array<T> partial(const Variable<T>& y, const Source<std::type_identity_t<T>>& x) {
  const Record<T> record("partial", x, y);
  const auto named = [&](std::uint32_t node) { return record.is_named(node); };
  return derivative("partial", record, edges_without(record, named));
}

template <class T>
Array<T> partial(const Variable<T>& y, const Source<std::type_identity_t<T>>& x,
                 std::span<const Variable<T>> held) {
  const Record<T> record("partial", x, y);
  std::vector<bool> is_held(record.size());
  for (const Variable<T>& v : held)
    if (const std::uint32_t node = record.find("partial", v); node != detail::none)
      is_held[node] = true;
  return derivative("partial", record,
                    edges_without(record, [&](std::uint32_t node) { return is_held[node]; }));
}

template <class T>
Array<T> total(const Variable<T>& y, const Source<std::type_identity_t<T>>& x) {
  const Record<T> record("total", x, y);
  return derivative("total", record, record.everything());
}

TAPESTRY_INSTANTIATE_AS((Array<T>(const Variable<T>&, const Source<T>&)), partial, total)
TAPESTRY_INSTANTIATE_AS((Array<T>(const Variable<T>&, const Source<T>&,
                                  std::span<const Variable<T>>)),
                        partial)

}  // namespace tapestry
