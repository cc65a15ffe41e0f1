// SPDX-License-Identifier: MIT
// Array arithmetic that is too plain to be wrong, to compare the library with: one element at a
// time, found by its position. Sample arrays for tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tapestry::test {

using Extents = std::vector<std::size_t>;
using Position = std::vector<std::size_t>;
using Values = Array<double>;

inline Extents extents_of(const Values& a) { return {a.shape().begin(), a.shape().end()}; }

inline std::size_t count_of(const Extents& shape) {
  std::size_t n = 1;
  for (const std::size_t extent : shape) n *= extent;
  return n;
}

inline Values empty_array(const Extents& shape) {
  return Values(Values::shape_type(shape.begin(), shape.end()));
}

/// Calls `body(position)` for each position in an array of this shape, in row-major order.
template <class Body>
void for_each_position(const Extents& shape, const Body& body) {
  const std::size_t n = count_of(shape);
  for (std::size_t flat = 0; flat < n; ++flat) {
    Position position(shape.size());
    std::size_t left = flat;
    for (std::size_t i = shape.size(); i-- > 0; left /= shape[i]) position[i] = left % shape[i];
    body(position);
  }
}

/// The array whose element at each position is `value(position)`.
template <class Value>
Values filled(const Extents& shape, const Value& value) {
  Values result = empty_array(shape);
  std::size_t flat = 0;
  for_each_position(shape, [&](const Position& p) { result.data()[flat++] = value(p); });
  return result;
}

/// Element of `a`, broadcast: leading axes that it lacks, and axes of extent 1, do not matter.
inline double at(const Values& a, const Position& position) {
  const std::size_t lead = position.size() - a.dimension();
  std::size_t flat = 0;
  for (std::size_t i = 0; i < a.dimension(); ++i)
    flat = flat * a.shape()[i] + (a.shape()[i] == 1 ? 0 : position[lead + i]);
  return a.data()[flat];
}

inline Extents broadcast(const Extents& a, const Extents& b) {
  Extents result(std::max(a.size(), b.size()), 1);
  for (const Extents* shape : {&a, &b})
    for (std::size_t i = 0; i < shape->size(); ++i) {
      std::size_t& extent = result[result.size() - shape->size() + i];
      if ((*shape)[i] != 1) extent = (*shape)[i];
    }
  return result;
}

/// f(x), element by element.
template <class F>
Values mapped(const Values& x, const F& f) {
  return filled(extents_of(x), [&](const Position& p) { return f(at(x, p)); });
}

/// f(a, b), element by element, broadcast.
template <class F>
Values mapped(const Values& a, const Values& b, const F& f) {
  return filled(broadcast(extents_of(a), extents_of(b)),
                [&](const Position& p) { return f(at(a, p), at(b, p)); });
}

/// `reduce(values)` of the elements along the given axes, for each position of the other axes.
template <class Reduce>
Values reduced(const Values& x, const std::vector<std::size_t>& axes, bool keepdims,
               const Reduce& reduce) {
  const Extents shape = extents_of(x);
  Extents inner(shape.size(), 1);
  for (const std::size_t axis : axes) inner[axis] = shape[axis];
  Extents outer = shape;
  for (const std::size_t axis : axes) outer[axis] = 1;
  std::vector<double> results;
  for_each_position(outer, [&](const Position& o) {
    std::vector<double> values;
    for_each_position(inner, [&](const Position& i) {
      Position p(o);
      for (std::size_t k = 0; k < p.size(); ++k) p[k] += i[k];
      values.push_back(at(x, p));
    });
    results.push_back(reduce(values));
  });
  Extents final_shape;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    const bool gone = std::find(axes.begin(), axes.end(), k) != axes.end();
    if (!gone || keepdims) final_shape.push_back(outer[k]);
  }
  Values array = empty_array(final_shape);
  std::copy(results.begin(), results.end(), array.data());
  return array;
}

/// Numbers in [low, high); the same for the same arguments.
inline Values sample(const Extents& shape, double low, double high, std::uint64_t salt = 0) {
  Generator generator(1 + salt * 7919 + count_of(shape) * 31 + shape.size());
  Values result = empty_array(shape);
  for (double& x : result) x = generator.uniform(low, high);
  return result;
}

/// Numbers of either sign whose magnitude lies in [low, high).
inline Values signed_sample(const Extents& shape, double low, double high, std::uint64_t salt = 0) {
  Values result = sample(shape, low, high, salt);
  Generator generator(salt + 17);
  for (double& x : result)
    if (generator.uniform() < 0.5) x = -x;
  return result;
}

/// Numbers that lie at least `gap` apart, in random order.
inline Values distinct_sample(const Extents& shape, double gap, std::uint64_t salt = 0) {
  Values result = empty_array(shape);
  Generator generator(salt + 29);
  const std::size_t n = result.size();
  for (std::size_t i = 0; i < n; ++i)
    result.data()[i] = gap * (static_cast<double>(i) - static_cast<double>(n / 2));
  for (std::size_t i = n; i > 1; --i)
    std::swap(result.data()[i - 1], result.data()[generator.below(i)]);
  return result;
}

}  // namespace tapestry::test
