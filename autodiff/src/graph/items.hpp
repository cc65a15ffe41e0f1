// SPDX-License-Identifier: MIT
// What becomes a node of a graph: the values that some roots depend on, with fused ops taken apart.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "tapestry/autodiff/detail/expansion.hpp"

namespace tapestry::detail {

/// A value of the tape, or one within a fused op on it.
template <class T>
struct Item {
  static constexpr std::uint32_t unset = std::numeric_limits<std::uint32_t>::max();

  TapeState<T>* tape;                    // where its entry is
  std::uint32_t entry;                   // its number there
  std::uint32_t id;                      // what readers know it by
  std::uint32_t first_output;            // the id of its op's first output
  std::uint32_t named = unset;           // entry of the graph's tape whose name it bears, if any
  const Expansion<T>* within = nullptr;  // the fused op that it is within
  std::uint32_t first_input = 0;
  std::uint32_t input_count = 0;
  std::uint32_t position = unset;  // in the graph
  bool has_values = true;
  bool has_gradients = true;

  [[nodiscard]] const Entry<T>& at() const { return tape->entries[entry]; }
  [[nodiscard]] const Node<T>* node() const {
    return at().node == none ? nullptr : &tape->nodes[at().node];
  }
};

/// All values that the roots depend on, inputs before results.
template <class T>
class Items {
 public:
  /// Says which fused ops are taken apart, by their node.
  using Opens = std::function<bool(std::uint32_t node)>;

  Items(TapeState<T>& tape, Opens opens, bool gradients)
      : tape_(tape), opens_(std::move(opens)), gradients_(gradients) {}

  void collect(std::span<const Variable<T>> roots);

  [[nodiscard]] const std::vector<Item<T>>& all() const { return items_; }
  [[nodiscard]] std::span<const std::uint32_t> inputs(const Item<T>& item) const {
    return {inputs_.data() + item.first_input, item.input_count};
  }

  /// Of a value of the tape, or within a fused op that was taken apart; null if no root depends on
  /// it.
  [[nodiscard]] const Item<T>* find(const Variable<T>& v) const;

  [[nodiscard]] std::uint32_t placed_count() const { return placed_; }

 private:
  static constexpr std::uint32_t unset = Item<T>::unset;

  [[nodiscard]] std::uint32_t item_of(const Variable<T>& v) const;
  [[nodiscard]] std::vector<bool> ancestors(std::span<const Variable<T>> roots) const;
  void add(std::uint32_t id);
  std::uint32_t push(Item<T> item, const std::vector<std::uint32_t>& item_of);
  void expand(std::uint32_t node, const std::vector<bool>& needed);
  [[nodiscard]] std::uint32_t same_step(const Expansion<T>& inside, std::uint32_t entry,
                                        const std::vector<std::uint32_t>& item_of) const;
  void place();

  TapeState<T>& tape_;
  Opens opens_;
  bool gradients_;
  std::vector<Item<T>> items_;
  std::vector<std::uint32_t> inputs_;   // items, one after another
  std::vector<std::uint32_t> item_of_;  // each value of the tape; unset for those left out
  std::map<const TapeState<T>*, std::vector<std::uint32_t>> items_within_;  // the same
  std::uint32_t placed_ = 0;
};

/// The inputs of the op that computed an entry.
template <class T>
std::span<const std::uint32_t> inputs_of(const TapeState<T>& tape, std::uint32_t entry) {
  if (tape.entries[entry].node == none) return {};
  const Node<T>& node = tape.nodes[tape.entries[entry].node];
  return {tape.edges.data() + node.first_input, node.input_count};
}

/// Where a variable is on `tape`: itself, or, if it is within a fused op, that op's first output.
template <class T>
std::uint32_t outer_entry(const Variable<T>& v, const TapeState<T>& tape) {
  const TapeState<T>& own = v.state("graph");
  return &own == &tape ? v.index() : tape.nodes[own.shows->node()].first_output;
}

TAPESTRY_EXTERN_TYPES(class Items)

}  // namespace tapestry::detail
