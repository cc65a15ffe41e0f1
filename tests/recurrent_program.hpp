// SPDX-License-Identifier: MIT
// One layer of a cell in one direction, as the op that layers are made of.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "sequence.hpp"
#include "tapestry/layers.hpp"

namespace tapestry::test {

/// The program of a cell without options, with `options` for what it has.
template <class Cell, class T>
std::shared_ptr<const layers::StepProgram<T>> program_of(const auto& options) {
  using namespace layers;
  return std::make_shared<StepProgram<T>>(cell_shape<Cell, T>(Cell::name, options),
                                          std::make_shared<EquationsOf<Cell, T>>(Cell(options)),
                                          options.input_size, false, false);
}

/// Operands are x, weight_ih, weight_hh, then bias_ih and bias_hh if there are biases, and then the
/// initial states if there are any. The output, and the last states.
template <class T>
std::array<Variable<T>, 3> run_program(const std::shared_ptr<const layers::StepProgram<T>>& program,
                                       std::span<const Variable<T>> in, bool reverse) {
  constexpr std::array names{"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  const std::size_t parameters = program->parameters.size();
  const bool initial = in.size() > 1 + parameters;
  std::array<Variable<T>, 8> inputs{in[0]};
  std::size_t count = 1;
  for (std::size_t k = 1 + parameters; k < in.size(); ++k) inputs[count++] = in[k];
  for (const std::string& name : program->parameters)
    inputs[count++] =
        in[1 + static_cast<std::size_t>(std::ranges::find(names, name) - names.begin())];
  const auto results = layers::apply_sequence(program, {}, initial, reverse,
                                              std::span<const Variable<T>>(inputs).first(count));
  return {results[0], results[1], results[2]};
}

}  // namespace tapestry::test
