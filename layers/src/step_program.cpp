// SPDX-License-Identifier: MIT
#include "step_program.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "step_recording.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {
namespace {

constexpr std::size_t recorded_batch = 2;

/// Why a step cannot run as a program.
struct Obstacle {
  std::string text;
};

template <class T>
std::string title_of(const StepRecording<T>& r, std::uint32_t entry) {
  const detail::TapeState<T>& tape = r.tape->state();
  const std::uint32_t node = tape.entries[entry].node;
  const std::string name = tape.display_name(entry);
  if (node == detail::none) return "'" + name + "'";
  const std::string op(tape.nodes[node].info->name);
  return "op '" + op + (op == name ? "'" : "' ('" + name + "')");
}

/// Ops that only move numbers.
bool moves_numbers(std::string_view op) {
  constexpr std::array<std::string_view, 9> names{
      "slice", "split", "concatenate", "reshape", "flip", "repeat", "permute", "stack", "select"};
  return std::ranges::find(names, op) != names.end();
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

/// What the parts of a program are made from: the same step, recorded with two sizes of batch.
template <class T>
struct Recorded {
  StepRecording<T> r;
  std::vector<StepValue> values;

  [[nodiscard]] const detail::TapeState<T>& tape() const { return r.tape->state(); }

  std::vector<Shape> shapes(std::span<const std::size_t> of, std::size_t rows) const {
    std::vector<Shape> all;
    for (const std::size_t v : of) {
      all.push_back(values[v].shape);
      if (values[v].has_rows) all.back()[0] = rows;
    }
    return all;
  }
};

/// Finds out where an op moves each number to; nothing if it moves them between rows.
template <class T>
std::optional<std::vector<ColumnRun>> find_runs(const Recorded<T>& recorded, const StepOp<T>& op) {
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
bool rows_are_independent(const Recorded<T>& recorded, const StepOp<T>& op) {
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

/// The kernel that stands for an op of that name.
std::optional<StepKernel> kernel_of(std::string_view op) {
  constexpr std::array<std::pair<std::string_view, StepKernel>, 11> kernels{
      {{"add", StepKernel::add},
       {"subtract", StepKernel::subtract},
       {"multiply", StepKernel::multiply},
       {"negative", StepKernel::linear},
       {"add_scalar", StepKernel::linear},
       {"subtract_from_scalar", StepKernel::linear},
       {"multiply_scalar", StepKernel::linear},
       {"tanh", StepKernel::tanh},
       {"sigmoid", StepKernel::sigmoid},
       {"relu", StepKernel::relu},
       {"standardise", StepKernel::standardise}}};
  for (const auto& [name, kernel] : kernels)
    if (name == op) return kernel;
  return std::nullopt;
}

/// Chooses the kernel for an op on rows, if there is one for such operands.
template <class T>
void choose_kernel(const Recorded<T>& recorded, StepOp<T>& op) {
  const std::vector<StepValue>& values = recorded.values;
  const StepValue& y = values[op.out[0]];
  const auto kernel = kernel_of(op.info->name);
  if (!kernel || !y.has_rows) return;
  const auto is_whole = [&](std::size_t i) { return values[op.in[i]].shape == y.shape; };
  const auto is_row = [&](std::size_t i) {
    return !values[op.in[i]].has_rows && values[op.in[i]].width == y.width;
  };
  const bool two = op.in.size() == 2;
  const bool commutes = *kernel == StepKernel::add || *kernel == StepKernel::multiply;
  op.swapped = two && commutes && is_row(0) && is_whole(1);
  op.repeats = op.swapped || (two && is_whole(0) && is_row(1));
  if (!op.repeats && (!is_whole(0) || (two && !is_whole(1)))) return;
  if (*kernel == StepKernel::standardise) op.p = static_cast<T>(*static_cast<const double*>(op.op));
  if (*kernel == StepKernel::linear) {  // its numbers, from what it makes of 0 and of 1
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

/// Makes a value of each entry of the recording, telling by the second what is the batch.
template <class T>
std::vector<StepValue> find_values(const StepRecording<T>& r, const StepRecording<T>& other) {
  const detail::TapeState<T>& tape = r.tape->state();
  const detail::TapeState<T>& twin = other.tape->state();
  const auto differ = [] { return Obstacle{"the step does other ops when it is called again"}; };
  if (tape.entries.size() != twin.entries.size() || tape.nodes.size() != twin.nodes.size() ||
      tape.edges != twin.edges)
    throw differ();
  std::vector<StepValue> values(tape.entries.size());
  for (std::uint32_t e = 0; e < tape.entries.size(); ++e) {
    const detail::Entry<T>&a = tape.entries[e], &b = twin.entries[e];
    StepValue& v = values[e];
    v.entry = e;
    v.shape = a.shape;
    v.has_rows = !(a.shape == b.shape);
    if (a.node != b.node) throw differ();
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

/// Builds the program from the recording, part by part.
template <class T>
class Compiler {
 public:
  Compiler(StepProgram<T>& program, Recorded<T>& recorded)
      : p_(program), recorded_(recorded), r_(recorded.r), tape_(recorded.tape()) {}

  void compile() {
    find_needed();
    for (std::uint32_t n = 0; n < tape_.nodes.size(); ++n)
      if (needed_[tape_.nodes[n].first_output] || any_output_needed(tape_.nodes[n])) add_node(n);
    p_.values = std::move(recorded_.values);
    p_.x = r_.x;
    p_.states.assign(r_.states.begin(), r_.states.end());
    for (int round = 0; round < 2; ++round) {  // a sum may be parted, and parts summed
      split_products();
      join_products();
    }
    group_products();
    add_next_states();
    find_stages();
    find_reach();
    find_places();
    find_covered();
  }

 private:
  [[nodiscard]] bool any_output_needed(const detail::Node<T>& node) const {
    for (std::uint32_t j = 0; j < node.output_count; ++j)
      if (needed_[node.first_output + j]) return true;
    return false;
  }

  void find_needed() {
    needed_.assign(tape_.entries.size(), false);
    for (const std::uint32_t e : r_.next) needed_[e] = true;
    for (std::size_t n = tape_.nodes.size(); n-- > 0;) {
      const detail::Node<T>& node = tape_.nodes[n];
      if (!any_output_needed(node)) continue;
      for (std::uint32_t i = 0; i < node.input_count; ++i)
        needed_[tape_.edges[node.first_input + i]] = true;
    }
  }

  void add_node(std::uint32_t number) {
    const detail::Node<T>& node = tape_.nodes[number];
    std::vector<StepValue>& values = recorded_.values;
    const std::size_t input = tape_.edges[node.first_input];
    if (const RecordedProduct* product = recorded_product(node)) {
      values[node.first_output].source = StepSource::product;
      StepProduct sum{.out = node.first_output, .width = product->rows};
      sum.late.push_back({input, product->weight, product->first_row});
      if (product->bias != RecordedProduct::none)
        sum.biases.push_back({product->bias, product->first_row});
      if (!values[input].has_rows)
        throw Obstacle{"a weight multiplies something that is the same for all sequences"};
      p_.products.push_back(std::move(sum));
      return;
    }
    StepOp<T> op{.info = node.info, .op = node.op};
    for (std::uint32_t i = 0; i < node.input_count; ++i)
      op.in.push_back(tape_.edges[node.first_input + i]);
    for (std::uint32_t j = 0; j < node.output_count; ++j) op.out.push_back(node.first_output + j);
    check_op(op);
    p_.ops.push_back(std::move(op));
  }

  void check_op(StepOp<T>& op) {
    const std::string title = title_of(r_, static_cast<std::uint32_t>(op.out[0]));
    if (moves_numbers(op.info->name)) {
      const auto runs = find_runs(recorded_, op);
      if (!runs) throw Obstacle{title + " moves numbers from one sequence to another"};
      op.runs = *runs;
      return;
    }
    if (!op.info->forward || !op.info->kernel || op.out.size() > 1)
      throw Obstacle{title + " cannot be run row by row"};
    bool rows = false;
    for (const std::size_t v : op.in) rows |= recorded_.values[v].has_rows;
    if (rows != recorded_.values[op.out[0]].has_rows ||
        (rows && !rows_are_independent(recorded_, op)))
      throw Obstacle{title + " mixes the sequences of the batch"};
    choose_kernel(recorded_, op);
  }

  /// The states after the step are results of ops in the loop, one for each.
  void add_next_states() {
    std::vector<std::size_t> taken;
    for (const std::size_t v : r_.next) {
      const bool own = p_.values[v].source == StepSource::op;
      if (own && std::ranges::find(taken, v) == taken.end()) {
        taken.push_back(v);
        p_.next.push_back(v);
        continue;
      }
      StepValue copy = p_.values[v];
      copy.source = StepSource::op;
      p_.values.push_back(copy);
      p_.next.push_back(p_.values.size() - 1);
      StepOp<T> move;
      move.in = {v};
      move.out = {p_.next.back()};
      move.runs = {{0, 0, 0, 0, copy.width}};
      p_.ops.push_back(std::move(move));
    }
  }

  [[nodiscard]] std::size_t uses_of(std::size_t value) const {
    auto uses = static_cast<std::size_t>(std::ranges::count(r_.next, value));
    for (const StepOp<T>& op : p_.ops)
      uses += static_cast<std::size_t>(std::ranges::count(op.in, value));
    for (const StepProduct& product : p_.products)
      for (const StepTerm& term : product.late) uses += term.operand == value ? 1 : 0;
    return uses;
  }

  /// A product of which only parts are used, as by `split`, is computed in these parts: nothing has
  /// to be moved then.
  void split_products() {
    std::vector<StepProduct> products;
    for (const StepProduct& product : p_.products) {
      if (!is_only_parted(product.out)) {
        products.push_back(product);
        continue;
      }
      for (const StepOp<T>& op : p_.ops)
        for (const ColumnRun& run : op.runs)
          if (op.in[0] == product.out && uses_of(op.out[run.to]) > 0)
            products.push_back(part_of(product, run, op.out[run.to]));
      std::erase_if(p_.ops, [&](const StepOp<T>& op) { return op.in[0] == product.out; });
    }
    p_.products = std::move(products);
  }

  /// Whether all uses of a value are moves whose results are neighbouring columns of it.
  [[nodiscard]] bool is_only_parted(std::size_t value) const {
    std::size_t moves = 0;
    for (const StepOp<T>& op : p_.ops) {
      if (std::ranges::find(op.in, value) == op.in.end()) continue;
      if (op.in.size() != 1 || op.runs.size() != op.out.size()) return false;
      for (const ColumnRun& run : op.runs)
        if (run.to_column != 0 || run.count != p_.values[op.out[run.to]].width) return false;
      ++moves;
    }
    return moves > 0 && moves == uses_of(value);
  }

  StepProduct part_of(const StepProduct& product, const ColumnRun& run, std::size_t out) {
    StepProduct part = product;
    part.out = out;
    part.width = run.count;
    for (StepTerm& term : part.late) term.first_row += run.from_column;
    for (StepBias& bias : part.biases) bias.first_row += run.from_column;
    p_.values[out].source = StepSource::product;
    return part;
  }

  /// A sum of two products is one product of several terms.
  void join_products() {
    for (std::size_t k = 0; k < p_.ops.size();) {
      const StepOp<T>& op = p_.ops[k];
      if (op.info && op.info->name == "add" && op.in[0] != op.in[1] && is_product(op.in[0]) &&
          is_product(op.in[1]) && uses_of(op.in[0]) == 1 && uses_of(op.in[1]) == 1 &&
          p_.values[op.in[0]].shape == p_.values[op.in[1]].shape) {
        const auto a = product_of(op.in[0]), b = product_of(op.in[1]);
        a->late.insert(a->late.end(), b->late.begin(), b->late.end());
        a->biases.insert(a->biases.end(), b->biases.begin(), b->biases.end());
        a->out = op.out[0];
        p_.values[a->out].source = StepSource::product;
        p_.products.erase(b);
        p_.ops.erase(p_.ops.begin() + static_cast<std::ptrdiff_t>(k));
      } else {
        ++k;
      }
    }
  }
  /// Neighbouring parts that multiply the same are one product again, whose parts ops read where
  /// they are.
  void group_products() {
    std::vector<StepProduct> groups;
    for (StepProduct& product : p_.products) {
      if (!is_read_by_kernels(product.out)) {
        groups.push_back(std::move(product));
      } else if (!groups.empty() && !groups.back().parts.empty() &&
                 continues(groups.back(), product)) {
        add_part(groups.back(), product.out);
      } else {
        StepProduct group = std::move(product);
        const std::size_t part = group.out;
        StepValue whole = p_.values[part];
        whole.width = group.width = 0;
        group.out = p_.values.size();
        p_.values.push_back(whole);
        add_part(group, part);
        groups.push_back(std::move(group));
      }
    }
    p_.products = std::move(groups);
  }

  [[nodiscard]] bool is_read_by_kernels(std::size_t value) const {
    std::size_t uses = 0;
    for (const StepOp<T>& op : p_.ops)
      if (op.kernel) uses += static_cast<std::size_t>(std::ranges::count(op.in, value));
    return uses > 0 && uses == uses_of(value);
  }

  /// Whether a product's rows come next to those of a group.
  [[nodiscard]] static bool continues(const StepProduct& group, const StepProduct& product) {
    const auto next_term = [&](const StepTerm& a, const StepTerm& b) {
      return a.operand == b.operand && a.weight == b.weight &&
             a.first_row + group.width == b.first_row;
    };
    const auto next_bias = [&](const StepBias& a, const StepBias& b) {
      return a.parameter == b.parameter && a.first_row + group.width == b.first_row;
    };
    return std::ranges::equal(group.late, product.late, next_term) &&
           std::ranges::equal(group.biases, product.biases, next_bias);
  }

  void add_part(StepProduct& group, std::size_t value) {
    StepValue& part = p_.values[value];
    StepValue& whole = p_.values[group.out];
    part.source = StepSource::part;
    part.product = group.out;
    part.column = group.width;
    group.parts.push_back(value);
    group.width = whole.width += part.width;
  }

  [[nodiscard]] bool is_product(std::size_t v) const {
    return p_.values[v].source == StepSource::product;
  }
  auto product_of(std::size_t v) { return std::ranges::find(p_.products, v, &StepProduct::out); }

  /// Ops and products stand in the order in which they were recorded, but for those that were
  /// joined: what a product adds up comes before it all the same.
  void find_stages() {
    for (StepValue& v : p_.values) {
      v.active = v.source == StepSource::x || v.source == StepSource::state ||
                 v.source == StepSource::parameter || v.source == StepSource::product ||
                 v.source == StepSource::part;
      if (v.source == StepSource::x || v.source == StepSource::mask) v.stage = stage::before;
      if (v.source == StepSource::state) v.stage = stage::first;
    }
    std::vector<bool> known(p_.values.size(), true);
    for (const StepOp<T>& op : p_.ops)
      for (const std::size_t v : op.out) known[v] = false;
    for (const StepProduct& product : p_.products) {
      known[product.out] = false;
      for (const std::size_t part : product.parts) known[part] = false;
    }
    std::vector<StepOp<T>> sorted;
    while (settle_products(known) | settle_ops(known, sorted)) {
    }
    p_.ops = std::move(sorted);
    std::ranges::stable_sort(p_.ops, {}, &StepOp<T>::stage);
    std::ranges::stable_sort(p_.products, {}, &StepProduct::stage);
    for (const StepOp<T>& op : p_.ops) p_.stages = std::max(p_.stages, op.stage + 1);
    for (const StepProduct& product : p_.products)
      p_.stages = std::max(p_.stages, product.stage + 1);
    for (const std::size_t v : p_.next)
      if (p_.values[v].stage < stage::first) move_into_loop(v);
  }

  bool settle_products(std::vector<bool>& known) {
    bool settled = false;
    for (StepProduct& product : p_.products) {
      if (known[product.out] ||
          !std::ranges::all_of(product.late, [&](const auto& t) { return known[t.operand]; }))
        continue;
      product.stage = stage::first;
      std::vector<StepTerm> late;
      for (const StepTerm& term : product.late) {
        const StepValue& operand = p_.values[term.operand];
        if (operand.stage < stage::first) {
          product.early.push_back(term);
          continue;
        }
        late.push_back(term);
        if (operand.source != StepSource::state)
          product.stage = std::max(product.stage, operand.stage + 1);
      }
      product.late = std::move(late);
      p_.values[product.out].stage = product.stage;
      settled = known[product.out] = true;
      for (const std::size_t part : product.parts) {
        p_.values[part].stage = product.stage;
        known[part] = true;
      }
    }
    return settled;
  }

  bool settle_ops(std::vector<bool>& known, std::vector<StepOp<T>>& sorted) {
    bool settled = false;
    for (StepOp<T>& op : p_.ops) {
      if (known[op.out[0]] || !std::ranges::all_of(op.in, [&](std::size_t v) { return known[v]; }))
        continue;
      for (std::size_t i = 0; i < op.in.size(); ++i)
        op.stage = std::max(op.stage, p_.values[op.in[i]].stage);
      for (const std::size_t v : op.out) {
        p_.values[v].stage = op.stage;
        for (std::size_t i = 0; i < op.in.size(); ++i)
          if (p_.values[op.in[i]].active && (!op.info || op.info->differentiable(i)))
            p_.values[v].active = true;
        known[v] = true;
      }
      sorted.push_back(op);
      settled = true;
    }
    return settled;
  }

  void move_into_loop(std::size_t value) {
    for (StepOp<T>& op : p_.ops)
      if (std::ranges::find(op.out, value) != op.out.end()) op.stage = stage::first;
    p_.values[value].stage = stage::first;
    std::ranges::stable_sort(p_.ops, {}, &StepOp<T>::stage);
  }

  /// Goes through a step backward and notes which gradients come first.
  void find_reach() {
    p_.reached.assign(p_.values.size(), false);
    for (const std::size_t v : p_.next) p_.reached[v] = true;
    for (std::size_t s = p_.stages; s-- > stage::first;) {
      reach_ops(s);
      for (StepProduct& product : p_.products)
        if (product.stage == s) reach_terms(product, product.late);
    }
    for (StepProduct& product : p_.products) reach_terms(product, product.early);
    reach_ops(stage::before);
    reach_ops(stage::once);
    for (const StepOp<T>& op : p_.ops)
      for (std::size_t i = 0; i < op.in.size(); ++i)
        if (op.in[i] == p_.x && op.reach[i] != Reach::none) p_.x_in_ops = true;
  }

  void reach_ops(std::size_t s) {
    for (std::size_t k = p_.ops.size(); k-- > 0;) {
      StepOp<T>& op = p_.ops[k];
      if (op.stage != s) continue;
      op.runs_backward = std::ranges::any_of(op.out, [&](std::size_t v) { return p_.reached[v]; });
      op.whole.assign(op.in.size(), false);
      for (const std::size_t v : op.out) op.reached.push_back(p_.reached[v]);
      for (std::size_t i = 0; i < op.in.size(); ++i) {
        const StepValue& v = p_.values[op.in[i]];
        const bool flows = op.runs_backward && v.active && (!op.info || op.info->differentiable(i));
        op.reach.push_back(flows ? reach(op.in[i]) : Reach::none);
        op.whole[i] = covers(op, i);
      }
      op.runs_backward =
          std::ranges::any_of(op.reach, [](Reach reach) { return reach != Reach::none; });
    }
  }

  /// Whether the gradients of a move's results reach each column of input `i` once.
  [[nodiscard]] bool covers(const StepOp<T>& op, std::size_t i) const {
    std::vector<std::size_t> times(p_.values[op.in[i]].width, 0);
    for (const ColumnRun& run : op.runs)
      if (run.from == i && p_.reached[op.out[run.to]])
        for (std::size_t c = 0; c < run.count; ++c) ++times[run.from_column + c];
    return std::ranges::all_of(times, [](std::size_t n) { return n == 1; });
  }

  void reach_terms(const StepProduct& product, std::vector<StepTerm>& terms) {
    for (const std::size_t part : product.parts)
      if (p_.reached[part]) p_.reached[product.out] = true;
    if (!p_.reached[product.out]) return;
    for (StepTerm& term : terms)
      if (p_.values[term.operand].active) term.reach = reach(term.operand);
  }

  Reach reach(std::size_t value) {
    const bool zeros = p_.values[value].stage == stage::once;  // there first
    const Reach reach = p_.reached[value] || zeros ? Reach::later : Reach::first;
    p_.reached[value] = true;
    return reach;
  }

  void find_places() {
    std::vector<std::size_t> last_use(p_.values.size(), 0);
    std::vector<bool> saved(p_.values.size(), false), operand(p_.values.size(), false);
    for (const StepOp<T>& op : p_.ops)
      for (std::size_t i = 0; i < op.in.size(); ++i) {
        last_use[op.in[i]] = std::max(last_use[op.in[i]], op.stage);
        if (op.info && op.runs.empty() && op.info->saves(i)) saved[op.in[i]] = true;
      }
    for (const StepOp<T>& op : p_.ops)
      if (op.info && op.runs.empty() && op.info->saves_output) saved[op.out[0]] = true;
    for (const StepProduct& product : p_.products)
      for (const auto* terms : {&product.early, &product.late})
        for (const StepTerm& term : *terms) operand[term.operand] = true;
    std::vector<bool> saved_parts(p_.values.size(), false);
    for (std::size_t v = 0; v < p_.values.size(); ++v) {
      StepValue& value = p_.values[v];
      if (value.source == StepSource::part) {
        value.place = value.gradient = Place::within;
        if (saved[v]) saved_parts[value.product] = true;
      } else if (value.source != StepSource::op && value.source != StepSource::product) {
        value.place = value.gradient = Place::outside;
        if (value.source == StepSource::parameter) value.gradient = Place::once;
      } else if (value.stage == stage::once) {
        value.place = value.gradient = Place::once;
      } else {
        const bool crosses = last_use[v] > value.stage;
        place(value, crosses, saved[v], operand[v]);
      }
    }
    for (const std::size_t v : p_.next) {
      p_.values[v].place = Place::all;
      p_.values[v].gradient = Place::outside;
    }
    put_results_in_place(operand, saved, saved_parts);
    for (const StepProduct& product : p_.products)
      if (saved_parts[product.out]) overwrite(product);
    share_gradients();
    assign_offsets();
    for (std::size_t v = 0; v < p_.values.size(); ++v) {
      const StepValue& value = p_.values[v];
      if (value.place == Place::within) p_.within.push_back(v);
      if (value.gradient == Place::within) p_.gradients_within.push_back(v);
      const bool is_fixed = value.source == StepSource::parameter ||
                            value.source == StepSource::constant ||
                            value.source == StepSource::mask;
      if (value.place == Place::all || value.place == Place::passing ||
          (value.place == Place::outside && !is_fixed))
        p_.moving.push_back(v);
      if (value.gradient == Place::all || (value.gradient == Place::outside && !is_fixed))
        p_.moving_gradients.push_back(v);
    }
  }

  /// The result of a function of a product's part takes its place.
  void put_results_in_place(const std::vector<bool>& operand, const std::vector<bool>& saved,
                            std::vector<bool>& saved_parts) {
    for (const StepOp<T>& op : p_.ops) {
      const StepValue& in = p_.values[op.in[0]];
      const std::size_t out = op.out[0];
      const bool is_function = op.kernel == StepKernel::tanh || op.kernel == StepKernel::sigmoid ||
                               op.kernel == StepKernel::relu;
      if (!is_function || in.source != StepSource::part || uses_of(op.in[0]) > 1 || operand[out] ||
          !is_read_by_kernels(out))
        continue;
      StepValue& result = p_.values[out];
      result.place = Place::within;
      result.product = in.product;
      result.column = in.column;
      if (saved[out]) saved_parts[in.product] = true;
    }
  }

  /// The results of a product are kept. Where each part is read once, its gradient can be written
  /// over it.
  void overwrite(const StepProduct& product) {
    StepValue& whole = p_.values[product.out];
    whole.place = Place::all;
    whole.overwritten = std::ranges::all_of(
        product.parts, [&](std::size_t v) { return p_.reached[v] && uses_of(v) == 1; });
  }

  /// A sum passes its gradient on as it is: that needs no memory of its own.
  void share_gradients() {
    for (std::size_t k = p_.ops.size(); k-- > 0;) {
      StepOp<T>& op = p_.ops[k];
      if (op.kernel != StepKernel::add || op.repeats || !op.runs_backward) continue;
      for (std::size_t i = 0; i < 2; ++i) {
        StepValue& in = p_.values[op.in[i]];
        if (in.gradient != Place::block || uses_of(op.in[i]) != 1) continue;
        const std::size_t other = p_.values[op.out[0]].same_gradient;
        in.same_gradient = other == StepValue::none ? op.out[0] : other;
        op.reach[i] = Reach::none;
      }
    }
  }

  void find_covered() {
    for (std::size_t k = 0; k < p_.parameters.size(); ++k) {
      const bool projects = p_.parameters[k] == "weight_hr";
      std::vector<std::size_t> times(
          projects ? p_.cell.proj_size : p_.cell.gates.size() * p_.cell.hidden_size, 0);
      const auto cover = [&](std::size_t first, std::size_t width) {
        for (std::size_t row = first; row < first + width; ++row) ++times[row];
      };
      for (const StepProduct& product : p_.products) {
        if (!p_.reached[product.out]) continue;
        for (const auto* terms : {&product.early, &product.late})
          for (const StepTerm& term : *terms)
            if (term.weight == k) cover(term.first_row, product.width);
        for (const StepBias& bias : product.biases)
          if (bias.parameter == k) cover(bias.first_row, product.width);
      }
      const bool in_ops = std::ranges::any_of(p_.values, [&](const StepValue& value) {
        return value.source == StepSource::parameter && value.number == k;
      });
      p_.covered.push_back(!in_ops &&
                           std::ranges::all_of(times, [](std::size_t n) { return n == 1; }));
    }
    for (const StepOp<T>& op : p_.ops)
      for (const std::size_t v : op.in)
        if (op.stage == stage::before && p_.values[v].stage == stage::once && p_.values[v].active)
          p_.before_has_parameters = true;
  }

  void place(StepValue& value, bool crosses, bool saved, bool operand) {
    const bool product = value.source == StepSource::product;
    const bool in_loop = value.stage >= stage::first;
    if (saved || operand)
      value.place = Place::all;
    else if (product && has_early_terms(value))
      value.place = Place::passing;
    else if (product || crosses)
      value.place = in_loop ? Place::step : Place::passing;
    if (product || (!in_loop && (crosses || operand)))
      value.gradient = Place::all;
    else if (crosses || operand)
      value.gradient = Place::step;
  }
  [[nodiscard]] bool has_early_terms(const StepValue& value) const {
    return std::ranges::any_of(p_.products, [&](const StepProduct& product) {
      return &p_.values[product.out] == &value && !product.early.empty();
    });
  }

  void assign_offsets() {
    std::size_t widest = 1;
    const auto put = [](std::size_t& offset, std::size_t& total, std::size_t width) {
      offset = total;
      total += width;
    };
    for (std::size_t v = 0; v < p_.values.size(); ++v) {
      StepValue& value = p_.values[v];
      if (!is_computed(value)) continue;
      if (v == p_.next[0]) continue;  // the last
      if (value.place == Place::all) put(value.offset, p_.kept_width, value.width);
      if (value.place == Place::passing) put(value.offset, p_.passing_width, value.width);
      if (value.place == Place::step) put(value.offset, p_.step_width, value.width);
      if (value.place == Place::once) put(value.offset, p_.once_width, value.width);
      if (value.gradient == Place::all && !value.overwritten)
        put(value.gradient_offset, p_.all_gradient_width, value.width);
      if (value.gradient == Place::step)
        put(value.gradient_offset, p_.step_gradient_width, value.width);
    }
    for (StepValue& value : p_.values)
      if (value.gradient == Place::once)
        put(value.gradient_offset, p_.once_gradient_width, value.width);
    put(p_.values[p_.next[0]].offset, p_.kept_width, p_.values[p_.next[0]].width);
    for (const StepOp<T>& op : p_.ops)
      for (const std::size_t v : op.out)
        if (op.stage != stage::once) widest = std::max(widest, p_.values[v].width);
    p_.block_rows = std::max<std::size_t>(1, 1024 / widest);
    reuse_block_memory();
  }
  [[nodiscard]] bool is_computed(const StepValue& value) const {
    return value.source == StepSource::op || value.source == StepSource::product;
  }

  /// Values of a block are put where others were that are not needed any more.
  void reuse_block_memory() {
    std::vector<std::size_t> last(p_.values.size(), 0), first_back(p_.values.size(), 0);
    for (std::size_t k = 0; k < p_.ops.size(); ++k) {
      for (const std::size_t v : p_.ops[k].in) last[v] = k;
      for (const std::size_t v : p_.ops[k].out) last[v] = std::max(last[v], k);
    }
    std::multimap<std::size_t, std::size_t> free;  // offsets by width
    const auto take = [&](std::size_t width, std::size_t& total) {
      if (const auto found = free.find(width); found != free.end()) {
        const std::size_t offset = found->second;
        free.erase(found);
        return offset;
      }
      total += width;
      return total - width;
    };
    for (std::size_t k = 0; k < p_.ops.size(); ++k) {
      for (const std::size_t v : p_.ops[k].out)
        if (p_.values[v].place == Place::block)
          p_.values[v].offset = take(p_.values[v].width, p_.block_width);
      for (std::size_t v = 0; v < p_.values.size(); ++v)
        if (last[v] == k && p_.values[v].place == Place::block && is_made_by_ops(v, k))
          free.emplace(p_.values[v].width, p_.values[v].offset);
    }
    for (std::size_t v = 0; v < p_.values.size(); ++v)
      if (is_computed(p_.values[v]) && p_.values[v].gradient == Place::block &&
          p_.values[v].same_gradient == StepValue::none) {
        p_.values[v].gradient_offset = p_.block_gradient_width;
        p_.block_gradient_width += p_.values[v].width;
      }
  }
  /// Whether one of the ops up to number `k` makes the value.
  [[nodiscard]] bool is_made_by_ops(std::size_t v, std::size_t k) const {
    for (std::size_t j = 0; j <= k; ++j)
      if (std::ranges::find(p_.ops[j].out, v) != p_.ops[j].out.end()) return true;
    return false;
  }

  StepProgram<T>& p_;
  Recorded<T>& recorded_;
  StepRecording<T>& r_;
  const detail::TapeState<T>& tape_;
  std::vector<bool> needed_;
};

template <class T>
std::vector<NamedValue> find_names(const detail::TapeState<T>& tape) {
  std::vector<NamedValue> names;
  for (const detail::Entry<T>& entry : tape.entries)
    if (entry.node != detail::none && entry.name != detail::none)
      names.push_back({tape.names[entry.name], tape.nodes[entry.node].info->name == "sigmoid"});
  return names;
}

}  // namespace

template <class T>
StepProgram<T>::StepProgram(const CellShape& shape, std::shared_ptr<const Equations<T>> of,
                            std::size_t inputs, bool masks_input, bool masks_state)
    : cell(shape),
      equations(std::move(of)),
      input_size(inputs),
      input_mask(masks_input),
      state_mask(masks_state) {
  try {
    const auto record = [&](std::size_t batch) {
      return StepRecording<T>(cell, *equations, batch, input_size, input_mask, state_mask);
    };
    Recorded<T> recorded{record(recorded_batch), {}};
    for (const auto& [name, entry] : recorded.r.parameters) {
      parameters.push_back(name);
      parameter_shapes.push_back(recorded.r.shape_of(name, input_size));
    }
    names = find_names(recorded.tape());
    recorded.values = find_values(recorded.r, record(recorded_batch + 1));
    Compiler<T>(*this, recorded).compile();
    tape_ = std::move(recorded.r.tape);
  } catch (const Obstacle& found) {
    obstacle_ = found.text;
  } catch (const ArgumentError&) {  // an unknown gate
    throw;
  } catch (const Error& error) {  // of a step that needs the model around it
    obstacle_ = error.what();
    recorded_ = false;
  }
}

TAPESTRY_INSTANTIATE_TYPES(class StepProgram)

}  // namespace tapestry::layers
