// SPDX-License-Identifier: MIT
// A computation as its readers see it: drawing, counting paths, reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/op_attribute.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// Which fused ops readers see as their definition in primitive ops.
enum class Expand : std::uint8_t {
  none,        ///< each is one node
  over_steps,  ///< those that run over time steps, as the recurrent layers do
  all,
};

namespace detail {
/// Values within fused ops have numbers from here on, which no tape reaches.
inline constexpr std::uint32_t first_inner_id = 1'000'000'000;
}  // namespace detail

/// What a snapshot copies besides the structure.
struct SnapshotOptions {
  bool values = false;
  bool gradients = false;

  /// Numbers within a fused op are computed again, for the snapshot alone. They are absent when a
  /// parameter has changed since, or backward has given the gradient of the op's output back.
  Expand expand = Expand::over_steps;

  /// Arrays with more elements than this are kept as their statistics only.
  std::size_t max_elements = std::numeric_limits<std::size_t>::max();
};

/// A value of the computation: the result of an op, or a leaf.
struct GraphNode {
  std::uint32_t id = 0;            ///< its number on the tape, as `Variable::index()`; from 10^9 on
                                   ///< for what is within a fused op
  std::string_view name;           ///< given by the user or the model; may be empty
  std::string_view op;             ///< the op that computed it; empty for a leaf
  OpAttributes attributes;         ///< of that op
  std::uint32_t first_output = 0;  ///< id of the op's output 0: tells which values share one op
  std::uint32_t output = 0;        ///< which of the op's outputs it is
  std::uint32_t output_count = 1;  ///< how many the op has, in the snapshot or not
  std::uint32_t scope = 0;         ///< into `Graph::scopes()`
  std::uint32_t parameter = 0;     ///< uses of one parameter have one number; `no_parameter` else
  Shape shape;
  Role role = Role::op;
  bool root = false;  ///< what the snapshot was asked for: a loss, an output
  bool requires_grad = false;

  static constexpr std::uint32_t no_parameter = std::numeric_limits<std::uint32_t>::max();
};

/// A value going into an op. An op that takes a value twice has two edges.
struct GraphEdge {
  std::uint32_t from = 0;       ///< position of the input in `Graph::nodes()`
  std::uint32_t to = 0;         ///< position of the result
  std::uint32_t slot = 0;       ///< which input of the op it is
  bool differentiable = false;  ///< whether gradients flow back along it
};

/// A part of the model that was being computed. Scope 0 stands for all of it.
struct GraphScope {
  std::uint32_t parent = 0;  ///< always smaller than its own number, but for scope 0
  ScopeKind kind = ScopeKind::module;
  std::string_view name;     ///< "lstm", "layer", "step"
  std::int64_t number = -1;  ///< of a layer or step
};

/// Whether a snapshot has the numbers of a value or gradient.
enum class DataState : std::uint8_t {
  not_asked,  ///< the options did not ask for them
  present,
  absent,  ///< given back by backward, or there is no such gradient
};

/// Numbers of a value or gradient. Statistics are over the elements that are finite.
struct GraphData {
  DataState state = DataState::not_asked;
  std::span<const double> elements;  ///< row-major; empty above `SnapshotOptions::max_elements`
  std::size_t not_finite = 0;        ///< how many elements are infinite or not a number
  double min = 0;
  double mean = 0;
  double max = 0;
  double norm = 0;  ///< square root of the sum of squares
};

/// All values that some values of a tape, its roots, were computed from, in the order of the tape:
/// inputs come before results. It is a copy that outlives the tape and never changes; copies of it
/// share their memory, and the texts in it are valid as long as one of them lives.
class Graph {
 public:
  /// A graph of nothing.
  Graph();

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::span<const GraphNode> nodes() const;
  [[nodiscard]] const GraphNode& operator[](std::size_t position) const {
    return nodes()[position];
  }

  /// All edges, by result and then by slot. Where an op has several outputs, each has them all.
  [[nodiscard]] std::span<const GraphEdge> edges() const;

  /// The edges that end at one node.
  [[nodiscard]] std::span<const GraphEdge> inputs(std::size_t position) const;

  /// Positions of the roots, in the order they were given.
  [[nodiscard]] std::span<const std::uint32_t> roots() const;

  /// The scopes of all nodes, in order of their first use, and those around them.
  [[nodiscard]] std::span<const GraphScope> scopes() const;

  /// How many different parameters the nodes are uses of; they are numbered from 0.
  [[nodiscard]] std::size_t parameter_count() const;

  /// Position of the value `id` of the tape, if the roots depend on it.
  [[nodiscard]] std::optional<std::size_t> find(std::uint32_t id) const;

  /// The numbers of a node. The value of a constant of one element is there without being asked
  /// for. The gradient of a parameter is that of all its uses together.
  [[nodiscard]] GraphData value(std::size_t position) const;
  [[nodiscard]] GraphData gradient(std::size_t position) const;

  /// For the engine: what a graph holds.
  struct Data;
  explicit Graph(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

 private:
  std::shared_ptr<const Data> data_;
};

/// The graph of what `roots` were computed from, in time linear in the length of the tape. Values
/// that were computed while recording was off appear as leaves without an op. Throws StaleVariable
/// when a handle is not valid or the tapes differ, ArgumentError when there are no roots.
template <class T>
Graph snapshot(std::span<const Variable<T>> roots, const SnapshotOptions& options = {});

/// The same for one root.
template <class T>
Graph snapshot(const Variable<T>& root, const SnapshotOptions& options = {}) {
  return snapshot(std::span<const Variable<T>>(&root, 1), options);
}

/// The same for roots in a vector, or in braces: `snapshot({loss, output})`.
template <class T>
Graph snapshot(const std::vector<Variable<T>>& roots, const SnapshotOptions& options = {}) {
  return snapshot(std::span<const Variable<T>>(roots), options);
}
template <class T, std::size_t n>
Graph snapshot(const Variable<T> (&roots)[n], const SnapshotOptions& options = {}) {
  return snapshot(std::span<const Variable<T>>(roots), options);
}

}  // namespace tapestry
