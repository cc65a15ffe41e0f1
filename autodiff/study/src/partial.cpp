// SPDX-License-Identifier: MIT
#include "tapestry/study/partial.hpp"

#include <algorithm>
#include <string>

#include "tapestry/autodiff/error.hpp"
#include "view.hpp"

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
  std::vector<bool> source(record.size());
  for (const std::uint32_t node : record.sources()) source[node] = true;
  std::vector<bool> kept(record.edges().size());
  for (std::size_t e = 0; e < kept.size(); ++e) {
    const std::uint32_t from = record.edges()[e].from;
    kept[e] = source[from] || !held(from);
  }
  return kept;
}

template <class T>
Array<T> immediate(std::span<const Variable<T>> x, const Variable<T>& y) {
  const Record<T> record("partial", x, y);
  const auto named = [&](std::uint32_t node) { return record.is_named(node); };
  return derivative("partial", record, edges_without(record, named));
}

template <class T>
Array<T> whole(std::span<const Variable<T>> x, const Variable<T>& y) {
  const Record<T> record("total", x, y);
  return derivative("total", record, std::vector<bool>(record.edges().size(), true));
}

}  // namespace

template <class T>
Array<T> partial(const Variable<T>& y, const Variable<T>& x) {
  return immediate(std::span<const Variable<T>>(&x, 1), y);
}

template <class T>
Array<T> partial(const Variable<T>& y, const Variable<T>& x, std::span<const Variable<T>> held) {
  for (const Variable<T>& v : held)
    if (&v.state("partial") != &y.state("partial")) y.state("partial").throw_foreign("partial");
  const Record<T> record("partial", std::span<const Variable<T>>(&x, 1), y);
  const auto is_held = [&](std::uint32_t node) {
    return std::ranges::any_of(held,
                               [&](const Variable<T>& v) { return v.index() == record.id(node); });
  };
  return derivative("partial", record, edges_without(record, is_held));
}

template <class T>
Array<T> partial(const Variable<T>& y, const Parameter<T>& x) {
  return immediate(std::span<const Variable<T>>(detail::uses_of("partial", x, y)), y);
}

template <class T>
Array<T> total(const Variable<T>& y, const Variable<T>& x) {
  return whole(std::span<const Variable<T>>(&x, 1), y);
}

template <class T>
Array<T> total(const Variable<T>& y, const Parameter<T>& x) {
  return whole(std::span<const Variable<T>>(detail::uses_of("total", x, y)), y);
}

template Array<float> partial(const Variable<float>&, const Variable<float>&);
template Array<double> partial(const Variable<double>&, const Variable<double>&);
template Array<float> partial(const Variable<float>&, const Variable<float>&,
                              std::span<const Variable<float>>);
template Array<double> partial(const Variable<double>&, const Variable<double>&,
                               std::span<const Variable<double>>);
template Array<float> partial(const Variable<float>&, const Parameter<float>&);
template Array<double> partial(const Variable<double>&, const Parameter<double>&);
template Array<float> total(const Variable<float>&, const Variable<float>&);
template Array<double> total(const Variable<double>&, const Variable<double>&);
template Array<float> total(const Variable<float>&, const Parameter<float>&);
template Array<double> total(const Variable<double>&, const Parameter<double>&);

}  // namespace tapestry
