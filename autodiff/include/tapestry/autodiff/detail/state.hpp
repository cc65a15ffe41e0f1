// SPDX-License-Identifier: MIT
// What a tape consists of. Users see it through Tape and Variable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/detail/arena.hpp"
#include "tapestry/autodiff/detail/followed.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/detail/op_info.hpp"
#include "tapestry/autodiff/detail/scopes.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

template <class T>
class Tape;

/// What a value is to the reader of a graph.
enum class Role : std::uint8_t { parameter, input, constant, op };

namespace detail {

/// What a leaf without a name is called; "value" for what an op computed.
std::string_view title_of(Role role);

/// Throws ShapeError when the elements cannot be counted, let alone stored.
void check_size(std::string_view op, const Shape& shape);

/// `to`, with its one extent that may be `rest` replaced by what the elements of `from` leave.
/// Throws ShapeError when they cannot have the shape.
Shape reshaped(std::string_view op, const Shape& from, const Shape& to);

/// A value on the tape: the output of a node, or a leaf.
template <class T>
struct Entry {
  T* data = nullptr;
  T* grad = nullptr;
  Shape shape;
  std::uint32_t node = none;  // what computed it
  std::uint32_t generation = 0;
  std::uint32_t handles = 0;  // variables that refer to it
  std::uint32_t name = none;
  std::uint32_t scope = 0;
  std::uint32_t pass = 0;       // the backward pass that `grad` is from
  std::uint32_t source = none;  // a parameter's leaf: its number among the watched; an entry that
                                // borrows from another: the one that owns the memory; a vacant
                                // one: the next of its kind
  std::uint32_t group = 1;      // outputs of the op, when it was not recorded
  std::uint32_t output = 0;
  Role role = Role::op;
  bool requires_grad : 1 = false;
  bool saved : 1 = false;     // some rule reads the value
  bool borrowed : 1 = false;  // `data` belongs to another entry or a parameter
  bool lent : 1 = false;      // another entry borrows `data`
  bool grad_borrowed : 1 = false;
  bool retain_grad : 1 = false;
  bool pending : 1 = false;       // inside a rule: not computed yet, its destination is not known
  bool watches : 1 = false;       // reads the memory of a parameter
  bool passing : 1 = false;       // was made while nothing is recorded: goes with its last handle
  bool released : 1 = false;      // backward gave the value's memory back
  bool hooked : 1 = false;        // there may be hooks on the gradient
  bool grad_outside : 1 = false;  // the gradient is that of the parameter
  bool holds : 1 = false;         // counts as a handle of `source`
  bool vacant : 1 = false;        // its place can be taken by another value

  [[nodiscard]] std::size_t bytes() const { return shape.size() * sizeof(T); }

  /// Whether an op that reads the value must look at it first.
  [[nodiscard]] bool needs_care() const { return pending || watches || passing; }
};

/// One application of an op.
template <class T>
struct Node {
  const OpInfo<T>* info = nullptr;
  void* op = nullptr;
  std::uint32_t first_input = 0;  // into `edges`
  std::uint32_t input_count = 0;
  std::uint32_t first_output = 0;  // into `entries`
  std::uint32_t output_count = 0;
  std::uint32_t scope = 0;
  T* kept = nullptr;  // what a fused op keeps for backward, until that has run
  std::size_t kept_size = 0;

  [[nodiscard]] std::size_t kept_bytes() const { return kept ? kept_size * sizeof(T) : 0; }
};

/// What a user wants to do with the gradient of an entry: returns what takes its place, or an empty
/// handle.
template <class T>
struct GradientHook {
  std::shared_ptr<bool> active;
  std::function<Variable<T>(const Variable<T>&)> call;
};

/// The leaf that stands for a parameter while a segment is run again.
template <class T>
struct WatchedAs {
  Parameter<T>* parameter = nullptr;
  std::uint32_t entry = 0;
};

/// Where a tape can be rewound to.
struct Position {
  std::uint32_t entries = 0;
  std::uint32_t nodes = 0;
  std::uint32_t edges = 0;
  std::uint32_t attachments = 0;
  std::uint32_t watched = 0;
};

template <class T>
class InUse;
template <class T>
class RunningPass;
template <class T>
class Expansion;

template <class T>
class TapeState {
 public:
  TapeState();
  ~TapeState();
  TapeState(const TapeState&) = delete;
  TapeState& operator=(const TapeState&) = delete;

  const std::uint64_t id;    // no other tape of the program has or had it
  Tape<T>* owner = nullptr;  // null once it is gone

  // Handles ------------------------------------------------------------------------------------
  [[nodiscard]] bool alive(std::uint32_t index, std::uint32_t generation) const {
    return index < entries.size() && entries[index].generation == generation;
  }
  void retain(std::uint32_t index, std::uint32_t generation) {
    ++handle_total_;
    if (alive(index, generation)) ++entries[index].handles;
  }
  void drop(std::uint32_t index, std::uint32_t generation) noexcept {
    if (alive(index, generation) && --entries[index].handles == 0 && entries[index].passing)
      vacate(index);
    let_go();
  }

  /// Keeps this alive as a handle does, for whoever refers to the tape and not to a value.
  void hold() noexcept { ++handle_total_; }
  void let_go() noexcept {
    if (--handle_total_ == 0 && orphaned_) delete this;
  }

  /// The tape is gone; handles may remain, and keep this alive as long as they do. What a pass
  /// works on stays until that has ended.
  void orphan() noexcept;

  /// Throws GradientError while a pass runs, or a call that gives the tape back as it was if it
  /// fails: `op` would take away what that works on.
  void check_idle(std::string_view op) const {
    if (uses_ > 0) throw_busy(op);
  }
  void check_no_pass(std::string_view op) const {
    if (passes_ > 0) throw_busy(op);
  }

  /// The same for dropping what came after `position`.
  void check_droppable(std::string_view op, const Position& position) const {
    if (passes_ > 0 || (uses_ > 0 && position.entries < floor_)) throw_busy(op);
  }

  // Building -----------------------------------------------------------------------------------
  /// Adds a leaf that owns uninitialised memory of the given shape.
  std::uint32_t add_leaf(const Shape& shape, Role role, bool requires_grad, std::string_view name);

  /// Adds a leaf that reads the parameter's storage.
  std::uint32_t watch(Parameter<T>& parameter);

  /// Adds a leaf that reads the data of `source` and has no gradient.
  std::uint32_t detach(std::uint32_t source);

  /// Gives back those outputs of an op, from the first of them on, to which nobody refers.
  void drop_unused(std::uint32_t first);

  /// Applies an op: checks shapes, computes, and (when recording) remembers how. Returns the index
  /// of the first output. Throws what the op's `infer` throws, with the place added; the tape is
  /// then as it was.
  std::uint32_t apply(const OpInfo<T>& info, const void* op, std::span<const std::uint32_t> inputs);

  /// The checks of `apply` alone: throws what the op's `infer` throws.
  void infer(const OpInfo<T>& info, const void* op, std::span<const std::uint32_t> inputs);

  /// Copies bytes that an op needs for as long as its node exists, or until it is applied.
  void* attach(const void* data, std::size_t bytes);

  /// Computes a value whose computation was put off, into memory of its own or into `target`.
  void materialize(std::uint32_t index);
  void materialize_into(std::uint32_t index, const Out<T>& target);

  /// Scratch for the inputs of ops with any number of them, kept for its capacity.
  std::vector<std::uint32_t> many_inputs;

  /// Where variables that are given a name are kept while nothing is recorded; usually null.
  std::vector<Variable<T>>* named_values = nullptr;

  // Reading ------------------------------------------------------------------------------------
  /// Name for messages and drawings: the given one, else the op's or the role's.
  [[nodiscard]] std::string display_name(std::uint32_t index) const;
  [[nodiscard]] std::string place() const { return scopes.path(scope); }

  /// Throws StaleVariable, GradientError: why the handle or value cannot be used by `op`.
  [[noreturn]] void throw_stale(std::string_view op, std::uint32_t index) const;
  [[noreturn]] void throw_foreign(std::string_view op) const;
  [[noreturn]] void throw_busy(std::string_view op) const;
  void check_available(std::string_view op, std::uint32_t index) const;

  /// The parameter whose leaf the entry is; null for others, and when it no longer exists.
  [[nodiscard]] Parameter<T>* parameter_of(const Entry<T>& entry) const {
    return entry.role == Role::parameter ? watched_[entry.source].parameter.get() : nullptr;
  }

  /// The value, or null where it is gone: given back by backward, not computed yet, or of a
  /// parameter that no longer exists or has other memory.
  [[nodiscard]] const T* data_of(const Entry<T>& entry) const;

  /// Throws GradientError unless the parameter that the entry reads is there, with the memory that
  /// it had when it was watched and, if `numbers` matter too, not changed since.
  void check_memory(std::string_view op, std::uint32_t index, bool numbers = false) const;

  // Memory and order ---------------------------------------------------------------------------
  [[nodiscard]] Position position() const;

  /// A position to which users may go back: the places of values from before are not taken by
  /// later ones.
  [[nodiscard]] Position mark();

  /// Drops all that came after. Handles to the dropped values become stale; with `renumber` so do
  /// marks.
  void truncate(const Position& position, bool renumber);
  void clear();

  /// Gives back the memory of names and scopes that nothing on the tape has, once there are many.
  void forget_unused();
  [[nodiscard]] T* allocate(const Shape& shape) {
    return static_cast<T*>(arena.allocate(shape.size() * sizeof(T)));
  }
  void release_data(Entry<T>& entry);
  void release_grad(Entry<T>& entry);
  void release_kept(Node<T>& node);

  /// Makes sure that a node has what its op keeps for backward: runs forward again if an earlier
  /// pass has used it up.
  void restore_kept(std::uint32_t node);

  /// Storage for a gradient of entry `index` in the current pass.
  Out<T> grad_target(std::uint32_t index);

  /// Whether the entry holds a gradient: for leaves any, for others one of the current pass.
  [[nodiscard]] bool has_grad(const Entry<T>& entry) const {
    return entry.grad != nullptr && (entry.node == none || entry.pass == pass);
  }

  std::vector<Entry<T>> entries;
  std::vector<Node<T>> nodes;
  std::vector<std::uint32_t> edges;  // inputs of all nodes, one after another
  std::map<std::uint32_t, std::vector<GradientHook<T>>> hooks;        // by entry
  std::vector<WatchedAs<T>> watched_as;                               // usually empty
  std::map<std::uint32_t, std::shared_ptr<Expansion<T>>> expansions;  // of nodes, see expansion.hpp
  Expansion<T>* shows = nullptr;  // the expansion whose tape this is; usually null
  Names names;
  Scopes scopes;
  Arena arena;
  std::uint32_t generation = 1;
  std::uint32_t cleared = 1;  // the generation that the last clear() began
  std::uint32_t scope = 0;    // the innermost open one
  std::uint32_t pass = 0;     // backward passes since the tape was made
  bool recording = true;
  bool primitive = false;   // fused ops are recorded as their expansion
  bool retain_all = false;  // backward keeps every value and gradient
  bool in_rule = false;     // a gradient rule is running, and not recording
  bool anomaly = false;     // every result and gradient is checked for being finite

 private:
  friend class InUse<T>;
  friend class RunningPass<T>;
  void end_use() {
    if (orphaned_)
      clear();
    else if (attachments_.size() > attached_ && are_passing())
      drop_attachments();
  }

  struct Attachment {
    void* data;
    std::size_t bytes;
  };
  struct Watched {
    std::uint32_t entry = none;    // its leaf; where it is vacant, the next such place
    Link<Parameter<T>> parameter;  // leads nowhere where it is vacant
    const T* data = nullptr;
    std::uint64_t version = 0;
    std::uint64_t sum = 0;  // checksum of the numbers when a recorded op first read them; 0: there
                            // was none, or no reference to write them with
    bool read = false;      // by a recorded op
  };
  enum class Change : std::uint8_t { none, gone, moved, written };

  std::uint32_t push_outputs(const OpInfo<T>& info, std::span<const std::uint32_t> inputs,
                             bool put_off);
  void push_node(const OpInfo<T>& info, const void* op, std::span<const std::uint32_t> inputs,
                 std::uint32_t first_output, std::uint32_t outputs);
  void run_forward(const OpInfo<T>& info, const void* op, std::span<const std::uint32_t> inputs,
                   std::uint32_t first_output, std::size_t outputs);
  void run_in_memory(const OpInfo<T>& info, const void* op, std::uint32_t first_output);
  bool borrow(const OpInfo<T>& info, const void* op, std::uint32_t input, std::uint32_t output);
  void lend(std::uint32_t from, Entry<T>& to);
  [[nodiscard]] bool are_passing() const { return !recording && !in_rule; }
  std::uint32_t add_entries(const Entry<T>& entry, std::uint32_t count);
  std::uint32_t add_watched(Watched watched);
  void vacate(std::uint32_t index) noexcept;
  void vacate_one(std::uint32_t index) noexcept;
  void forget_vacant(const Position& from);
  void cut_ties(const Position& to);
  void keep(std::uint32_t index);
  void let_go_of(std::uint32_t lender) {
    if (--entries[lender].handles == 0 && entries[lender].passing) vacate(lender);
  }
  void undo_apply(const Position& before, std::uint32_t first);
  void drop_attachments();
  void prepare(const OpInfo<T>& info, std::uint32_t input);
  void note_read(Watched& watched);
  [[nodiscard]] const Entry<T>& owner_of(const Entry<T>& entry) const {
    return entry.role == Role::parameter ? entry : entries[entry.source];
  }
  [[nodiscard]] Change change_of(const Watched& watched) const;
  [[nodiscard]] bool is_rewritten(const Watched& watched) const;
  [[nodiscard]] std::string text_of(const Watched& watched, std::string_view changed) const;
  [[nodiscard]] const Watched* first_changed(bool compare) const;

  std::vector<Attachment> attachments_;
  std::vector<Watched> watched_;
  std::vector<std::uint32_t> destructible_;  // nodes whose op must be destroyed
  std::vector<const Shape*> in_shapes_;      // scratch of apply, kept for their capacity
  std::vector<Shape> out_shapes_;
  std::vector<In<T>> ins_;
  std::vector<Out<T>> outs_;
  std::uint64_t handle_total_ = 0;
  std::size_t keep_texts_ = 0;  // so many names and scopes are kept without asking
  std::uint32_t uses_ = 0;      // calls that work on the tape, see InUse
  std::uint32_t passes_ = 0;    // those of them that are passes
  std::uint32_t floor_ = 0;     // entries that the innermost of them found
  std::map<std::uint32_t, std::uint32_t> vacant_;  // by the size of a group: the first such group
  std::uint32_t vacant_watched_ = none;
  std::uint32_t vacant_watched_end_ = 0;
  std::uint32_t vacant_end_ = 0;  // one past the last entry that is vacant
  std::uint32_t marked_ = 0;      // entries when the latest mark was taken
  std::size_t attached_ = 0;      // attachments that belong to nodes
  bool orphaned_ = false;

 public:
  /// Throws GradientError when a watched parameter has changed since; `op` is what needs it. The
  /// numbers themselves are looked at only where one asks to `compare` them.
  void check_watched(std::string_view op, bool compare = true) const;

  /// Throws GradientError when the tape was destroyed by what a pass calls.
  void check_not_orphaned(std::string_view op) const;

  /// Whether all watched parameters still hold what they held when they were watched.
  [[nodiscard]] bool watched_are_unchanged() const { return !first_changed(true); }
};

TAPESTRY_EXTERN_TYPES(class TapeState)

/// While it lives, a call works on the tape: user code in it (a callback of a layer, a segment)
/// cannot take away what was there before, and a tape that is destroyed stays until the call ends.
template <class T>
class [[nodiscard]] InUse {
 public:
  explicit InUse(TapeState<T>& state) : state_(state), floor_(state.floor_) {
    state.hold();
    ++state.uses_;
    state.floor_ = static_cast<std::uint32_t>(state.entries.size());
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() {
    state_.floor_ = floor_;
    if (--state_.uses_ == 0) state_.end_use();
    state_.let_go();
  }

 private:
  TapeState<T>& state_;
  std::uint32_t floor_;
};

/// The same while a gradient pass runs, whose hooks and rules can drop nothing at all. Throws
/// GradientError when a pass runs already, unless this one is `nested` in a segment or rule that
/// is being recorded.
template <class T>
class [[nodiscard]] RunningPass {
 public:
  RunningPass(TapeState<T>& state, std::string_view op, bool nested = false)
      : state_(checked(state, op, nested)), use_(state) {
    ++state.passes_;
  }
  RunningPass(const RunningPass&) = delete;
  RunningPass& operator=(const RunningPass&) = delete;
  ~RunningPass() { --state_.passes_; }

 private:
  static TapeState<T>& checked(TapeState<T>& state, std::string_view op, bool nested) {
    if (!nested || state.in_rule) state.check_no_pass(op);
    return state;
  }

  TapeState<T>& state_;
  InUse<T> use_;
};

/// Runs `body`. If it throws, the tape is as it was before, and the message says where that was.
template <class T, class Body>
auto attempt(TapeState<T>& state, const Body& body) {
  const InUse<T> use(state);
  const Position before = state.position();
  try {
    return body();
  } catch (Error& error) {
    state.truncate(before, true);
    error.add_place(state.place());
    throw;
  } catch (...) {
    state.truncate(before, true);
    throw;
  }
}

}  // namespace detail
}  // namespace tapestry
