// SPDX-License-Identifier: MIT
#include "step_program.hpp"

#include <algorithm>
#include <string_view>

#include "step_compiler.hpp"
#include "step_layout.hpp"
#include "step_order.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {
namespace {

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
std::size_t StepProgram<T>::uses_of(std::size_t value) const {
  auto uses = static_cast<std::size_t>(std::ranges::count(next, value));
  for (const StepOp<T>& op : ops)
    uses += static_cast<std::size_t>(std::ranges::count(op.in, value));
  for (const StepProduct& product : products)
    for (const auto* terms : {&product.early, &product.late})
      for (const StepTerm& term : *terms) uses += term.operand == value ? 1 : 0;
  return uses;
}

template <class T>
bool StepProgram<T>::is_read_by_kernels(std::size_t value) const {
  std::size_t uses = 0;
  for (const StepOp<T>& op : ops)
    if (op.kernel) uses += static_cast<std::size_t>(std::ranges::count(op.in, value));
  return uses > 0 && uses == uses_of(value);
}

template <class T>
StepProgram<T>::StepProgram(const CellShape& shape, std::shared_ptr<const Equations<T>> of,
                            std::size_t inputs, bool masks_input, bool masks_state)
    : cell(shape),
      equations(std::move(of)),
      input_size(inputs),
      input_mask(masks_input),
      state_mask(masks_state) {
  const std::string reason = equations->why_not_fused();
  const auto other = reason.empty() ? nullptr : equations->recordable();
  const Equations<T>& step = other ? *other : *equations;
  try {
    const auto record = [&](std::size_t batch) {
      return StepRecording<T>(cell, step, batch, input_size, input_mask, state_mask);
    };
    RecordedStep<T> recorded{record(recorded_batch), {}};
    for (const auto& [name, entry] : recorded.r.parameters) {
      parameters.push_back(name);
      parameter_shapes.push_back(recorded.r.shape_of(name, input_size));
    }
    names = find_names(recorded.tape());
    if (!(obstacle_ = reason).empty()) return;
    recorded.values = find_values(recorded.r, record(recorded_batch + 1));
    StepCompiler<T>(*this, recorded).compile();
    StepOrder<T>(*this).find();
    find_accelerator();
    StepLayout<T>(*this).find();
    tape_ = std::move(recorded.r.tape);
  } catch (const Obstacle& found) {
    obstacle_ = found.text;
  } catch (const ArgumentError& error) {
    if (std::string_view(error.what()).starts_with("[" + cell.name + "]")) throw;  // unknown gate
    obstacle_ = error.what();
    recorded_ = false;
  } catch (const Error& error) {  // of a step that needs the model around it
    obstacle_ = error.what();
    recorded_ = false;
  }
}

/// Products of which the kernels know the parts: all gates of an LSTM; r and z of a GRU, and what x
/// and h give to n. A projection multiplies what the kernel gives in place of h.
template <class T>
void StepProgram<T>::find_accelerator() {
  const StepAccelerator kind = equations->accelerator();
  if (kind == StepAccelerator::none || cell.layer_norm) return;
  accelerated_output = next[0];
  std::vector<std::size_t> parts;
  for (const StepProduct& product : products) {
    if (product.parts.empty()) {
      if (!product.late.empty()) accelerated_output = product.late[0].operand;
      continue;
    }
    parts.push_back(product.parts.size());
    accelerated = std::max(accelerated, product.stage);
  }
  std::ranges::sort(parts);
  const bool is_lstm = kind == StepAccelerator::lstm;
  const bool fits =
      parts == (is_lstm ? std::vector<std::size_t>{4} : std::vector<std::size_t>{1, 1, 2});
  const bool ends = values[accelerated_output].stage == accelerated &&
                    (is_lstm ? values[next[1]].stage == accelerated : accelerated + 1 == stages);
  if (fits && ends) accelerator = kind;
}

TAPESTRY_INSTANTIATE_TYPES(class StepProgram)

}  // namespace tapestry::layers
