// SPDX-License-Identifier: MIT
// Looking inside a fused op, for the library: drawings and readers of gates.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// One application of a fused op computed again as its definition in primitive ops, on a tape of
/// its own. The tape it is from stays as it is. The op's inputs come first on the new tape, as
/// leaves that read the values where they are.
template <class T>
class Expansion {
 public:
  /// `node` is the number of a fused op's application on `tape`. With `check` each number is
  /// checked for being finite, as by `Tape::detect_anomaly`: throws AnomalyError.
  Expansion(const TapeState<T>& tape, std::uint32_t node, bool check = false);

  [[nodiscard]] const TapeState<T>& tape() const { return tape_.state(); }
  [[nodiscard]] std::uint32_t input_count() const { return input_count_; }

  /// What takes the place of the op's outputs; those that only backward needs may be left out.
  [[nodiscard]] std::span<const Variable<T>> outputs() const { return outputs_; }

  /// Whether its numbers are those of the op: all inputs are there, and no parameter has changed.
  [[nodiscard]] bool faithful() const { return faithful_; }

  /// Computes gradients on the new tape from those of the first outputs on the old one, for which
  /// `wanted` tells which matter. False, and nothing is computed, when one of them is not there.
  bool compute_gradients(const std::vector<bool>& wanted);

 private:
  void add_input(std::uint32_t entry);
  std::uint32_t copy_scope(std::uint32_t scope);

  const TapeState<T>& original_;
  const Node<T>& node_;
  std::uint32_t input_count_;
  bool faithful_;
  Tape<T> tape_;
  std::vector<Variable<T>> outputs_;
};

extern template class Expansion<float>;
extern template class Expansion<double>;

}  // namespace tapestry::detail
