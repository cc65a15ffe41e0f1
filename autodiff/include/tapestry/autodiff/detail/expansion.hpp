// SPDX-License-Identifier: MIT
// Looking inside a fused op, for the library: drawings, studies and readers of gates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/graph.hpp"
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
  /// checked for being finite, as by `Tape::detect_anomaly`: throws AnomalyError. With `in_steps`
  /// inputs that consist of the steps of other ops are put together from those again.
  Expansion(const TapeState<T>& tape, std::uint32_t node, bool check = false,
            bool in_steps = false);
  Expansion(const Expansion&) = delete;
  Expansion& operator=(const Expansion&) = delete;
  ~Expansion() { tape_.state().shows = nullptr; }

  /// The expansion of a node as its tape keeps it for all readers, until it is cleared or rewound.
  /// It is computed when it is first asked for.
  static Expansion& of(TapeState<T>& tape, std::uint32_t node);

  [[nodiscard]] TapeState<T>& tape() { return tape_.state(); }
  [[nodiscard]] const TapeState<T>& tape() const { return tape_.state(); }
  [[nodiscard]] std::uint32_t input_count() const { return input_count_; }

  /// The tape that the op is on, and its node there.
  [[nodiscard]] const TapeState<T>& original() const { return original_; }
  [[nodiscard]] std::uint32_t node() const { return node_number_; }

  /// What takes the place of the op's outputs; those that only backward needs may be left out.
  [[nodiscard]] std::span<const Variable<T>> outputs() const { return outputs_; }

  /// The value of the original tape that leaf `entry` reads; `none` if it is none of those.
  [[nodiscard]] std::uint32_t read_by(std::uint32_t entry) const {
    return entry < reads_.size() ? reads_[entry] : none;
  }

  /// Whether `entry` is an input that was put together from its time steps: what is selected from
  /// it is one of those.
  [[nodiscard]] bool is_put_together(std::uint32_t entry) const;

  /// The number by which readers know value `entry` of the new tape.
  [[nodiscard]] std::uint32_t id(std::uint32_t entry) const { return first_id_ + entry; }

  /// Whether its numbers are those of the op: all inputs are there, and no parameter has changed.
  [[nodiscard]] bool faithful() const;

  /// Throws GradientError unless they are.
  void check_faithful(std::string_view op) const;

  /// Computes gradients on the new tape from those of the first outputs on the old one, for which
  /// `wanted` tells which matter. False, and nothing is computed, when one of them is not there.
  bool compute_gradients(const std::vector<bool>& wanted);

 private:
  Variable<T> add_input(std::uint32_t entry);
  std::uint32_t copy_scope(std::uint32_t scope);
  [[nodiscard]] bool passes_steps(const Entry<T>& entry) const;
  bool has_steps(std::uint32_t entry);
  bool has_data(std::uint32_t entry);
  Variable<T> add_steps(std::uint32_t entry);
  Variable<T> leaf_of(std::uint32_t entry);
  Variable<T> step_of(std::uint32_t entry, std::size_t t);
  Variable<T> step_of_result(const Entry<T>& entry, std::size_t t);
  [[nodiscard]] std::span<const std::uint32_t> inputs_of(const Entry<T>& entry) const;

  const TapeState<T>& original_;
  const Node<T> node_;
  std::uint32_t node_number_;
  std::uint32_t input_count_;
  std::uint32_t first_id_ = first_inner_id;
  std::uint32_t lacking_ = none;  // without which an input was not put together from its steps
  bool faithful_;
  Tape<T> tape_;
  std::vector<Variable<T>> outputs_;
  std::vector<std::uint32_t> reads_;         // by entry of the new tape
  std::vector<std::uint32_t> put_together_;  // entries of the new tape
  std::map<std::uint32_t, bool> has_steps_;  // by entry of the original tape, as the next ones
  std::map<std::uint32_t, Variable<T>> leaves_;
  std::map<std::pair<std::uint32_t, std::size_t>, Variable<T>> steps_;
};

TAPESTRY_EXTERN_TYPES(class Expansion)

}  // namespace tapestry::detail
