// SPDX-License-Identifier: MIT
// A graph whose ops can still be run, for the studies of gradients: its structure is a `Graph`, and
// the numbers come from the tape.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/graph.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// The elements of a gradient or tangent, row-major. An empty vector stands for zeros.
template <class T>
using Numbers = std::vector<T>;

/// What some results of a tape were computed from. Fused ops between the sources and the results
/// are taken apart: their definition is computed again, once for all studies of the tape. Values
/// within them that `find_states` returned are values of the tape, too.
template <class T>
class LiveGraph {
 public:
  /// `op` names the caller in messages. Throws StaleVariable when a handle is not valid or the
  /// tapes differ; GradientError when a source or all results need no gradient, a parameter was
  /// changed since it was used, or the value of an input of a fused op was given back.
  LiveGraph(std::string_view op, std::span<const Variable<T>> from,
            std::span<const Variable<T>> to);
  LiveGraph(const LiveGraph&) = delete;
  LiveGraph& operator=(const LiveGraph&) = delete;
  ~LiveGraph();

  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// The position of a value in the graph. StaleVariable when it is not valid or of another tape.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view op, const Variable<T>& v) const;

  /// Whether the value is within a fused op over time steps, or a checkpoint: a parameter that goes
  /// into it has uses of its own there.
  [[nodiscard]] bool is_in_fused_step(std::uint32_t position) const;

  /// The parameter whose use a value is; null for others.
  [[nodiscard]] const Parameter<T>* parameter(std::uint32_t position) const;

  /// Throws StaleVariable when the tape was cleared, and GradientError when a watched parameter was
  /// changed: to be called before numbers are asked for.
  void check(std::string_view op) const;

  /// The numbers of a value. GradientError when backward has given them back.
  [[nodiscard]] std::span<const T> value(std::string_view op, std::uint32_t position) const;

  // Products with the Jacobian D of the op that computed a value: of the value with respect to one
  // input of the op, the others held constant. An input that is given twice counts as two.

  /// Vector times Jacobian: x[k] = Dᵀ y for input slots[k], shaped like it, or empty for zeros.
  /// `slots` ascend, `x` has as many elements. GradientError when a value is needed that backward
  /// has given back.
  void vjp(std::uint32_t position, const Numbers<T>& y, std::span<const std::uint32_t> slots,
           std::span<Numbers<T>> x) const;

  /// Jacobian times vector: sum_i D x[i], shaped like the value. Throws as `vjp` does.
  [[nodiscard]] Numbers<T> jvp(std::uint32_t position, std::span<const Numbers<T>> x) const;

  /// The value for other inputs: `x` has an element for each input, empty where it stays.
  [[nodiscard]] Numbers<T> forward(std::uint32_t position, std::span<const Numbers<T>> x) const;

  /// Whether there are hooks on gradients, and what those of a value make of its gradient.
  [[nodiscard]] bool has_hooks() const;
  [[nodiscard]] Numbers<T> hooked(std::uint32_t position, Numbers<T> gradient) const;

  /// The gradient of the first result with respect to all sources together, by a backward pass that
  /// leaves the tape as it was. Nothing if a source or the result is within a fused op.
  [[nodiscard]] std::optional<Numbers<T>> by_backward() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
  Graph graph_;
};

/// The number by which readers of graphs know a value: that on its tape, or one of its own for a
/// value within a fused op.
template <class T>
std::uint32_t id_of(std::string_view op, const Variable<T>& v);

/// The uses of a parameter, as leaves, that come before the last of `to` on their tape.
template <class T>
std::vector<Variable<T>> uses_of(std::string_view op, const Parameter<T>& parameter,
                                 std::span<const Variable<T>> to);

/// The time steps at which the tape of `v` uses a parameter, `no_step` outside of all; without the
/// uses by fused ops over time steps and checkpoints, which have their own.
template <class T>
std::vector<std::int64_t> use_times(std::string_view op, const Parameter<T>& parameter,
                                    const Variable<T>& v);

/// Throws GradientError unless `y` is a scalar through which gradients flow.
template <class T>
void check_scalar(std::string_view op, const Variable<T>& y);

TAPESTRY_EXTERN_TYPES(class LiveGraph)

}  // namespace tapestry::detail
