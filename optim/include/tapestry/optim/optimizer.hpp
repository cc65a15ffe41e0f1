// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::optim {

namespace detail {

/// A learning rate as a part of a file: a number that is finite and not negative.
class LearningRate {
 public:
  using State = std::array<double, 1>;

  [[nodiscard]] State state() const { return {value}; }
  [[nodiscard]] static bool is_state(const State& state) {
    return std::isfinite(state[0]) && state[0] >= 0;
  }
  void set_state(const State& state) { value = state[0]; }

  double value = 0;
};

}  // namespace detail

/// What all optimizers share: the parameters, the learning rate, what they remember between steps,
/// and the loop over the parameters. A new optimizer derives from it, says what it remembers, and
/// gives `update`, the rule for one parameter.
///
/// The optimizer refers to the parameters and does not own them: the model must outlive it and
/// stay at its address.
template <class T = float>
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Updates every parameter that has a gradient and requires one; the others, and what the
  /// optimizer remembers of them, stay as they are. Allocates nothing. Throws ShapeError, before
  /// anything has changed, when a parameter or its gradient has changed shape.
  void step();

  /// Forgets the gradients of all parameters.
  void zero_grad();

  [[nodiscard]] double learning_rate() const { return learning_rate_.value; }

  /// Throws ArgumentError when `learning_rate` is negative or not finite.
  void set_learning_rate(double learning_rate);

  [[nodiscard]] const ParameterList<T>& parameters() const { return parameters_; }

  /// The name of an optimizer among the parts of a `bundle`.
  static constexpr const char* part_name = "optimizer";

  /// Shows all that the optimizer remembers, for `save` and `load`: its learning rate, and for each
  /// parameter the number of steps and the arrays of its rule, under the names of PyTorch and of
  /// the parameter: "Adam.learning_rate", "Adam.step.lstm.weight_ih_l0",
  /// "Adam.exp_avg.lstm.weight_ih_l0". A parameter without a name goes by its position.
  void visit(auto&& part) {
    const std::string prefix = std::string(name_) + ".";
    part(prefix + "learning_rate", learning_rate_);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const std::string& name = parameters_[i]->name();
      const std::string suffix = "." + (name.empty() ? std::to_string(i) : name);
      part(prefix + "step" + suffix, steps_[i]);
      for (Memory& memory : memories_) part(prefix + memory.name + suffix, memory.arrays[i]);
    }
  }

 protected:
  /// `name` (a literal) begins the error texts, and `memories` (literals) name the arrays that the
  /// rule keeps for each parameter; they start as zeros. Throws ArgumentError when the list is
  /// empty or names a parameter twice, or when the learning rate is negative or not finite.
  Optimizer(const char* name, ParameterList<T> parameters, double learning_rate,
            const std::vector<const char*>& memories = {});

  Optimizer(const Optimizer&) = default;
  Optimizer& operator=(const Optimizer&) = default;

  /// Changes the value of `parameter`, which stands at `position` in the list and has a gradient
  /// of its shape. Must not throw.
  virtual void update(std::size_t position, Parameter<T>& parameter) = 0;

  /// Steps that were taken for the parameter at `position`, with the present one.
  [[nodiscard]] std::uint64_t steps(std::size_t position) const { return steps_[position]; }

  /// The array of memory number `which` for the parameter at `position`, shaped like it.
  [[nodiscard]] T* memory(std::size_t which, std::size_t position) {
    return memories_[which].arrays[position].data();
  }

 private:
  struct Memory {
    const char* name;
    std::vector<Array<T>> arrays;  // one for each parameter
  };

  void check_shapes() const;

  const char* name_;
  ParameterList<T> parameters_;
  std::vector<Shape> shapes_;  // when the optimizer was made; its memories have these shapes
  std::vector<std::uint64_t> steps_;
  std::vector<Memory> memories_;
  detail::LearningRate learning_rate_;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace tapestry::optim
