// SPDX-License-Identifier: MIT
// What the tests of layers share.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "reference.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::test {

/// How far numbers may be from PyTorch's, relative to the largest of an array.
template <class T>
inline constexpr double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-11;

template <class T>
Array<T> zeros(std::initializer_list<std::size_t> shape) {
  Array<T> array;
  array.resize(std::vector<std::size_t>(shape));
  array.fill(T{0});
  return array;
}

/// Numbers in [-1, 1) that depend on the position only.
template <class T>
Array<T> sample(std::initializer_list<std::size_t> shape, std::uint64_t seed = 1) {
  Array<T> array = zeros<T>(shape);
  Generator generator(seed);
  std::generate_n(array.data(), array.size(),
                  [&] { return static_cast<T>(generator.uniform(-1, 1)); });
  return array;
}

/// The largest difference relative to the largest expected number.
template <class A, class B>
double relative_difference(const A& actual, const B& expected) {
  double largest = std::numeric_limits<double>::min();
  for (const auto value : expected)
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  return max_difference(actual, expected) / largest;
}

/// Expects the reference's array `name`.
template <class A>
void expect_reference(const A& actual, const ReferenceCase& c, const std::string& name) {
  using T = std::remove_cv_t<typename A::value_type>;
  BOOST_TEST(
      relative_difference(actual, c.array(name)) < tolerance<T>,
      c.name() << ", " << name << " differs by " << relative_difference(actual, c.array(name)));
}

/// Fills a layer with the reference's weights, which must be all it has, by name and shape.
template <class Layer>
void fill_from(const ReferenceCase& c, Layer& layer, std::size_t count) {
  using T = typename Layer::value_type;
  const auto named = named_parameters(layer);
  BOOST_REQUIRE_EQUAL(named.size(), count);
  for (const auto& [name, parameter] : named) {
    BOOST_REQUIRE_EQUAL(parameter->shape().str(), Shape(c.array<T>(name).shape()).str());
    parameter->value() = c.array<T>(name);
  }
}

/// Expects the reference's gradients of all parameters.
template <class Layer>
void expect_reference_gradients(Layer& layer, const ReferenceCase& c) {
  for (const auto& [name, parameter] : named_parameters(layer))
    expect_reference(parameter->grad(), c, "grad/" + name);
}

/// Backward from several results, weighted by the reference's cotangents.
template <class T>
void backward_from(Tape<T>& tape, const ReferenceCase& c, const std::vector<std::string>& names,
                   const std::vector<Variable<T>>& results) {
  std::vector<Array<T>> seeds;
  for (const auto& name : names) seeds.push_back(c.array<T>("cotangent/" + name));
  tape.backward(results, seeds);
}

/// Expects all numbers within [-bound, bound), and some near both ends.
template <class T>
void expect_uniform(const Array<T>& array, double bound) {
  const auto [low, high] = std::minmax_element(array.begin(), array.end());
  BOOST_TEST(*low >= static_cast<T>(-bound));
  BOOST_TEST(*high <= static_cast<T>(bound));
  BOOST_TEST(*low < -0.9 * bound);
  BOOST_TEST(*high > 0.9 * bound);
  double total = 0;
  for (const T value : array) total += static_cast<double>(value);
  BOOST_TEST(std::abs(total / static_cast<double>(array.size())) < 0.1 * bound);
}

}  // namespace tapestry::test
