// SPDX-License-Identifier: MIT
// What lies between some values of a tape and one that was computed from them: the part of the
// record that the study tools work on.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "products.hpp"
#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/variable.hpp"
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
  /// `count` lists of the numbers of `keys`, by key, in their order.
  Lists(std::size_t count, std::span<const std::uint32_t> keys);
  Lists() = default;
  [[nodiscard]] std::span<const std::uint32_t> operator[](std::size_t i) const {
    return std::span(items_).subspan(first_[i], first_[i + 1] - first_[i]);
  }

 private:
  std::vector<std::size_t> first_{0};
  std::vector<std::uint32_t> items_;
};

/// Nodes and edges on the gradient paths from the sources to the sink, nodes in the order of the
/// tape, edges by `to` and slot. Structure and texts are copies; products read the tape.
template <class T>
class Record {
 public:
  /// `op` names the caller in messages. Throws StaleVariable; GradientError when a source or `to`
  /// needs no gradient, or a parameter was changed since it was used.
  Record(std::string_view op, std::span<const Variable<T>> from, const Variable<T>& to);

  [[nodiscard]] std::size_t size() const { return ids_.size(); }
  [[nodiscard]] std::span<const StudyEdge> edges() const { return edges_; }
  [[nodiscard]] std::span<const std::uint32_t> in(std::uint32_t node) const { return in_[node]; }
  [[nodiscard]] std::span<const std::uint32_t> out(std::uint32_t node) const { return out_[node]; }

  /// Nodes; `sink` is `none` when no path leads to it.
  [[nodiscard]] std::span<const std::uint32_t> sources() const { return sources_; }
  [[nodiscard]] std::uint32_t sink() const { return sink_; }

  /// What was asked for: the variables themselves.
  [[nodiscard]] std::span<const Variable<T>> from() const { return from_; }
  [[nodiscard]] const Variable<T>& to() const { return to_; }
  [[nodiscard]] Shape from_shape() const { return from_shape_; }
  [[nodiscard]] Shape to_shape() const { return to_shape_; }

  [[nodiscard]] std::uint32_t id(std::uint32_t node) const { return ids_[node]; }
  /// The node of the value `id` of the tape; `none` if it is not between.
  [[nodiscard]] std::uint32_t find(std::uint32_t id) const;
  /// An edge as drawings know it: the number of the op's first output, and the slot.
  [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> arrow(std::uint32_t edge) const;
  [[nodiscard]] bool is_named(std::uint32_t node) const { return !values_[node].name.empty(); }
  [[nodiscard]] const Shape& shape(std::uint32_t node) const { return values_[node].shape; }
  [[nodiscard]] bool is_scalar(std::uint32_t node) const { return shape(node).size() == 1; }
  [[nodiscard]] const StudyValue& value(std::uint32_t node) const { return values_[node]; }

  /// A name for the node that no other has: "h3", "h[3]", "lstm.layer 0.h[3]", "add#17".
  [[nodiscard]] const std::string& label(std::uint32_t node) const;
  /// The same for the value that all sources are: a parameter has several uses.
  [[nodiscard]] std::string from_label() const;
  [[nodiscard]] std::string to_label() const;

  /// To be called before products are taken: throws StaleVariable when the tape was cleared, and
  /// GradientError when a watched parameter was changed.
  void check(std::string_view op) const;

  /// Dᵀ y of the edges `edges`, which end at one node: one result for each.
  void vjp(std::span<const std::uint32_t> edges, const Numbers<T>& y,
           std::vector<Numbers<T>>& results) const;

  /// Adds D x of all edges in `edges`, which start anywhere and end at one node.
  void add_jvp(std::span<const std::uint32_t> edges,
               const std::function<const Numbers<T>&(std::uint32_t node)>& tangent,
               Numbers<T>& result) const;

  /// The value of the sink if all sources had another one, everything else being as it was.
  /// GradientError when a value is needed that backward has given back.
  [[nodiscard]] Numbers<T> replay(const Numbers<T>& source) const;

 private:
  void find_nodes(const TapeState<T>& tape);
  void find_edges(const TapeState<T>& tape);
  void make_labels() const;

  std::vector<Variable<T>> from_;
  Variable<T> to_;
  Shape from_shape_;
  Shape to_shape_;
  std::vector<std::uint32_t> ids_;  // ascending
  std::vector<std::uint32_t> sources_;
  std::uint32_t sink_ = none;
  std::vector<StudyEdge> edges_;
  Lists in_;
  Lists out_;
  std::vector<std::uint32_t> first_outputs_;  // of the op that computed each node
  std::vector<StudyValue> values_;
  mutable std::vector<std::string> labels_;
  std::unique_ptr<Products<T>> products_;
};

/// The leaves of `to`'s tape that are uses of a parameter and come before `to`. GradientError when
/// there are none.
template <class T>
std::vector<Variable<T>> uses_of(std::string_view op, const Parameter<T>& parameter,
                                 const Variable<T>& to);

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

/// The same with nothing left of `from`.
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

/// As an array of the given shape; empty numbers are zeros.
template <class T>
Array<T> to_array(const Numbers<T>& numbers, const Shape& shape);

/// The elements of an array, which must be shaped like `shape`: ShapeError, naming `what`.
template <class T>
Numbers<T> to_numbers(std::string_view op, std::string_view what, const Array<T>& array,
                      const Shape& shape);

extern template class Record<float>;
extern template class Record<double>;

}  // namespace tapestry::detail
