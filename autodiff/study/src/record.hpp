// SPDX-License-Identifier: MIT
// What lies between some values of a graph and others that were computed from them: the part that
// the study tools work on, as an index over the graph.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/detail/live_graph.hpp"
#include "tapestry/study/source.hpp"
#include "tapestry/study/study_value.hpp"

namespace tapestry::detail {

/// A gradient flows from node `to` back to node `from`, input `slot` of the op that computed it.
struct StudyEdge {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint32_t slot = 0;
};

/// Lists of numbers, one for each node, one after another.
class Lists {
 public:
  Lists() = default;

  /// `count` lists of the numbers of some edges, by one of their ends, in their order.
  template <class Edge>
  Lists(std::size_t count, const std::vector<Edge>& edges, std::uint32_t Edge::*end)
      : first_(count + 1), items_(edges.size()) {
    for (const Edge& edge : edges) ++first_[edge.*end + 1];
    for (std::size_t i = 0; i < count; ++i) first_[i + 1] += first_[i];
    std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
    for (std::uint32_t k = 0; k < edges.size(); ++k) items_[next[edges[k].*end]++] = k;
  }
  [[nodiscard]] std::span<const std::uint32_t> operator[](std::size_t i) const {
    return std::span(items_).subspan(first_[i], first_[i + 1] - first_[i]);
  }

 private:
  std::vector<std::size_t> first_{0};
  std::vector<std::uint32_t> items_;
};

/// "h", or what a value without a name is: "tanh", "input".
std::string name_of(const GraphNode& node);

template <class T>
std::string name_of(const Source<T>& source) {
  return source.parameter() ? source.parameter()->name() : source.variable().name();
}
template <class T>
Shape shape_of(const Source<T>& source) {
  return source.parameter() ? source.parameter()->shape() : source.variable().shape();
}

/// The time step that a scope is in; `no_step` if in none.
std::int64_t time_of(const Graph& graph, std::uint32_t scope);

/// Nodes and edges on the gradient paths from the sources to the sinks, nodes in the order of the
/// tape, edges by `to` and slot. A parameter that a fused op uses step by step has a node for each
/// of its uses there, as in a computation that is recorded step by step.
template <class T>
class Record {
 public:
  using Positions = std::vector<std::uint32_t>;

  /// From a source to a value, or to several. `op` names the caller in messages. Throws as
  /// `LiveGraph`, and GradientError when a parameter has no use before the first of `to`. With
  /// `by_use` each op that uses a source has a node of its own for it.
  Record(std::string_view op, const Source<T>& from, const Variable<T>& to)
      : Record(op, from, std::span<const Variable<T>>(&to, 1), false) {}
  Record(std::string_view op, const Source<T>& from, std::span<const Variable<T>> to, bool by_use);
  Record(std::string_view op, std::span<const Variable<T>> from, const Variable<T>& to);

  /// A part of a graph.
  Record(std::shared_ptr<const LiveGraph<T>> live, const Positions& from, const Positions& to,
         bool by_use = false);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] std::span<const StudyEdge> edges() const { return edges_; }
  [[nodiscard]] std::span<const std::uint32_t> in(std::uint32_t node) const { return in_[node]; }
  [[nodiscard]] std::span<const std::uint32_t> out(std::uint32_t node) const { return out_[node]; }

  /// Nodes; `sink` is `none` when no path leads to it.
  [[nodiscard]] std::span<const std::uint32_t> sources() const { return sources_; }
  [[nodiscard]] bool is_source(std::uint32_t node) const { return nodes_[node].source; }
  [[nodiscard]] std::uint32_t sink() const { return sinks_[0]; }
  [[nodiscard]] std::span<const std::uint32_t> sinks() const { return sinks_; }

  [[nodiscard]] const LiveGraph<T>& live() const { return *live_; }
  [[nodiscard]] const Graph& graph() const { return live_->graph(); }
  [[nodiscard]] const Shape& from_shape() const { return from_shape_; }
  [[nodiscard]] const Shape& to_shape() const { return to_shape_; }

  /// What a node is in the graph.
  [[nodiscard]] std::uint32_t position(std::uint32_t node) const { return nodes_[node].position; }
  [[nodiscard]] const GraphNode& at(std::uint32_t node) const { return graph()[position(node)]; }
  [[nodiscard]] std::uint32_t id(std::uint32_t node) const { return at(node).id; }
  [[nodiscard]] bool is_named(std::uint32_t node) const { return !at(node).name.empty(); }
  [[nodiscard]] const Shape& shape(std::uint32_t node) const { return at(node).shape; }
  [[nodiscard]] bool is_scalar(std::uint32_t node) const { return shape(node).size() == 1; }
  [[nodiscard]] std::int64_t time(std::uint32_t node) const {
    return time_of(graph(), nodes_[node].scope);
  }
  [[nodiscard]] StudyValue value(std::uint32_t node) const;

  /// The node of a value; `none` if it is not between. StaleVariable.
  [[nodiscard]] std::uint32_t find(std::string_view op, const Variable<T>& v) const;

  /// An edge as drawings know it: the number of the op's first output, and the slot.
  [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> arrow(std::uint32_t edge) const {
    return {at(edges_[edge].to).first_output, edges_[edge].slot};
  }

  /// A name for the node that no other has: "h3", "h[3]", "lstm.layer 0.h[3]", "add#17".
  [[nodiscard]] const std::string& label(std::uint32_t node) const;
  /// The same for the value that all sources are: a parameter has several uses.
  [[nodiscard]] std::string from_label() const;
  [[nodiscard]] std::string to_label() const;

  /// To be called before products are taken: throws StaleVariable when the tape was cleared, and
  /// GradientError when a watched parameter was changed.
  void check(std::string_view op) const { live_->check(op); }

  /// Dᵀ y of the edges `edges`, which end at one node, in their order: one result for each.
  void vjp(std::span<const std::uint32_t> edges, const Numbers<T>& y,
           std::vector<Numbers<T>>& results) const;

  /// Adds D x of all edges in `edges`, which start anywhere and end at one node.
  void add_jvp(std::span<const std::uint32_t> edges,
               const std::function<const Numbers<T>&(std::uint32_t node)>& tangent,
               Numbers<T>& result) const;

  /// The value of the sink if all sources had another one, everything else being as it was.
  /// GradientError when a value is needed that backward has given back.
  [[nodiscard]] Numbers<T> replay(const Numbers<T>& source) const;

  // Some edges of the record are told by a flag for each, some nodes too.
  [[nodiscard]] std::vector<bool> everything() const {
    return std::vector<bool>(edges_.size(), true);
  }

  /// The nodes to which `kept` edges lead from one of `nodes`, and from which they lead to one;
  /// these included.
  [[nodiscard]] std::vector<bool> after(std::span<const std::uint32_t> nodes,
                                        const std::vector<bool>& kept) const;
  [[nodiscard]] std::vector<bool> before(std::span<const std::uint32_t> nodes,
                                         const std::vector<bool>& kept) const;

 private:
  struct StudyNode {
    std::uint32_t position = 0;
    std::uint32_t scope = 0;  // its own, or that of the op that uses it
    bool source = false;
  };
  class Builder;

  std::shared_ptr<const LiveGraph<T>> live_;
  std::string from_name_;
  std::string to_name_;
  Shape from_shape_;
  Shape to_shape_;
  std::vector<StudyNode> nodes_;
  std::vector<std::uint32_t> sources_;
  std::vector<std::uint32_t> sinks_;
  std::vector<StudyEdge> edges_;
  std::uint32_t first_ = 0;             // position that `node_at_` begins with
  std::vector<std::uint32_t> node_at_;  // by position
  Lists in_;
  Lists out_;
  mutable std::vector<std::string> labels_;
  mutable std::vector<std::uint32_t> slots_;  // of one product
};

/// to += from, where empty stands for zeros.
template <class T>
void accumulate(Numbers<T>& to, const Numbers<T>& from) {
  if (from.empty()) return;
  if (to.empty()) {
    to = from;
    return;
  }
  for (std::size_t k = 0; k < to.size(); ++k) to[k] += from[k];
}

/// The same with none left of `from`.
template <class T>
void accumulate(Numbers<T>& to, Numbers<T>&& from) {
  if (to.empty())
    to = std::move(from);
  else
    accumulate(to, static_cast<const Numbers<T>&>(from));
}

template <class T>
double dot(const Numbers<T>& a, const Numbers<T>& b) {
  double total = 0;
  if (a.empty() || b.empty()) return 0;
  for (std::size_t k = 0; k < a.size(); ++k)
    total += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return total;
}

template <class T>
double norm(const Numbers<T>& a) {
  return std::sqrt(dot(a, a));
}

template <class T>
Numbers<T> numbers_of(const Array<T>& array) {
  return {array.data(), array.data() + array.size()};
}

/// As an array of the given shape; empty numbers are zeros.
template <class T>
Array<T> to_array(const Numbers<T>& numbers, const Shape& shape) {
  Array<T> array = Array<T>::from_shape(std::vector<std::size_t>(shape.begin(), shape.end()));
  if (numbers.empty())
    std::fill_n(array.data(), array.size(), T{0});
  else
    std::ranges::copy(numbers, array.data());
  return array;
}

/// The elements of an array, which must be shaped like `shape`: ShapeError, naming `what`.
template <class T>
Numbers<T> to_numbers(std::string_view op, std::string_view what, const Array<T>& array,
                      const Shape& shape);

TAPESTRY_EXTERN_TYPES(class Record)

}  // namespace tapestry::detail
