// SPDX-License-Identifier: MIT
#include "tapestry/layers/init.hpp"

#include <algorithm>

#include "tapestry/autodiff/random.hpp"

namespace tapestry::layers {
namespace {

template <class T, class Draw>
Array<T> filled(const Shape& shape, const Draw& draw) {
  Array<T> array(xt::dynamic_shape<std::size_t>(shape.begin(), shape.end()));
  std::generate_n(array.data(), array.size(), [&] { return static_cast<T>(draw()); });
  return array;
}

}  // namespace

template <class T>
Array<T> uniform(const Shape& shape, double bound) {
  Generator& generator = default_generator();
  return filled<T>(shape, [&] { return generator.uniform(-bound, bound); });
}

template <class T>
Array<T> normal(const Shape& shape, double deviation) {
  Generator& generator = default_generator();
  return filled<T>(shape, [&] { return deviation * generator.normal(); });
}

template Array<float> uniform(const Shape&, double);
template Array<double> uniform(const Shape&, double);
template Array<float> normal(const Shape&, double);
template Array<double> normal(const Shape&, double);

}  // namespace tapestry::layers
