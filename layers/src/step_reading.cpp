// SPDX-License-Identifier: MIT
#include "step_reading.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "standardise.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/ops.hpp"

namespace tapestry::layers {
namespace {

template <class T>
std::string title_of(const StepRecording<T>& r, std::uint32_t entry) {
  const detail::TapeState<T>& tape = r.tape->state();
  const std::uint32_t node = tape.entries[entry].node;
  const std::string name = tape.display_name(entry);
  if (node == detail::none) return "'" + name + "'";
  const std::string op(tape.nodes[node].info->name);
  return "op '" + op + (op == name ? "'" : "' ('" + name + "')");
}

/// An op of the library that a program runs by other means than its own: by a kernel of the steps,
/// or as a move of columns if there is no kernel.
template <class T>
struct KnownOp {
  const detail::OpInfo<T>* info;
  std::optional<StepKernel> kernel;
};

/// They are found by applying them, and known by their tables: a user's op may have the same name.
template <class T>
std::array<KnownOp<T>, 18> find_known_ops() {
  Tape<T> tape;
  const Variable<T> x(tape.state(), tape.state().add_leaf({2, 2}, Role::input, true, "x"));
  std::fill_n(tape.state().entries[x.index()].data, 4, T{1});
  const auto known = [&](const Variable<T>& y, std::optional<StepKernel> kernel) {
    return KnownOp<T>{tape.state().nodes[tape.state().entries[y.index()].node].info, kernel};
  };
  const std::vector<Variable<T>> two{x, x};
  return {{known(x + x, StepKernel::add), known(x - x, StepKernel::subtract),
           known(x * x, StepKernel::multiply), known(-x, StepKernel::linear),
           known(x + 1, StepKernel::linear), known(1 - x, StepKernel::linear),
           known(2 * x, StepKernel::linear), known(tanh(x), StepKernel::tanh),
           known(sigmoid(x), StepKernel::sigmoid), known(relu(x), StepKernel::relu),
           known(standardise(x), StepKernel::standardise), known(slice(x, 1, 0, 1), std::nullopt),
           known(split(x, 2, 1)[0], std::nullopt), known(concatenate(two, 1), std::nullopt),
           known(stack(two, 1), std::nullopt), known(reshape(x, {2, 2, 1}), std::nullopt),
           known(flip(x, 1), std::nullopt), known(transpose(x), std::nullopt)}};
}

/// The one with this table; null if there is none.
template <class T>
const KnownOp<T>* known_op(const detail::OpInfo<T>* info) {
  static const auto all = find_known_ops<T>();
  const auto found = std::ranges::find(all, info, &KnownOp<T>::info);
  return found == all.end() ? nullptr : &*found;
}

/// Runs an op's forward on numbers of its own.
template <class T>
class Trial {
 public:
  Trial(const detail::OpInfo<T>& info, const void* op, std::vector<Shape> in,
        std::vector<Shape> out)
      : info_(info), op_(op), in_shapes_(std::move(in)), out_shapes_(std::move(out)) {
    for (const Shape& shape : in_shapes_) inputs.emplace_back(shape.size());
    for (const Shape& shape : out_shapes_) outputs.emplace_back(shape.size());
  }

  void run() {
    std::vector<In<T>> in;
    std::vector<Out<T>> out;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      in.push_back({inputs[i].data(), &in_shapes_[i]});
    for (std::size_t j = 0; j < outputs.size(); ++j)
      out.push_back({outputs[j].data(), &out_shapes_[j]});
    info_.forward(op_, in, out);
  }

  std::vector<std::vector<T>> inputs, outputs;

 private:
  const detail::OpInfo<T>& info_;
  const void* op_;
  std::vector<Shape> in_shapes_, out_shapes_;
};

/// Finds out where an op moves each number to; nothing if it moves them between rows.
template <class T>
std::optional<std::vector<ColumnRun>> find_runs(const RecordedStep<T>& recorded,
                                                const StepOp<T>& op) {
  Trial<T> trial(*op.info, op.op, recorded.shapes(op.in, recorded_batch),
                 recorded.shapes(op.out, recorded_batch));
  std::vector<std::size_t> first;  // number of each input's first element
  std::size_t count = 0;
  for (auto& input : trial.inputs) {
    first.push_back(count);
    for (T& x : input) x = static_cast<T>(count++);
  }
  if (count > (std::size_t{1} << 23)) return std::nullopt;  // such numbers are not all exact
  trial.run();
  std::vector<ColumnRun> runs;
  for (std::size_t j = 0; j < trial.outputs.size(); ++j) {
    const StepValue& to = recorded.values[op.out[j]];
    for (std::size_t e = 0; e < trial.outputs[j].size(); ++e) {
      const auto number = static_cast<std::size_t>(trial.outputs[j][e]);
      std::size_t i = trial.inputs.size() - 1;
      while (first[i] > number) --i;
      const StepValue& from = recorded.values[op.in[i]];
      const std::size_t at = number - first[i];
      if (from.has_rows != to.has_rows) return std::nullopt;
      if (to.has_rows && at / from.width != e / to.width) return std::nullopt;
      if (e >= to.width) continue;
      if (!runs.empty() && runs.back().to == j && runs.back().from == i &&
          runs.back().from_column + runs.back().count == at)
        ++runs.back().count;
      else
        runs.push_back({i, at, j, e, 1});
    }
  }
  return runs;
}

/// Whether a row of the results depends on that row of the inputs alone: tried on numbers.
template <class T>
bool rows_are_independent(const RecordedStep<T>& recorded, const StepOp<T>& op) {
  const auto trial_of = [&](std::size_t rows) {
    return Trial<T>(*op.info, op.op, recorded.shapes(op.in, rows), recorded.shapes(op.out, rows));
  };
  constexpr std::size_t rows = 3;
  Trial<T> together = trial_of(rows);
  std::uint32_t seed = 1;
  for (auto& input : together.inputs)
    for (T& x : input) {
      seed = seed * 1664525U + 1013904223U;
      x = T(0.1) + T(0.8) * static_cast<T>(seed >> 8) / T(1 << 24);
    }
  together.run();
  for (std::size_t row = 0; row < rows; ++row) {
    Trial<T> alone = trial_of(1);
    for (std::size_t i = 0; i < op.in.size(); ++i) {
      const StepValue& v = recorded.values[op.in[i]];
      const T* from = together.inputs[i].data() + (v.has_rows ? row * v.width : 0);
      std::copy_n(from, alone.inputs[i].size(), alone.inputs[i].data());
    }
    alone.run();
    for (std::size_t j = 0; j < op.out.size(); ++j) {
      const std::size_t width = recorded.values[op.out[j]].width;
      const T* expected = together.outputs[j].data() + row * width;
      for (std::size_t c = 0; c < width; ++c) {
        const T a = alone.outputs[j][c], b = expected[c];
        if (a != b && !(std::isnan(a) && std::isnan(b))) return false;
      }
    }
  }
  return true;
}

/// Runs an op by the kernel, if that takes such operands.
template <class T>
void choose_kernel(const RecordedStep<T>& recorded, StepKernel kernel, StepOp<T>& op) {
  const std::vector<StepValue>& values = recorded.values;
  const StepValue& y = values[op.out[0]];
  if (!y.has_rows) return;
  const auto is_whole = [&](std::size_t i) { return values[op.in[i]].shape == y.shape; };
  const auto is_row = [&](std::size_t i) {
    return !values[op.in[i]].has_rows && values[op.in[i]].width == y.width;
  };
  const bool two = op.in.size() == 2;
  const bool commutes = kernel == StepKernel::add || kernel == StepKernel::multiply;
  op.swapped = two && commutes && is_row(0) && is_whole(1);
  op.repeats = op.swapped || (two && is_whole(0) && is_row(1));
  if (!op.repeats && (!is_whole(0) || (two && !is_whole(1)))) return;
  if (kernel == StepKernel::standardise) op.p = static_cast<T>(*static_cast<const double*>(op.op));
  if (kernel == StepKernel::linear) {  // its numbers, from what it makes of 0 and of 1
    Trial<T> trial(*op.info, op.op, recorded.shapes(op.in, 2), recorded.shapes(op.out, 2));
    trial.inputs[0][1] = 1;
    trial.run();
    op.q = trial.outputs[0][0];
    op.p = op.info->name == "add_scalar"             ? T{1}
           : op.info->name == "subtract_from_scalar" ? T{-1}
                                                     : trial.outputs[0][1];
  }
  op.kernel = kernel;
}

}  // namespace

template <class T>
std::vector<Shape> RecordedStep<T>::shapes(std::span<const std::size_t> of,
                                           std::size_t rows) const {
  std::vector<Shape> all;
  for (const std::size_t v : of) {
    all.push_back(values[v].shape);
    if (values[v].has_rows) all.back()[0] = rows;
  }
  return all;
}

template <class T>
void RecordedStep<T>::classify(StepOp<T>& op) const {
  const std::string title = title_of(r, static_cast<std::uint32_t>(op.out[0]));
  const KnownOp<T>* known = known_op(op.info);
  if (known && !known->kernel) {
    const auto runs = find_runs(*this, op);
    if (!runs) throw Obstacle{title + " moves numbers from one sequence to another"};
    op.runs = *runs;
    return;
  }
  if (!op.info->forward || !op.info->kernel || op.out.size() > 1)
    throw Obstacle{title + " cannot be run row by row"};
  bool rows = false;
  for (const std::size_t v : op.in) rows |= values[v].has_rows;
  if (rows != values[op.out[0]].has_rows || (rows && !rows_are_independent(*this, op)))
    throw Obstacle{title + " mixes the sequences of the batch"};
  if (known) choose_kernel(*this, *known->kernel, op);
}

template <class T>
std::vector<StepValue> find_values(const StepRecording<T>& r, const StepRecording<T>& other) {
  const detail::TapeState<T>& tape = r.tape->state();
  const detail::TapeState<T>& twin = other.tape->state();
  const auto differ = [] { return Obstacle{"the step does other ops when it is called again"}; };
  if (tape.entries.size() != twin.entries.size() || tape.nodes.size() != twin.nodes.size() ||
      tape.edges != twin.edges)
    throw differ();
  if (!tape.hooks.empty()) throw Obstacle{"the step registers a hook on a gradient"};
  std::vector<StepValue> values(tape.entries.size());
  for (std::uint32_t e = 0; e < tape.entries.size(); ++e) {
    const detail::Entry<T>&a = tape.entries[e], &b = twin.entries[e];
    StepValue& v = values[e];
    v.entry = e;
    v.shape = a.shape;
    v.has_rows = !(a.shape == b.shape);
    if (a.node != b.node) throw differ();
    if (a.retain_grad) throw Obstacle{title_of(r, e) + " is to retain its gradient"};
    if (v.has_rows) {
      Shape shape = a.shape;
      if (shape.rank() > 0) shape[0] = recorded_batch + 1;
      if (!(shape == b.shape) || a.shape[0] != recorded_batch)
        throw Obstacle{title_of(r, e) + " of shape " + a.shape.str() +
                       " does not have the batch as its first axis"};
    }
    v.width = v.has_rows ? a.shape.size() / recorded_batch : a.shape.size();
    if (a.node != detail::none) {
      if (tape.nodes[a.node].info != twin.nodes[b.node].info) throw differ();
      continue;
    }
    v.source = StepSource::constant;
    if (a.borrowed || a.role == Role::parameter)
      throw Obstacle{"the step uses a parameter or value that is not among its weights ('" +
                     tape.display_name(e) + "')"};
  }
  values[r.x].source = StepSource::x;
  for (std::size_t k = 0; k < r.states.size(); ++k) {
    values[r.states[k]].source = StepSource::state;
    values[r.states[k]].number = k;
  }
  for (std::size_t k = 0; k < r.masks.size(); ++k) {
    values[r.masks[k]].source = StepSource::mask;
    values[r.masks[k]].number = k;
  }
  for (std::size_t k = 0; k < r.parameters.size(); ++k)
    if (r.parameters[k].second != detail::none) {
      values[r.parameters[k].second].source = StepSource::parameter;
      values[r.parameters[k].second].number = k;
    }
  for (const StepValue& v : values) {
    if (v.source != StepSource::constant || tape.entries[v.entry].node != detail::none) continue;
    if (v.has_rows)
      throw Obstacle{"the step makes a constant for each sequence ('" + tape.display_name(v.entry) +
                     "')"};
    const T* a = tape.entries[v.entry].data;
    if (!std::equal(a, a + v.width, twin.entries[v.entry].data))
      throw Obstacle{"a constant of the step differs from call to call ('" +
                     tape.display_name(v.entry) + "')"};
  }
  return values;
}

TAPESTRY_INSTANTIATE(find_values)
TAPESTRY_INSTANTIATE_TYPES(struct RecordedStep)

}  // namespace tapestry::layers
