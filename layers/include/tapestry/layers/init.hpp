// SPDX-License-Identifier: MIT
// Initial values. Random ones come from `default_generator()`. A matrix is (O, I): its rows belong
// to the outputs.
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

/// The factor by which the deviation of the weights before a nonlinearity should be raised, as
/// torch.nn.init.calculate_gain: linear 1, sigmoid 1, tanh 5/3, relu √2, leaky_relu
/// √(2 / (1 + slope²)), selu 3/4. Throws ArgumentError for another name.
[[nodiscard]] double calculate_gain(std::string_view nonlinearity, double slope = 0.01);

/// Glorot and Bengio 2010: uniform with deviation gain √(2 / (fan_in + fan_out)), that is, with
/// bound gain √(6 / (fan_in + fan_out)). As in PyTorch, fan_in is I and fan_out is O, each times
/// the extents of further axes; a matrix of several gates counts as a whole. Throws ShapeError
/// below rank 2.
template <class T>
[[nodiscard]] Array<T> xavier_uniform(const Shape& shape, double gain = 1);

/// Normal with the same deviation.
template <class T>
[[nodiscard]] Array<T> xavier_normal(const Shape& shape, double gain = 1);

/// Which numbers keep their size in a deep network: with `in` the activations on the way forward,
/// with `out` the gradients on the way back.
enum class Fan : std::uint8_t { in, out };

struct HeOptions {
  double gain = 1.4142135623730951;  ///< the gain of relu: √2
  Fan fan = Fan::in;
};

/// He et al. 2015 (PyTorch's kaiming_uniform_): uniform with deviation gain / √fan, that is, with
/// bound gain √(3 / fan). Fans are as above. Throws ShapeError below rank 2.
template <class T>
[[nodiscard]] Array<T> he_uniform(const Shape& shape, HeOptions options = {});

/// Normal with the same deviation.
template <class T>
[[nodiscard]] Array<T> he_normal(const Shape& shape, HeOptions options = {});

struct BlockOptions {
  double gain = 1;
  /// The number of blocks, one below the other, into which the rows are divided. Each block is
  /// initialised by itself. A recurrent layer has G gates: its weights are (G·H, I) and (G·H, H).
  std::size_t blocks = 1;
};

/// Random orthogonal matrices (Saxe et al. 2014), times the gain: W Wᵀ = gain² I if a block has no
/// more rows than columns, WᵀW = gain² I otherwise. A block is the Q of a QR decomposition of
/// normal numbers whose R has a positive diagonal, so all orthogonal matrices are equally likely
/// (Mezzadri 2007). Axes beyond the second count as columns. Throws ShapeError below rank 2, and
/// when the rows do not divide into the blocks.
template <class T>
[[nodiscard]] Array<T> orthogonal(const Shape& shape, BlockOptions options = {});

/// `gain` on the diagonal of each block, 0 elsewhere. With relu and biases of zero, a recurrent
/// layer with W_hh = I is an IRNN (Le et al. 2015). Throws ShapeError when the rank is not 2, and
/// when the rows do not divide into the blocks.
template <class T>
[[nodiscard]] Array<T> identity(const Shape& shape, BlockOptions options = {});

}  // namespace tapestry::layers
