// SPDX-License-Identifier: MIT
// The nodes of a record that a reader sees, and the paths between them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sweep.hpp"

namespace tapestry::detail {

/// Which nodes are seen.
struct ViewOptions {
  bool primitives = false;         // all
  std::vector<std::string> names;  // unless empty: those with these names only
};

/// A graph of the nodes of a record that are seen, in the order of the tape. An edge stands for all
/// paths from one to another on which no other is seen. Sources and sink always are seen; when
/// nothing between them would be, everything is.
template <class T>
class View {
 public:
  struct Edge {
    std::uint32_t from = 0;  // of the view
    std::uint32_t to = 0;
    std::uint32_t primitive = none;  // the only edge of the record that it stands for
  };

  /// `kept` holds a flag for each edge of the record: paths run along those only. `seen` are nodes
  /// of the record to see besides.
  View(std::shared_ptr<const Record<T>> record, std::vector<bool> kept, ViewOptions options,
       std::vector<std::uint32_t> seen);

  [[nodiscard]] const Record<T>& record() const { return *record_; }
  [[nodiscard]] const std::shared_ptr<const Record<T>>& shared_record() const { return record_; }
  [[nodiscard]] const std::vector<bool>& kept() const { return kept_; }
  [[nodiscard]] const ViewOptions& options() const { return options_; }
  [[nodiscard]] const std::vector<std::uint32_t>& seen() const { return seen_; }

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] std::span<const Edge> edges() const { return edges_; }
  [[nodiscard]] std::span<const std::uint32_t> in(std::uint32_t node) const { return in_[node]; }
  [[nodiscard]] std::span<const std::uint32_t> out(std::uint32_t node) const { return out_[node]; }
  [[nodiscard]] std::span<const std::uint32_t> sources() const { return sources_; }
  [[nodiscard]] std::uint32_t sink() const { return sink_; }  // `none` when there is no path

  /// The node of the record that a node of the view is.
  [[nodiscard]] std::uint32_t node(std::uint32_t place) const { return nodes_[place]; }
  [[nodiscard]] const std::string& label(std::uint32_t place) const {
    return record_->label(nodes_[place]);
  }
  [[nodiscard]] bool is_scalar() const;  // all that is seen

  /// Dᵀ y for one edge, and for all edges that end at a node, in the order of `in`.
  [[nodiscard]] Numbers<T> vjp(std::uint32_t edge, const Numbers<T>& y) const;
  [[nodiscard]] std::vector<Numbers<T>> vjp_into(std::uint32_t place, const Numbers<T>& y) const;

  /// The edges of the record that an edge stands for.
  [[nodiscard]] std::vector<std::uint32_t> primitives(std::uint32_t edge) const;

  /// D x for one edge.
  [[nodiscard]] Numbers<T> jvp(std::uint32_t edge, const Numbers<T>& x) const;

 private:
  void keep_connected();
  void choose_nodes();
  void fold();
  void add_edge(std::uint32_t from, std::uint32_t to, std::uint32_t primitive);
  [[nodiscard]] std::vector<std::uint32_t> hidden_between(std::uint32_t from,
                                                          std::uint32_t to) const;
  [[nodiscard]] std::vector<std::uint32_t> kept_in(std::uint32_t node) const;

  /// Cotangents of the nodes that are seen just before `to`, by node of the record; `only`, unless
  /// empty, flags the nodes that count.
  template <class Visit>
  void sweep(std::uint32_t to, const Numbers<T>& y, const std::vector<bool>& only,
             const Visit& visit) const;

  std::shared_ptr<const Record<T>> record_;
  std::vector<bool> kept_;
  ViewOptions options_;
  std::vector<std::uint32_t> seen_;
  std::vector<std::uint32_t> nodes_;  // of the record
  std::vector<std::uint32_t> place_;  // of each node of the record; `none` if it is not seen
  std::vector<Edge> edges_;           // by `to`
  Lists in_;
  Lists out_;
  std::vector<std::uint32_t> sources_;
  std::uint32_t sink_ = none;
};

TAPESTRY_EXTERN_TYPES(class View)

}  // namespace tapestry::detail
