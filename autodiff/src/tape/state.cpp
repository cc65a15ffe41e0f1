// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/state.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "tape/anomaly.hpp"
#include "tape/kernel_memory.hpp"
#include "tapestry/autodiff/detail/expansion.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {
namespace {

/// Makes sure that the next push_back cannot throw.
template <class Element>
void make_room(std::vector<Element>& elements) {
  if (elements.size() == elements.capacity())
    elements.reserve(std::max<std::size_t>(16, 2 * elements.size()));
}

std::atomic<std::uint64_t> tape_count{0};

}  // namespace

void check_size(std::string_view op, const Shape& shape) {
  constexpr std::size_t most = std::numeric_limits<std::int64_t>::max() / sizeof(double);
  std::size_t left = most;
  for (const std::size_t n : shape) {
    if (n == 0) return;
    left /= n;
  }
  if (left == 0) throw ShapeError(op, "too many elements: " + shape.str());
}

Shape reshaped(std::string_view op, const Shape& from, const Shape& to) {
  Shape result = to;
  std::size_t known = 1;
  std::size_t* open = nullptr;
  std::string text;
  for (std::size_t& extent : std::span(&result[0], result.rank())) {
    text += (text.empty() ? "" : ", ") + (extent == rest ? "rest" : std::to_string(extent));
    if (extent != rest) {
      known *= extent;
    } else if (open) {
      throw ShapeError(op, "more than one extent is left open");
    } else {
      open = &extent;
    }
  }
  if (open) *open = 1;
  check_size(op, result);                              // so that `known` is the product
  if (open && known > 0) *open = from.size() / known;  // beside a 0, any extent would do
  if ((open && known == 0) || result.size() != from.size())
    throw ShapeError(op, "cannot give " + std::to_string(from.size()) + " elements of shape " +
                             from.str() + " the shape (" + text + ")");
  return result;
}

template <class T>
TapeState<T>::TapeState() : id(++tape_count), scopes(names) {}

template <class T>
TapeState<T>::~TapeState() {
  clear();
}

template <class T>
void TapeState<T>::orphan() noexcept {
  orphaned_ = true;
  if (uses_ > 0) return;
  hold();  // hooks and ops that go with the tape may own the last handles
  clear();
  let_go();
}

template <class T>
std::uint32_t TapeState<T>::add_leaf(const Shape& shape, Role role, bool requires_grad,
                                     std::string_view name) {
  check_size(name.empty() ? title_of(role) : name, shape);
  Entry<T> entry;
  entry.shape = shape;
  entry.generation = generation;
  entry.scope = scope;
  entry.role = role;
  entry.requires_grad = requires_grad;
  if (!name.empty()) entry.name = names.intern(name);
  const Position before = position();
  const std::uint32_t index = add_entries(entry, 1);
  try {
    entries[index].data = allocate(entries[index].shape);
  } catch (...) {
    undo_apply(before, index);
    throw;
  }
  return index;
}

template <class T>
std::uint32_t TapeState<T>::detach(std::uint32_t source) {
  if (entries[source].pending) materialize(source);
  if (entries[source].watches) check_memory("detach", source);
  Entry<T> entry;
  entry.data = entries[source].data;
  entry.shape = entries[source].shape;
  entry.generation = generation;
  entry.name = entries[source].name;
  entry.scope = scope;
  entry.role = Role::constant;
  if (!are_passing()) keep(source);
  const std::uint32_t index = add_entries(entry, 1);
  lend(source, entries[index]);
  return index;
}

template <class T>
std::uint32_t TapeState<T>::apply(const OpInfo<T>& info, const void* op,
                                  std::span<const std::uint32_t> inputs) {
  const Position before = position();
  std::uint32_t first = none;
  try {
    for (const std::uint32_t i : inputs)
      if (entries[i].needs_care()) prepare(info, i);
    // Within a rule, an op that can add to its destination waits until that is known.
    const bool put_off = in_rule && info.accumulates;
    infer(info, op, inputs);
    first = push_outputs(info, inputs, put_off);
    const std::size_t count = out_shapes_.size();
    if (recording || put_off) push_node(info, op, inputs, first, static_cast<std::uint32_t>(count));
    if (!put_off && !borrow(info, op, inputs.empty() ? none : inputs[0], first)) {
      for (std::size_t j = 0; j < count; ++j) entries[first + j].data = allocate(out_shapes_[j]);
      run_forward(info, op, inputs, first, count);
      if (anomaly && !in_rule) check_results(*this, info, inputs, first);
    }
    if (recording)
      attached_ = attachments_.size();
    else if (attachments_.size() > attached_ && uses_ == 0 && !in_rule)
      drop_attachments();
    return first;
  } catch (Error& error) {
    undo_apply(before, first);
    error.add_place(place());
    throw;
  } catch (...) {
    undo_apply(before, first);
    throw;
  }
}

template <class T>
void TapeState<T>::prepare(const OpInfo<T>& info, std::uint32_t input) {
  if (entries[input].pending) materialize(input);
  if (!are_passing()) keep(input);
  if (!entries[input].watches) return;
  check_memory(info.name, input, recording);
  if (recording) note_read(watched_[owner_of(entries[input]).source]);
}

template <class T>
void TapeState<T>::infer(const OpInfo<T>& info, const void* op,
                         std::span<const std::uint32_t> inputs) {
  in_shapes_.clear();
  for (const std::uint32_t i : inputs) in_shapes_.push_back(&entries[i].shape);
  out_shapes_.resize(info.output_count ? info.output_count(op) : 1);
  info.infer(op, in_shapes_, out_shapes_.data());
  for (const Shape& shape : out_shapes_) check_size(info.name, shape);
}

template <class T>
std::uint32_t TapeState<T>::push_outputs(const OpInfo<T>& info,
                                         std::span<const std::uint32_t> inputs, bool put_off) {
  bool requires_grad = false;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    requires_grad |= entries[inputs[i]].requires_grad && info.differentiable(i);

  Entry<T> entry;
  entry.generation = generation;
  entry.scope = scope;
  entry.requires_grad = requires_grad && recording;
  entry.pending = put_off;
  entry.saved = entry.requires_grad && info.saves_output;
  entry.shape = out_shapes_[0];
  const auto count = static_cast<std::uint32_t>(out_shapes_.size());
  const std::uint32_t first = add_entries(entry, count);
  for (std::uint32_t j = 1; j < count; ++j) entries[first + j].shape = out_shapes_[j];
  return first;
}

template <class T>
void TapeState<T>::push_node(const OpInfo<T>& info, const void* op,
                             std::span<const std::uint32_t> inputs, std::uint32_t first_output,
                             std::uint32_t outputs) {
  const auto index = static_cast<std::uint32_t>(nodes.size());
  Node<T>& node = nodes.emplace_back();
  node.info = &info;
  node.first_input = static_cast<std::uint32_t>(edges.size());
  node.input_count = static_cast<std::uint32_t>(inputs.size());
  node.first_output = first_output;
  node.output_count = outputs;
  node.scope = scope;
  for (const std::uint32_t input : inputs) edges.push_back(input);
  if (info.size > 0) {
    if (info.destroy) make_room(destructible_);
    void* const copy = arena.allocate(info.size);
    info.copy(op, copy);
    node.op = copy;
    if (info.destroy) destructible_.push_back(index);
  }
  for (std::uint32_t j = 0; j < outputs; ++j) entries[first_output + j].node = index;
  if (!entries[first_output].requires_grad) return;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (info.saves(i) || info.expand) entries[inputs[i]].saved = true;
}

template <class T>
bool TapeState<T>::borrow(const OpInfo<T>& info, const void* op, std::uint32_t input,
                          std::uint32_t output) {
  std::size_t offset = 0;
  if (!info.alias || !info.alias(op, entries[input].shape, offset)) return false;
  entries[output].data = entries[input].data + offset;
  lend(input, entries[output]);
  return true;
}

template <class T>
void TapeState<T>::run_forward(const OpInfo<T>& info, const void* op,
                               std::span<const std::uint32_t> inputs, std::uint32_t first_output,
                               std::size_t outputs) {
  ins_.clear();
  outs_.clear();
  for (const std::uint32_t i : inputs) ins_.push_back({entries[i].data, &entries[i].shape});
  for (std::size_t j = 0; j < outputs; ++j) {
    Entry<T>& entry = entries[first_output + j];
    outs_.push_back({entry.data, &entry.shape, false});
  }
  const InUse<T> use(*this);
  if (info.forward_in)
    run_in_memory(info, op, first_output);
  else
    info.forward(op, ins_, outs_);
  check_not_orphaned(info.name);
}

/// Forward of an op that asks for memory, between `ins_` and `outs_`. It is kept for backward if
/// there can be one.
template <class T>
void TapeState<T>::run_in_memory(const OpInfo<T>& info, const void* op,
                                 std::uint32_t first_output) {
  T* kept = nullptr;
  if (info.keeps && entries[first_output].requires_grad) {
    Node<T>& node = nodes[entries[first_output].node];
    in_shapes_.clear();
    for (const In<T>& input : ins_) in_shapes_.push_back(input.extents);
    node.kept_size = info.keeps(op, in_shapes_);
    node.kept = kept = static_cast<T*>(arena.allocate(node.kept_size * sizeof(T)));
  }
  KernelMemory<T> memory(arena, kept);
  info.forward_in(op, ins_, outs_, memory);
}

template <class T>
void TapeState<T>::restore_kept(std::uint32_t index) {
  Node<T>& node = nodes[index];
  if (!node.info->keeps || node.kept) return;
  node.kept = static_cast<T*>(arena.allocate(node.kept_size * sizeof(T)));
  KernelMemory<T> memory(arena, node.kept);
  ins_.clear();
  outs_.clear();
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    const Entry<T>& input = entries[edges[node.first_input + i]];
    ins_.push_back({input.data, &input.shape});
  }
  for (std::uint32_t j = 0; j < node.output_count; ++j) {
    const Shape& shape = entries[node.first_output + j].shape;
    outs_.push_back({memory.temporary(shape.size()), &shape, false});
  }
  node.info->forward_in(node.op, ins_, outs_, memory);
}

template <class T>
void TapeState<T>::release_kept(Node<T>& node) {
  if (node.kept) arena.release(node.kept, node.kept_size * sizeof(T));
  node.kept = nullptr;
}

template <class T>
void TapeState<T>::materialize(std::uint32_t index) {
  Entry<T>& entry = entries[index];
  const Node<T>& node = nodes[entry.node];
  for (std::uint32_t j = 0; j < node.output_count; ++j) {
    Entry<T>& output = entries[node.first_output + j];
    output.data = allocate(output.shape);
    output.pending = false;
  }
  run_forward(*node.info, node.op, {edges.data() + node.first_input, node.input_count},
              node.first_output, node.output_count);
}

template <class T>
void TapeState<T>::materialize_into(std::uint32_t index, const Out<T>& target) {
  const Node<T>& node = nodes[entries[index].node];
  ins_.clear();
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    const Entry<T>& input = entries[edges[node.first_input + i]];
    ins_.push_back({input.data, &input.shape});
  }
  node.info->forward(node.op, ins_, {&target, 1});
}

template <class T>
void* TapeState<T>::attach(const void* data, std::size_t bytes) {
  make_room(attachments_);
  void* copy = arena.allocate(bytes);
  if (bytes > 0) std::memcpy(copy, data, bytes);
  attachments_.push_back({copy, bytes});
  return copy;
}

std::string_view title_of(Role role) {
  switch (role) {
    case Role::parameter:
      return "parameter";
    case Role::input:
      return "input";
    case Role::constant:
      return "constant";
    case Role::op:
      break;
  }
  return "value";
}

template <class T>
std::string TapeState<T>::display_name(std::uint32_t index) const {
  const Entry<T>& entry = entries[index];
  if (entry.name != none) return names[entry.name];
  return std::string(entry.node == none ? title_of(entry.role) : nodes[entry.node].info->name);
}

template <class T>
void TapeState<T>::throw_stale(std::string_view op, std::uint32_t index) const {
  StaleVariable error(op, orphaned_ ? "the tape of this variable no longer exists"
                                    : "stale variable: value " + std::to_string(index) +
                                          " of this tape was dropped by clear() or rewind()");
  error.add_place(place());
  throw error;
}

template <class T>
void TapeState<T>::throw_foreign(std::string_view op) const {
  StaleVariable error(op, "operands belong to different tapes");
  error.add_place(place());
  throw error;
}

template <class T>
void TapeState<T>::throw_busy(std::string_view op) const {
  GradientError error(
      op, passes_ > 0 ? "a gradient pass runs over this tape, and this was called from a "
                        "hook or rule of it; do it when the pass has ended, or on another "
                        "tape"
                      : "this was called from a callback of a call that works on this tape; "
                        "do it when that has returned, or on another tape");
  error.add_place(place());
  throw error;
}

template <class T>
void TapeState<T>::check_not_orphaned(std::string_view op) const {
  if (orphaned_)
    throw GradientError(op,
                        "the tape was destroyed by a hook or rule of this pass; gradients are "
                        "not complete");
}

template <class T>
void TapeState<T>::check_available(std::string_view op, std::uint32_t index) const {
  if (!entries[index].released) return;
  GradientError error(op, "the value of '" + display_name(index) +
                              "' was given back by backward(), since no variable referred to it; "
                              "call tape.retain_all() before, or name it");
  error.add_place(place());
  throw error;
}

template <class T>
Position TapeState<T>::position() const {
  return {static_cast<std::uint32_t>(entries.size()), static_cast<std::uint32_t>(nodes.size()),
          static_cast<std::uint32_t>(edges.size()), static_cast<std::uint32_t>(attachments_.size()),
          static_cast<std::uint32_t>(watched_.size())};
}

template <class T>
void TapeState<T>::truncate(const Position& to, bool renumber) {
  if (orphaned_ && entries.size() < to.entries) return;  // cleared by now
  // Hooks and ops may own handles, also of what is dropped here.
  if (!hooks.empty()) hooks.erase(hooks.lower_bound(to.entries), hooks.end());
  if (!expansions.empty()) expansions.erase(expansions.lower_bound(to.nodes), expansions.end());
  if (!vacant_.empty()) cut_ties(to);
  for (std::size_t i = to.entries; i < entries.size(); ++i) {
    renumber |= entries[i].handles > 0;
    release_grad(entries[i]);
    release_data(entries[i]);
  }
  while (!destructible_.empty() && destructible_.back() >= to.nodes) {
    const Node<T>& node = nodes[destructible_.back()];
    node.info->destroy(node.op);
    destructible_.pop_back();
  }
  for (std::size_t i = to.nodes; i < nodes.size(); ++i) {
    release_kept(nodes[i]);
    if (nodes[i].op) arena.release(nodes[i].op, nodes[i].info->size);
  }
  for (std::size_t i = to.attachments; i < attachments_.size(); ++i)
    arena.release(attachments_[i].data, attachments_[i].bytes);
  if (to.entries < vacant_end_ || to.watched < vacant_watched_end_) forget_vacant(to);
  entries.resize(to.entries);
  nodes.resize(to.nodes);
  edges.resize(to.edges);
  attachments_.resize(to.attachments);
  attached_ = std::min<std::size_t>(attached_, to.attachments);
  marked_ = std::min(marked_, to.entries);
  watched_.erase(watched_.begin() + to.watched, watched_.end());
  if (renumber) ++generation;
}

template <class T>
void TapeState<T>::clear() {
  for (const std::uint32_t i : destructible_) nodes[i].info->destroy(nodes[i].op);
  destructible_.clear();
  hooks.clear();
  expansions.clear();
  entries.clear();
  nodes.clear();
  edges.clear();
  attachments_.clear();
  watched_.clear();
  for (auto& [count, list] : vacant_) list = none;
  vacant_watched_ = none;
  vacant_end_ = vacant_watched_end_ = marked_ = 0;
  attached_ = 0;
  arena.reset();
  cleared = ++generation;
}

template <class T>
void TapeState<T>::forget_unused() {
  constexpr std::size_t few = 16384;  // of which a step may have so many each time
  if (names.size() + scopes.size() <= std::max(keep_texts_, few)) return;
  std::vector<bool> used_scopes(scopes.end());
  std::vector<bool> used_names(names.end());
  const auto use = [&](std::uint32_t id) {
    for (; id != 0 && !used_scopes[id]; id = scopes[id].parent) {
      used_scopes[id] = true;
      if (scopes[id].name != none) used_names[scopes[id].name] = true;
    }
  };
  use(scope);
  for (const Node<T>& node : nodes) use(node.scope);
  for (const Entry<T>& entry : entries) {
    use(entry.scope);
    if (entry.name != none) used_names[entry.name] = true;
  }
  scopes.keep_only(used_scopes);
  names.keep_only(used_names);
  keep_texts_ = 2 * (names.size() + scopes.size());
}

template <class T>
void TapeState<T>::release_data(Entry<T>& entry) {
  if (entry.data && !entry.borrowed) arena.release(entry.data, entry.bytes());
  entry.data = nullptr;
}

template <class T>
void TapeState<T>::release_grad(Entry<T>& entry) {
  if (entry.grad && !entry.grad_borrowed) arena.release(entry.grad, entry.bytes());
  entry.grad = nullptr;
}

template <class T>
Out<T> TapeState<T>::grad_target(std::uint32_t index) {
  Entry<T>& entry = entries[index];
  if (entry.grad_outside) {
    bool stored = false;
    T* grad = parameter_of(entry)->grad_storage(stored);
    return {grad, &entry.shape, stored};
  }
  const bool stored = has_grad(entry);
  if (!entry.grad) entry.grad = allocate(entry.shape);
  entry.pass = pass;
  return {entry.grad, &entry.shape, stored};
}

TAPESTRY_INSTANTIATE_TYPES(class TapeState)

}  // namespace tapestry::detail
