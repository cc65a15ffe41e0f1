// SPDX-License-Identifier: MIT
// Learning rates that change during training:
//
//   AdamW adamw(parameters(net), {.learning_rate = 3e-3});
//   LRScheduler scheduler(adamw, warm_up(100, cosine({.steps = 2000, .floor = 0.1})));
//   for (...) { ...; adamw.step(); scheduler.step(); }
//
// Schedulers can be parts of a bundle, `bundle(net, adamw, scheduler)`. Then a run that is resumed
// from a file goes on with the same rates. The optimizer's part of the file holds the rates
// themselves, and the scheduler's part holds its counters. The order of the two does not matter.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tapestry/optim/optimizer.hpp"

namespace tapestry::optim {

/// A function that gives the factor on the initial learning rate after `step` steps, as the
/// function of torch.optim.lr_scheduler.LambdaLR does. You may write your own; it must depend on
/// `step` alone.
using Schedule = std::function<double(std::uint64_t step)>;

/// The factor is 1 at all times.
[[nodiscard]] Schedule constant();

struct StepDecayOptions {
  std::uint64_t every = 0;  ///< the number of steps between two changes; must be given
  double factor = 0.1;
};

/// factor^n, where n is step / every rounded down; PyTorch's StepLR.
/// Throws ArgumentError when `every` is 0, or `factor` negative or not finite.
[[nodiscard]] Schedule step_decay(StepDecayOptions options);

struct CosineOptions {
  std::uint64_t steps = 0;  ///< the number of steps from 1 down to the floor; must be given
  double floor = 0;
};

/// floor + (1 - floor) (1 + cos(pi step / steps)) / 2, and after `steps` steps the floor. PyTorch's
/// CosineAnnealingLR is the same until then; its eta_min is floor times the initial rate.
/// Throws ArgumentError when `steps` is 0, or `floor` negative or not finite.
/// Source: Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts",
/// equation 5, without the restarts.
[[nodiscard]] Schedule cosine(CosineOptions options);

/// factor^step; PyTorch's ExponentialLR. Throws ArgumentError when `factor` is negative or not
/// finite.
[[nodiscard]] Schedule exponential(double factor);

/// (step + 1) / steps during the first `steps` steps, then `then`, which counts from there. In
/// PyTorch this is SequentialLR of LinearLR(start_factor=1/steps, total_iters=steps-1) and `then`.
/// Throws ArgumentError when `then` is empty.
[[nodiscard]] Schedule warm_up(std::uint64_t steps, Schedule then);

/// Sets the learning rates of an optimizer by a schedule: the rate of each group is its initial
/// rate times the factor. A scheduler refers to the optimizer, and follows it when it is moved. For
/// a copy of a scheduler the same rules hold as for a copy of an optimizer: see `Optimizer` and
/// `bind`.
///
/// Make it before you load a file, since it takes the optimizer's rates as initial rates. The file
/// holds "scheduler.steps" and "scheduler.initial_learning_rate", and for further groups
/// "scheduler.initial_learning_rate.1" and so on. It does not hold the schedule.
template <class T = float>
class LRScheduler {
 public:
  /// Sets the rates for step 0. Throws ArgumentError when the schedule is empty, and throws for
  /// step 0 what `step` throws.
  LRScheduler(Optimizer<T>& optimizer, Schedule schedule);

  /// Goes one step further; call it after the optimizer's step. It allocates nothing unless the
  /// schedule does. Throws ArgumentError when the schedule gives a factor that is negative or not
  /// finite, when a rate would not be finite, when the optimizer is gone, and when this is a copy
  /// that was not bound to an optimizer. Then nothing has changed.
  void step();

  /// Goes on with another optimizer; a copy of a scheduler needs this. Throws ArgumentError when
  /// the optimizer has another number of groups.
  void bind(Optimizer<T>& optimizer);

  /// How often `step` was called, including the calls before the file was saved.
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

  /// The factor after that many steps. Throws ArgumentError when the scheduler was moved from.
  [[nodiscard]] double factor() const;

  /// The name of a scheduler among the parts of a `bundle`.
  static constexpr const char* part_name = "scheduler";

  /// Shows `save` and `load` the numbers that belong in a file.
  void visit(auto&& part) {
    part("steps", steps_);
    for (std::size_t g = 0; g < initial_.size(); ++g)
      part("initial_learning_rate" + (g > 0 ? "." + std::to_string(g) : std::string()),
           initial_[g]);
  }

 private:
  void set_rates(std::uint64_t step);

  tapestry::detail::Link<Optimizer<T>> optimizer_;
  Schedule schedule_;
  std::vector<detail::LearningRate> initial_;  // of each group
  std::uint64_t steps_ = 0;
};

/// Options of ReduceLROnPlateau, with the defaults of PyTorch.
struct PlateauOptions {
  double factor = 0.1;          ///< the new rate divided by the old one, in [0, 1)
  std::uint64_t patience = 10;  ///< how many steps without improvement are allowed
  double threshold = 1e-4;      ///< a metric below (1 - threshold) best is better; in [0, 1)
  double min_learning_rate = 0;
};

/// Lowers the learning rates when a metric, such as the loss in validation, stops falling. It is
/// torch.optim.lr_scheduler.ReduceLROnPlateau with mode "min" and threshold_mode "rel", so the
/// metric should not be negative. It refers to the optimizer as LRScheduler does.
template <class T = float>
class ReduceLROnPlateau {
 public:
  /// Throws ArgumentError when `factor` or `threshold` is outside [0, 1), or `min_learning_rate` is
  /// negative or not finite.
  explicit ReduceLROnPlateau(Optimizer<T>& optimizer, PlateauOptions options = {});

  /// Looks at the metric; a NaN is no improvement. After more than `patience` steps without an
  /// improvement it multiplies all rates by the factor, but goes not below `min_learning_rate`. As
  /// in PyTorch, a rate stays if it would change by no more than 1e-8. Returns whether a rate has
  /// changed. It allocates nothing. Throws ArgumentError when the optimizer is gone, and when this
  /// is a copy that was not bound to an optimizer. Then nothing has changed.
  bool step(double metric);

  /// Goes on with another optimizer; a copy of a scheduler needs this.
  void bind(Optimizer<T>& optimizer) {
    optimizer_ = tapestry::detail::Link<Optimizer<T>>(optimizer);
  }

  /// The metric of the last improvement; infinite before the first.
  [[nodiscard]] double best() const { return best_; }

  /// Steps since the last improvement or change of the rates.
  [[nodiscard]] std::uint64_t bad_steps() const { return bad_steps_; }

  /// The name of a scheduler among the parts of a `bundle`.
  static constexpr const char* part_name = "scheduler";

  /// The numbers that belong in a file: `best()` and `bad_steps()`.
  using State = std::array<double, 2>;
  [[nodiscard]] State state() const { return {best_, static_cast<double>(bad_steps_)}; }
  /// Whether two numbers can be such a state.
  [[nodiscard]] static bool is_state(const State& state) {
    return !std::isnan(state[0]) && state[1] >= 0 && state[1] <= 0x1p53 &&
           state[1] == std::floor(state[1]);
  }
  /// Goes on from a state. The rates themselves are in the optimizer's part of the file.
  void set_state(const State& state) noexcept {
    best_ = state[0];
    bad_steps_ = static_cast<std::uint64_t>(state[1]);
  }

 private:
  tapestry::detail::Link<Optimizer<T>> optimizer_;
  PlateauOptions options_;
  double best_ = std::numeric_limits<double>::infinity();
  std::uint64_t bad_steps_ = 0;
};

TAPESTRY_EXTERN_TYPES(class LRScheduler, class ReduceLROnPlateau)

}  // namespace tapestry::optim
