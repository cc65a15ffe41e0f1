// SPDX-License-Identifier: MIT
#include "tapestry/layers/init.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tapestry::layers {
namespace {

template <class T, class Draw>
Array<T> filled(const Shape& shape, const Draw& draw) {
  tapestry::detail::check_size("init", shape);
  Array<T> array(xt::dynamic_shape<std::size_t>(shape.begin(), shape.end()));
  std::generate_n(array.data(), array.size(), [&] { return static_cast<T>(draw()); });
  return array;
}

void check_matrix(const char* op, const Shape& shape) {
  if (shape.rank() < 2)
    throw ShapeError(op, "a matrix is needed, not an array of shape " + shape.str());
}

struct Fans {
  double in;
  double out;
};

Fans fans_of(const char* op, const Shape& shape) {
  check_matrix(op, shape);
  const auto further = static_cast<double>(shape.part(2, shape.rank()).size());
  return {static_cast<double>(shape[1]) * further, static_cast<double>(shape[0]) * further};
}

double xavier_deviation(const char* op, const Shape& shape, double gain) {
  const Fans fans = fans_of(op, shape);
  return gain * std::sqrt(2 / (fans.in + fans.out));
}

double he_deviation(const char* op, const Shape& shape, const HeOptions& options) {
  const Fans fans = fans_of(op, shape);
  return options.gain / std::sqrt(options.fan == Fan::in ? fans.in : fans.out);
}

/// The rows of each block.
std::size_t block_rows(const char* op, const Shape& shape, std::size_t blocks) {
  check_matrix(op, shape);
  if (blocks == 0 || shape[0] % blocks != 0)
    throw ShapeError(op, "the rows of " + shape.str() + " do not divide into " +
                             std::to_string(blocks) + " blocks");
  return shape[0] / blocks;
}

using Vector = std::vector<double>;

/// Makes `v` orthogonal to the vectors before it and of length 1. One pass of Gram-Schmidt may
/// leave a rest of rounding errors; two do not (Giraud et al. 2005).
void orthonormalise(Vector& v, const std::vector<Vector>& before) {
  for (int pass = 0; pass < 2; ++pass)
    for (const Vector& u : before) {
      const double along = std::inner_product(v.begin(), v.end(), u.begin(), 0.0);
      for (std::size_t i = 0; i < v.size(); ++i) v[i] -= along * u[i];
    }
  const double length = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
  for (double& x : v) x /= length;
}

/// `count` orthonormal vectors of normal numbers; count <= size.
std::vector<Vector> orthonormal(std::size_t count, std::size_t size) {
  Generator& generator = default_generator();
  std::vector<Vector> vectors;
  for (std::size_t k = 0; k < count; ++k) {
    Vector v(size);
    for (double& x : v) x = generator.normal();
    orthonormalise(v, vectors);
    vectors.push_back(std::move(v));
  }
  return vectors;
}

}  // namespace

double calculate_gain(std::string_view nonlinearity, double slope) {
  if (nonlinearity == "linear" || nonlinearity == "sigmoid") return 1;
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::numbers::sqrt2;
  if (nonlinearity == "leaky_relu") return std::sqrt(2 / (1 + slope * slope));
  if (nonlinearity == "selu") return 0.75;
  throw ArgumentError("calculate_gain",
                      "no gain is known for '" + std::string(nonlinearity) +
                          "', only for linear, sigmoid, tanh, relu, leaky_relu and selu");
}

template <class T>
Array<T> constant(const Shape& shape, double value) {
  return filled<T>(shape, [&] { return value; });
}

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

// A uniform distribution in [-b, b) has deviation b / √3.

template <class T>
Array<T> xavier_uniform(const Shape& shape, double gain) {
  return uniform<T>(shape, std::numbers::sqrt3 * xavier_deviation("xavier_uniform", shape, gain));
}

template <class T>
Array<T> xavier_normal(const Shape& shape, double gain) {
  return normal<T>(shape, xavier_deviation("xavier_normal", shape, gain));
}

template <class T>
Array<T> he_uniform(const Shape& shape, HeOptions options) {
  return uniform<T>(shape, std::numbers::sqrt3 * he_deviation("he_uniform", shape, options));
}

template <class T>
Array<T> he_normal(const Shape& shape, HeOptions options) {
  return normal<T>(shape, he_deviation("he_normal", shape, options));
}

template <class T>
Array<T> orthogonal(const Shape& shape, BlockOptions options) {
  const std::size_t rows = block_rows("orthogonal", shape, options.blocks);
  const std::size_t columns = shape.part(1, shape.rank()).size();
  const bool wide = rows <= columns;
  Array<T> array = constant<T>(shape, 0);
  for (std::size_t b = 0; b < options.blocks; ++b) {
    const auto q = wide ? orthonormal(rows, columns) : orthonormal(columns, rows);
    T* block = array.data() + b * rows * columns;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j)
        block[i * columns + j] = static_cast<T>(options.gain * (wide ? q[i][j] : q[j][i]));
  }
  return array;
}

template <class T>
Array<T> identity(const Shape& shape, BlockOptions options) {
  const std::size_t rows = block_rows("identity", shape, options.blocks);
  if (shape.rank() != 2)
    throw ShapeError("identity", "a matrix is needed, not an array of shape " + shape.str());
  Array<T> array = constant<T>(shape, 0);
  for (std::size_t i = 0; i < shape[0]; ++i)
    if (i % rows < shape[1]) array(i, i % rows) = static_cast<T>(options.gain);
  return array;
}

TAPESTRY_INSTANTIATE(constant, uniform, normal, xavier_uniform, xavier_normal, he_uniform,
                     he_normal, orthogonal, identity)

}  // namespace tapestry::layers
