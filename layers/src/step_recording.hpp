// SPDX-License-Identifier: MIT
// A step of a cell, recorded on a tape of its own, with placeholders for its parameters.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/cell.hpp"

namespace tapestry::layers {

/// The product of an input with rows of a weight, plus rows of a bias: what it stands for in a
/// recording. Nothing is computed.
struct RecordedProduct {
  std::size_t weight;  // places among the parameters
  std::size_t bias;    // `none` for no bias
  std::size_t first_row;
  std::size_t rows;

  static constexpr std::size_t none = ~std::size_t{0};
};

/// Tells whether a node of a recording is one; null if not.
template <class T>
const RecordedProduct* recorded_product(const detail::Node<T>& node);

template <class T>
class StepRecording final : private ParameterSource<T> {
 public:
  /// Records the step for `batch` sequences. Throws what the step throws.
  StepRecording(const CellShape& cell, const Equations<T>& equations, std::size_t batch,
                std::size_t input_size, bool input_mask, bool state_mask);

  std::unique_ptr<Tape<T>> tape = std::make_unique<Tape<T>>();
  std::uint32_t x = 0;
  std::vector<std::uint32_t> states;
  std::vector<std::uint32_t> masks;
  std::vector<std::uint32_t> next;
  mutable std::vector<std::pair<std::string, std::uint32_t>> parameters;  // entry, or none

  /// The shape of a parameter of that name.
  [[nodiscard]] Shape shape_of(std::string_view name, std::size_t input_size) const;

 private:
  [[nodiscard]] Variable<T> use(std::string_view name) const override;
  [[nodiscard]] Variable<T> affine(const Variable<T>& x, std::string_view weight,
                                   std::string_view bias, std::size_t first_row,
                                   std::size_t rows) const override;
  [[nodiscard]] std::size_t place_of(std::string_view name) const;
  std::uint32_t add_leaf(const Shape& shape, std::string_view name) const;

  const CellShape& cell_;
};

TAPESTRY_EXTERN_TYPES(class StepRecording)

}  // namespace tapestry::layers
