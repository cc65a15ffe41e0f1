// SPDX-License-Identifier: MIT
// One step of a cell as a small program. The step is recorded once, on a tape of its own; what it
// did is sorted by how it can run over whole sequences: products with weights, moves of columns,
// and ops whose rows do not depend on each other, run by their own kernels over blocks of rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fused/step_kernels.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/cell.hpp"

namespace tapestry::layers {

/// When something runs: once for a call, for all steps before the loop over steps, or in the loop,
/// in which each product of something that the step has computed begins a stage of its own.
namespace stage {
inline constexpr std::size_t once = 0;
inline constexpr std::size_t before = 1;
inline constexpr std::size_t first = 2;
}  // namespace stage

enum class StepSource : std::uint8_t { x, state, mask, parameter, constant, op, product, part };

/// Where a value, or its gradient, lives.
enum class StepPlace : std::uint8_t {
  outside,  // an input of the call, or a state before or after the step
  within,   // the results of a product
  once,     // the same for all rows and steps
  block,    // only while a block of rows is at work
  step,     // (B, width), of the step at work
  passing,  // (rows of all steps, width), until forward ends
  all,      // the same; forward keeps it for backward
};

/// A value of the step. Its rows are the sequences of the batch, unless it is the same for all.
struct StepValue {
  StepSource source = StepSource::op;
  std::size_t number = 0;   // among the states, masks or parameters
  std::uint32_t entry = 0;  // on the tape of the recording
  Shape shape;              // there; of a value with rows the first axis is the batch
  std::size_t width = 0;    // numbers in a row, or in all if there are no rows
  bool has_rows = true;
  bool active = false;  // a gradient flows into it
  std::size_t stage = stage::once;
  StepPlace place = StepPlace::block;
  StepPlace gradient = StepPlace::block;
  std::size_t offset = 0;           // into what its place holds, in numbers for each row
  std::size_t gradient_offset = 0;  // the same for its gradient

  // A part of a product's results, or what takes its place there: the product, and where in it.
  std::size_t product = none;
  std::size_t column = 0;
  bool overwritten = false;          // of a product: by its gradient, in backward
  std::size_t same_gradient = none;  // the value whose gradient is the same, and which holds it

  static constexpr std::size_t none = ~std::size_t{0};
};

/// Copies columns: of output `to` from input `from`.
struct ColumnRun {
  std::size_t from, from_column;
  std::size_t to, to_column;
  std::size_t count;
};

/// Whether gradients are the first to reach a value in a step, or add to what is there.
enum class Reach : std::uint8_t { none, first, later };

/// An op of the step, or a move of columns.
template <class T>
struct StepOp {
  const detail::OpInfo<T>* info = nullptr;
  const void* op = nullptr;
  std::vector<std::size_t> in = {}, out = {};  // values
  std::vector<ColumnRun> runs = {};            // of a move
  std::optional<StepKernel> kernel = {};       // in place of the op's own, with its numbers
  bool repeats = false;                        // one operand is one row for all,
  bool swapped = false;                        // the first
  T p = 0, q = 0;
  std::vector<bool> reached = {};  // for each output: whether a gradient does
  std::vector<Reach> reach = {};   // for each input, in backward
  std::vector<bool> whole = {};    // of a move: whether it covers the input's columns, once each
  std::size_t stage = stage::once;
  bool runs_backward = false;
};

/// Rows of a weight times a value of the step, and rows of a bias.
struct StepTerm {
  std::size_t operand;  // a value
  std::size_t weight;   // a parameter
  std::size_t first_row;
  Reach reach = Reach::none;  // of the gradient with respect to the operand
};
struct StepBias {
  std::size_t parameter;
  std::size_t first_row;
};

/// A sum of such products; terms whose operands do not depend on the state run before the loop.
struct StepProduct {
  std::size_t out;                      // a value
  std::size_t width;                    // of the result
  std::vector<std::size_t> parts = {};  // values that are neighbouring columns of it
  std::vector<StepTerm> early = {};
  std::vector<StepTerm> late = {};
  std::vector<StepBias> biases = {};
  std::size_t stage = stage::first;
};

/// A value that the step has given a name.
struct NamedValue {
  std::string name;
  bool is_sigmoid;  // lies in (0, 1)
};

template <class T>
class StepProgram {
 public:
  /// Records a step with inputs of `input_size` features, with masks or without.
  StepProgram(const CellShape& cell, std::shared_ptr<const Equations<T>> equations,
              std::size_t input_size, bool input_mask, bool state_mask);

  /// Why there is no program, for people; empty if there is one.
  [[nodiscard]] const std::string& obstacle() const { return obstacle_; }

  /// Whether the step could be recorded, so that its parameters and names are known.
  [[nodiscard]] bool is_recorded() const { return recorded_; }

  /// The number that a constant of the step holds.
  [[nodiscard]] const T* constant(const StepValue& value) const {
    return tape_->state().entries[value.entry].data;
  }

  CellShape cell;
  std::shared_ptr<const Equations<T>> equations;
  std::size_t input_size;
  bool input_mask;
  bool state_mask;
  std::vector<std::string> parameters;  // that the step uses
  std::vector<Shape> parameter_shapes;
  std::vector<NamedValue> names;  // in the order of computation

  // The program. -----------------------------------------------------------------------------
  std::vector<StepValue> values;
  std::vector<StepOp<T>> ops;
  std::vector<StepProduct> products;
  std::vector<std::size_t> next;    // the value of each state after the step
  std::vector<bool> reached;        // for each value: whether a gradient reaches it
  std::size_t x = 0;                // the value of x
  bool x_in_ops = false;            // whether an op gives x a gradient
  std::vector<std::size_t> states;  // the values of the states before
  std::vector<std::size_t> moving;  // the values, and the gradients, whose place differs from step
  std::vector<std::size_t> moving_gradients;  // to step
  std::vector<std::size_t> within;            // those that are parts of a product's results
  std::vector<std::size_t> gradients_within;
  std::vector<std::size_t> sharing;       // those whose gradient is that of another
  std::vector<bool> covered;              // for each parameter: whether products give each row its
                                          // gradient, once
  bool before_has_parameters = false;     // whether ops before the loop use some
  std::size_t stages = stage::first + 1;  // one past the last
  std::size_t late_terms = 0;             // of all products
  StepAccelerator accelerator = StepAccelerator::none;
  std::size_t accelerated = 0;         // the stage whose ops it replaces
  std::size_t accelerated_output = 0;  // the value that it gives as h

  // Numbers for each row at each place, for values and for gradients.
  std::size_t kept_width = 0;  // the first state after the step comes last
  std::size_t passing_width = 0;
  std::size_t step_width = 0;
  std::size_t block_width = 0;
  std::size_t once_width = 0;
  std::size_t all_gradient_width = 0;
  std::size_t step_gradient_width = 0;
  std::size_t block_gradient_width = 0;
  std::size_t once_gradient_width = 0;
  std::size_t block_rows = 1;   // rows of a block
  std::size_t most_inputs = 1;  // of an op

  [[nodiscard]] bool accelerates(std::size_t stage) const {
    return accelerator != StepAccelerator::none && stage == accelerated;
  }
  [[nodiscard]] bool has_ops(std::size_t stage) const {
    return std::ranges::any_of(ops, [=](const auto& op) { return op.stage == stage; });
  }
  /// How many ops and products read a value, counting the states after the step.
  [[nodiscard]] std::size_t uses_of(std::size_t value) const;
  /// Whether all that read a value are kernels of the steps.
  [[nodiscard]] bool is_read_by_kernels(std::size_t value) const;

  [[nodiscard]] std::size_t masks() const { return (input_mask ? 1 : 0) + (state_mask ? 1 : 0); }

 private:
  void find_accelerator();

  std::string obstacle_;
  bool recorded_ = true;
  std::unique_ptr<Tape<T>> tape_;  // owns the ops and constants
};

TAPESTRY_EXTERN_TYPES(class StepProgram)

}  // namespace tapestry::layers
