// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/detail/followed.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/optim/detail/apply_rule.hpp"
#include "tapestry/optim/detail/check.hpp"

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

/// Parameters with a learning rate or a weight decay of their own; what a group does not say comes
/// from the options of its optimizer. No decay of biases, and a lower rate for the embedding:
///
///     ParameterList<> weights, biases, table;
///     for (const auto& [name, p] : named_parameters(net))
///       (name == "table.weight" ? table : name.find("bias") < name.size() ? biases : weights)
///           .push_back(p);
///     AdamW adamw({{.parameters = weights},
///                  {.parameters = biases, .weight_decay = 0.0},
///                  {.parameters = table, .learning_rate = 1e-4}}, {.learning_rate = 3e-3});
template <class T = float>
struct ParameterGroup {
  ParameterList<T> parameters = {};  ///< may be empty, if those of another group are not
  std::optional<double> learning_rate = {};
  std::optional<double> weight_decay = {};
};

template <class T>
class Step;

/// What all optimizers share: the parameters in their groups, the learning rates, what they
/// remember between steps, and the loop over the parameters. An optimizer of one's own derives from
/// it and gives `update`, which applies a rule to one parameter. A rule says by which names files
/// hold what it remembers, and how one number changes:
///
///     struct LionRule {
///       static constexpr std::array memories{"exp_avg"};  // m
///       double rate, decay, beta1, beta2;
///       void operator()(auto& p, auto g, auto& m) const {
///         p = p - rate * (sign(beta1 * m + (1 - beta1) * g) + decay * p);
///         m = beta2 * m + (1 - beta2) * g;
///       }
///     };
///
/// It computes with a `Scalar`, which has the functions of ops, and takes by reference what it
/// changes: the value and, in the order of their names, what it remembers.
///
/// The optimizer refers to the parameters and does not own them. It follows a model that is moved,
/// so that a struct of model and optimizer can be. A copy of an optimizer is for the same
/// parameters, unless those have been copied too: then it does not know which are to be its own,
/// and must be told by `bind`. Each function that needs the parameters throws ArgumentError when it
/// does not know, when one of them no longer exists or was moved from, and when the optimizer was.
template <class T = float>
class Optimizer : public tapestry::detail::Followed<Optimizer<T>> {
 public:
  virtual ~Optimizer() = default;

  /// Updates every parameter that has a gradient and requires one; the others, and what the
  /// optimizer remembers of them, stay as they are. Allocates nothing. Throws ShapeError, before
  /// anything has changed, when a parameter or its gradient has changed shape.
  void step();

  /// Forgets the gradients of all parameters.
  void zero_grad();

  /// Goes on with these parameters in place of those it had, one for one, such as those of a copy
  /// of the model: `copy.adam.bind(parameters(copy.model))`. What it remembers stays. Throws
  /// ArgumentError, and changes nothing, when there are more or fewer or one comes twice, and
  /// ShapeError when one has another shape.
  void bind(const ParameterList<T>& parameters);

  /// The number of groups: 1 when the optimizer was made from a list of parameters.
  [[nodiscard]] std::size_t groups() const { return groups_.size(); }

  /// The learning rate of the first group.
  [[nodiscard]] double learning_rate() const { return learning_rate(0); }

  /// The learning rate of a group. Throws IndexError when there is no such group.
  [[nodiscard]] double learning_rate(std::size_t group) const;

  /// Sets the learning rate of all groups. Throws ArgumentError when it is negative or not finite.
  void set_learning_rate(double learning_rate);

  /// Sets the learning rate of one group. Throws IndexError when there is no such group, and
  /// ArgumentError when the rate is negative or not finite.
  void set_learning_rate(std::size_t group, double learning_rate);

  /// The parameters of all groups, one group after another, where they are now.
  [[nodiscard]] const ParameterList<T>& parameters() const;

  /// The name of an optimizer among the parts of a `bundle`.
  static constexpr const char* part_name = "optimizer";

  /// Shows all that the optimizer remembers, for `save` and `load`: its learning rates, and for
  /// each parameter the number of steps and the arrays of its rule, under the names of PyTorch and
  /// of the parameter: "Adam.learning_rate", of the second group "Adam.learning_rate.1",
  /// "Adam.step.lstm.weight_ih_l0", "Adam.exp_avg.lstm.weight_ih_l0". A parameter without a name
  /// goes by its position in `parameters()`.
  void visit(auto&& part) {
    const ParameterList<T>& list = parameters();
    const std::string prefix = std::string(name_) + ".";
    for (std::size_t g = 0; g < groups_.size(); ++g)
      part(prefix + "learning_rate" + (g > 0 ? "." + std::to_string(g) : ""),
           groups_[g].learning_rate);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string& name = list[i]->name();
      const std::string suffix = "." + (name.empty() ? std::to_string(i) : name);
      part(prefix + "step" + suffix, steps_[i]);
      for (Memory& memory : memories_)
        if (!memory.arrays.empty()) part(prefix + memory.name + suffix, memory.arrays[i]);
    }
  }

 protected:
  /// `name` (a literal) begins the error texts, and `memories` (literals) are those of the rule;
  /// what is remembered starts as zeros. `learning_rate` and `weight_decay` are for the groups that
  /// do not give their own. Throws ArgumentError when there are no parameters or one comes twice,
  /// or when a rate or decay is negative or not finite.
  Optimizer(const char* name, const std::vector<ParameterGroup<T>>& groups, double learning_rate,
            double weight_decay, std::span<const char* const> memories = {});

  /// Does without a memory of the rule, as SGD does without momentum: files do not hold it, and the
  /// rule sees a number that is 0 before each use.
  void leave_out(const char* memory);

  /// What the memory holds before the first step, in place of zeros.
  void start_from(const char* memory, double value);

  Optimizer(const Optimizer&) = default;
  Optimizer(Optimizer&&) noexcept = default;
  /// Takes over what `other` remembers. An optimizer of the same parameters stays one.
  Optimizer& operator=(const Optimizer& other);
  Optimizer& operator=(Optimizer&&) noexcept = default;

  /// One step of one parameter, which has a gradient of its shape: `step.apply(Rule{...})`.
  virtual void update(const Step<T>& step) = 0;

 private:
  friend class Step<T>;

  struct Memory {
    const char* name;
    std::vector<Array<T>> arrays;  // one for each parameter; none if the memory is left out
  };

  struct Group {
    detail::LearningRate learning_rate;
    double weight_decay = 0;
  };

  /// Throws ArgumentError when there is no such memory.
  Memory& memory(std::string_view name);
  /// That of the parameter at `position`; null for a memory that is left out.
  T* memory_of(std::string_view name, std::size_t position) {
    std::vector<Array<T>>& arrays = memory(name).arrays;
    return arrays.empty() ? nullptr : arrays[position].data();
  }
  void link(const ParameterList<T>& parameters);
  void check_distinct(const ParameterList<T>& parameters) const;
  void check_group(std::size_t group) const;
  void check_shapes() const;

  const char* name_;
  std::vector<tapestry::detail::Link<Parameter<T>>> links_;
  mutable ParameterList<T> parameters_;  // where the links lead
  std::vector<std::size_t> group_of_;    // each parameter
  std::vector<Group> groups_;
  std::vector<Shape> shapes_;  // when the optimizer was made; its memories have these shapes
  std::vector<std::uint64_t> steps_;
  std::vector<Memory> memories_;
};

/// One step of one parameter, for `Optimizer::update`.
template <class T>
class Step {
 public:
  double learning_rate;  ///< of the parameter's group
  double weight_decay;   ///< likewise
  double count;          ///< how many steps of the parameter there were, with this one

  /// Applies the rule to all numbers of the parameter, by several threads where there are many
  /// (see `set_num_threads`). The rules of the library are compiled for several architectures, one
  /// of which is chosen at run time; another rule is compiled with the program that it is in, as
  /// vectors if its compiler makes them of a loop (GCC with -O3, and -march for more than the
  /// baseline). Allocates nothing. Throws ArgumentError, before it has changed anything, when the
  /// rule names a memory that the optimizer was not made with.
  template <class Rule>
  void apply(const Rule& rule) const {
    detail::NumbersOf<Rule, T> numbers{
        parameter_.size(), parameter_.storage().data(), parameter_.grad().data(), {}};
    for (std::size_t m = 0; m < Rule::memories.size(); ++m)
      numbers.memory[m] = optimizer_.memory_of(Rule::memories[m], position_);
    detail::apply<Rule, T>(rule, numbers);
  }

 private:
  friend class Optimizer<T>;
  Step(Optimizer<T>& optimizer, std::size_t position, Parameter<T>& parameter);

  Optimizer<T>& optimizer_;
  std::size_t position_;
  Parameter<T>& parameter_;
};

TAPESTRY_EXTERN_TYPES(class Step, class Optimizer)

}  // namespace tapestry::optim
