// SPDX-License-Identifier: MIT
// A segment is one node without a gradient rule of its own: only its definition is known, which is
// to run it again, and backward goes through that (run_expanded in backward.cpp and gradients.cpp).
#include "tapestry/autodiff/checkpoint.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/op.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tapestry::detail {
namespace {

constexpr const char* op_name = "checkpoint";

/// What a second run needs.
template <class T>
struct Record {
  Segment<T> run;
  Generator generator;                    // as it was before the first run
  std::size_t arguments = 0;              // of `run`, the first inputs of the node
  std::vector<Parameter<T>*> parameters;  // watched within; their leaves are the last inputs
  std::vector<WatchedAs<T>> watched_as;   // as of an outer segment
  std::vector<Shape> shapes;              // of the results
  std::vector<Array<T>> values;           // from the first run, until the node has them
};

template <class T>
struct Checkpoint {
  std::shared_ptr<Record<T>> record;
};

template <class T>
const std::shared_ptr<Record<T>>& record_of(const void* op) {
  return static_cast<const Checkpoint<T>*>(op)->record;
}

/// Sets the default generator, and puts it back.
class Drawing {
 public:
  explicit Drawing(const Generator& generator)
      : before_(std::exchange(default_generator(), generator)) {}
  Drawing(const Drawing&) = delete;
  Drawing& operator=(const Drawing&) = delete;
  ~Drawing() { default_generator() = before_; }

 private:
  Generator before_;
};

/// Makes `watch` return leaves that exist already.
template <class T>
class Watching {
 public:
  Watching(TapeState<T>& state, std::vector<WatchedAs<T>> watched_as)
      : state_(state), before_(std::exchange(state.watched_as, std::move(watched_as))) {}
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;
  ~Watching() { state_.watched_as = std::move(before_); }

 private:
  TapeState<T>& state_;
  std::vector<WatchedAs<T>> before_;
};

template <class T>
std::vector<Variable<T>> run_again(const void* op, std::span<const Variable<T>> x) {
  const std::shared_ptr<Record<T>> record = record_of<T>(op);
  TapeState<T>& state = x[0].state(op_name);
  std::vector<WatchedAs<T>> watched_as = record->watched_as;
  const std::size_t first = x.size() - record->parameters.size();
  for (std::size_t i = 0; i < record->parameters.size(); ++i)
    watched_as.push_back({record->parameters[i], x[first + i].index()});
  const Drawing drawing(record->generator);
  const Watching<T> watching(state, std::move(watched_as));
  std::vector<Variable<T>> results = record->run(x.first(record->arguments));
  bool same = results.size() == record->shapes.size();
  for (std::size_t j = 0; same && j < results.size(); ++j)
    same = results[j].shape() == record->shapes[j];
  if (!same) throw GradientError(op_name, "the segment gave other shapes when it was run again");
  return results;
}

template <class T>
OpInfo<T> make_info() {
  OpInfo<T> info;
  info.name = op_name;
  info.saves_output = false;
  info.size = sizeof(Checkpoint<T>);
  info.output_count = [](const void* op) { return record_of<T>(op)->shapes.size(); };
  info.infer = [](const void* op, std::span<const Shape* const>, Shape* outputs) {
    std::ranges::copy(record_of<T>(op)->shapes, outputs);
  };
  info.forward = [](const void* op, std::span<const In<T>>, std::span<const Out<T>> outputs) {
    for (std::size_t j = 0; j < outputs.size(); ++j)
      std::ranges::copy(record_of<T>(op)->values[j], outputs[j].data);
  };
  info.expand = &run_again<T>;
  info.copy = [](const void* op, void* storage) {
    new (storage) Checkpoint<T>(*static_cast<const Checkpoint<T>*>(op));
  };
  info.destroy = [](void* op) noexcept { static_cast<Checkpoint<T>*>(op)->~Checkpoint(); };
  return info;
}

/// Adds the values from before `start` that were used since, and lists the parameters watched.
template <class T>
void find_sources(const TapeState<T>& state, const Position& start,
                  std::vector<std::uint32_t>& inputs, std::vector<Parameter<T>*>& parameters) {
  std::vector<bool> known(start.entries);
  for (const std::uint32_t input : inputs) known[input] = true;
  for (std::size_t i = start.edges; i < state.edges.size(); ++i) {
    const std::uint32_t input = state.edges[i];
    if (input >= start.entries || known[input]) continue;
    known[input] = true;
    inputs.push_back(input);
  }
  std::unordered_set<const Parameter<T>*> watched;
  for (std::size_t i = start.entries; i < state.entries.size(); ++i) {
    Parameter<T>* parameter = state.parameter_of(state.entries[i]);
    if (parameter && watched.insert(parameter).second) parameters.push_back(parameter);
  }
}

/// Runs the segment for its values, and leaves nothing of it on the tape. Returns the inputs.
template <class T>
std::vector<std::uint32_t> first_run(TapeState<T>& state, Record<T>& record,
                                     std::span<const Variable<T>> x) {
  std::vector<std::uint32_t> inputs;
  for (const Variable<T>& v : x) inputs.push_back(operand(op_name, state, v));
  const Position before = state.position();
  {
    const std::vector<Variable<T>> results = record.run(x);
    if (results.empty()) throw ArgumentError(op_name, "the segment returns nothing");
    for (const Variable<T>& result : results) {
      static_cast<void>(operand(op_name, state, result));
      record.shapes.push_back(result.shape());
      record.values.emplace_back(result.value());
    }
    find_sources(state, before, inputs, record.parameters);
  }
  state.truncate(before, true);
  return inputs;
}

}  // namespace

template <class T>
std::vector<Variable<T>> checkpoint_segment(Segment<T> run, std::span<const Variable<T>> x) {
  static const OpInfo<T> info = make_info<T>();
  TapeState<T>& state = x[0].state(op_name);
  if (!state.recording || state.primitive) return run(x);
  return attempt(state, [&] {
    const Checkpoint<T> op{std::make_shared<Record<T>>()};
    Record<T>& record = *op.record;
    record.run = std::move(run);
    record.generator = default_generator();
    record.arguments = x.size();
    record.watched_as = state.watched_as;
    std::vector<std::uint32_t> inputs = first_run(state, record, x);
    for (Parameter<T>* parameter : record.parameters) inputs.push_back(state.watch(*parameter));
    const std::uint32_t first = state.apply(info, &op, inputs);
    record.values.clear();
    std::vector<Variable<T>> results;
    for (std::uint32_t j = 0; j < record.shapes.size(); ++j) results.emplace_back(state, first + j);
    return results;
  });
}

TAPESTRY_INSTANTIATE(checkpoint_segment)

}  // namespace tapestry::detail
