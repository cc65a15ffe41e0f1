// SPDX-License-Identifier: MIT
#include "graph/items.hpp"

#include <algorithm>

namespace tapestry::detail {

template <class T>
void Items<T>::collect(std::span<const Variable<T>> roots) {
  const std::vector<bool> needed = ancestors(roots);
  item_of_.assign(tape_.entries.size(), unset);
  for (std::uint32_t id = 0; id < needed.size(); ++id) {
    if (!needed[id] || item_of_[id] != unset) continue;
    const std::uint32_t node = tape_.entries[id].node;
    if (node != none && tape_.nodes[node].info->expand && opens_(node))
      expand(node, needed);
    else
      add(id);
  }
  for (const Variable<T>& root : roots) items_[item_of(root)].position = 0;
  place();
}

template <class T>
std::uint32_t Items<T>::item_of(const Variable<T>& v) const {
  const TapeState<T>& own = v.state("graph");
  if (&own == &tape_) return v.index() < item_of_.size() ? item_of_[v.index()] : unset;
  const auto within = items_within_.find(&own);
  return within == items_within_.end() ? unset : within->second[v.index()];
}

template <class T>
const Item<T>* Items<T>::find(const Variable<T>& v) const {
  const std::uint32_t item = item_of(v);
  return item == unset || items_[item].position == unset ? nullptr : &items_[item];
}

/// The tape is in order, so one loop from its end finds all ancestors.
template <class T>
std::vector<bool> Items<T>::ancestors(std::span<const Variable<T>> roots) const {
  std::uint32_t last = 0;
  const auto outer = [this](const Variable<T>& v) { return outer_entry(v, tape_); };
  for (const Variable<T>& root : roots) last = std::max(last, outer(root));
  std::vector<bool> needed(last + 1);
  for (const Variable<T>& root : roots) needed[outer(root)] = true;
  for (std::uint32_t id = last + 1; id-- > 0;)
    if (needed[id])
      for (const std::uint32_t input : inputs_of(tape_, id)) needed[input] = true;
  return needed;
}

template <class T>
void Items<T>::add(std::uint32_t id) {
  const std::uint32_t node = tape_.entries[id].node;
  const std::uint32_t first = node == none ? id : tape_.nodes[node].first_output;
  item_of_[id] = push({&tape_, id, id, first, id}, item_of_);
}

/// Adds an item whose inputs are found in `item_of`.
template <class T>
std::uint32_t Items<T>::push(Item<T> item, const std::vector<std::uint32_t>& item_of) {
  item.first_input = static_cast<std::uint32_t>(inputs_.size());
  for (const std::uint32_t input : inputs_of(*item.tape, item.entry))
    inputs_.push_back(item_of[input]);
  item.input_count = static_cast<std::uint32_t>(inputs_.size()) - item.first_input;
  items_.push_back(item);
  return static_cast<std::uint32_t>(items_.size() - 1);
}

/// Adds what is within a fused op. Its outputs are then known by the numbers they have on the tape.
template <class T>
void Items<T>::expand(std::uint32_t number, const std::vector<bool>& needed) {
  Expansion<T>& inside = Expansion<T>::of(tape_, number);
  const Node<T> node = tape_.nodes[number];
  std::vector<bool> wanted(node.output_count);
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    wanted[j] = node.first_output + j < needed.size() && needed[node.first_output + j];
  const bool has_values = inside.faithful();
  const bool has_gradients = gradients_ && inside.compute_gradients(wanted);

  TapeState<T>& tape = inside.tape();
  std::vector<std::uint32_t>& item_of = items_within_[&tape];
  std::vector<std::uint32_t> named(tape.entries.size(), unset);
  const auto outputs = inside.outputs();
  for (std::uint32_t j = 0; j < outputs.size(); ++j)
    named[outputs[j].index()] = node.first_output + j;
  const auto id_of = [&](std::uint32_t k) { return named[k] != unset ? named[k] : inside.id(k); };
  for (std::uint32_t k = 0; k < tape.entries.size(); ++k) {
    std::uint32_t item = unset;
    if (const std::uint32_t read = inside.read_by(k); read != none) {
      item = item_of_[read];
    } else if (item = same_step(inside, k, item_of); item == unset) {
      const std::uint32_t by = tape.entries[k].node;
      const std::uint32_t first = by == none ? k : tape.nodes[by].first_output;
      item = push({&tape, k, id_of(k), id_of(first), named[k], &inside, 0, 0, unset, has_values,
                   has_gradients},
                  item_of);
    }
    item_of.push_back(item);
  }
  for (std::uint32_t j = 0; j < outputs.size(); ++j)
    item_of_[node.first_output + j] = item_of[outputs[j].index()];
}

/// A step that is selected from a stack of steps is the one that was stacked: returns its item, so
/// that one layer's step leads straight to the next layer's. `unset` for anything else.
template <class T>
std::uint32_t Items<T>::same_step(const Expansion<T>& inside, std::uint32_t entry,
                                  const std::vector<std::uint32_t>& item_of) const {
  const TapeState<T>& tape = inside.tape();
  const Entry<T>& part = tape.entries[entry];
  const auto from = inputs_of(tape, entry);
  if (from.size() != 1 || !tape.nodes[part.node].info->alias) return unset;
  const Item<T>& whole = items_[item_of[from[0]]];
  if (whole.tape == &tape && !inside.is_put_together(from[0])) return unset;
  if (!whole.node() || whole.node()->info->name != "stack") return unset;
  const Node<T>& node = tape.nodes[part.node];
  std::size_t offset = 0;
  const std::size_t size = part.shape.size();
  if (size == 0 || !node.info->alias(node.op, whole.at().shape, offset)) return unset;
  if (offset % size != 0 || offset / size >= whole.input_count) return unset;
  const std::uint32_t same = inputs_[whole.first_input + offset / size];
  const Shape& shape = items_[same].at().shape;
  const bool along_steps = whole.at().shape.part(1, shape.rank() + 1) == shape;
  return along_steps && shape == part.shape ? same : unset;
}

/// Gives the items that roots depend on their positions.
template <class T>
void Items<T>::place() {
  for (std::size_t k = items_.size(); k-- > 0;)
    if (items_[k].position != unset)
      for (const std::uint32_t input : inputs(items_[k])) items_[input].position = 0;
  for (Item<T>& item : items_)
    if (item.position != unset) item.position = placed_++;
}

TAPESTRY_INSTANTIATE_TYPES(class Items)

}  // namespace tapestry::detail
