// SPDX-License-Identifier: MIT
// Initial values, drawn from `default_generator()`. A matrix is (O, I), rows for outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::layers {

/// An array of the given shape, each element `value`.
template <class T>
[[nodiscard]] Array<T> constant(const Shape& shape, double value);

/// An array of the given shape, each element uniform in [-bound, bound).
template <class T>
[[nodiscard]] Array<T> uniform(const Shape& shape, double bound);

/// An array of the given shape, each element normal with mean 0 and the given deviation.
template <class T>
[[nodiscard]] Array<T> normal(const Shape& shape, double deviation);

/// The factor by which a nonlinearity wants the deviation of its weights raised, as
/// torch.nn.init.calculate_gain: linear 1, sigmoid 1, tanh 5/3, relu √2, leaky_relu
/// √(2 / (1 + slope²)), selu 3/4. ArgumentError for another name.
[[nodiscard]] double calculate_gain(std::string_view nonlinearity, double slope = 0.01);

/// Glorot and Bengio 2010: uniform with deviation gain √(2 / (fan_in + fan_out)), that is, with
/// bound gain √(6 / (fan_in + fan_out)). As in PyTorch, fan_in is I, fan_out is O, each times the
/// extents of further axes, and of a matrix of several gates as a whole. ShapeError below rank 2.
template <class T>
[[nodiscard]] Array<T> xavier_uniform(const Shape& shape, double gain = 1);

/// The same deviation, normal.
template <class T>
[[nodiscard]] Array<T> xavier_normal(const Shape& shape, double gain = 1);

/// What keeps its size in a deep network: activations going forward, or gradients going back.
enum class Fan : std::uint8_t { in, out };

struct HeOptions {
  double gain = 1.4142135623730951;  ///< of relu: √2
  Fan fan = Fan::in;
};

/// He et al. 2015 (PyTorch's kaiming_uniform_): uniform with deviation gain / √fan, that is, with
/// bound gain √(3 / fan). Fans as above. ShapeError below rank 2.
template <class T>
[[nodiscard]] Array<T> he_uniform(const Shape& shape, HeOptions options = {});

/// The same deviation, normal.
template <class T>
[[nodiscard]] Array<T> he_normal(const Shape& shape, HeOptions options = {});

struct BlockOptions {
  double gain = 1;
  /// Number of blocks, one below the other, that the rows consist of, each initialised by itself:
  /// the gates of a recurrent layer, whose weights are (G·H, I) and (G·H, H).
  std::size_t blocks = 1;
};

/// Random orthogonal matrices (Saxe et al. 2014), times the gain: W Wᵀ = gain² I where a block has
/// no more rows than columns, WᵀW = gain² I otherwise. The Q of a QR decomposition of normal
/// numbers whose R has a positive diagonal, so that all orthogonal matrices are equally likely
/// (Mezzadri 2007). Axes beyond the second are taken as columns. ShapeError below rank 2 or when
/// the rows do not divide into the blocks.
template <class T>
[[nodiscard]] Array<T> orthogonal(const Shape& shape, BlockOptions options = {});

/// `gain` on the diagonal of each block, 0 elsewhere. With relu and biases of zero, a recurrent
/// layer with W_hh = I is an IRNN (Le et al. 2015). ShapeError unless of rank 2, or when the rows
/// do not divide into the blocks.
template <class T>
[[nodiscard]] Array<T> identity(const Shape& shape, BlockOptions options = {});

}  // namespace tapestry::layers
