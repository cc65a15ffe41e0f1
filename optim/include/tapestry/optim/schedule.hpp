// SPDX-License-Identifier: MIT
// Learning rates that change during training:
//
//   AdamW adamw(parameters(net), {.learning_rate = 3e-3});
//   LRScheduler scheduler(adamw, warm_up(100, cosine({.steps = 2000, .floor = 0.1})));
//   for (...) { ...; adamw.step(); scheduler.step(); }
//
// Schedulers are parts of a bundle, `bundle(net, adamw, scheduler)`, so that a run resumed from a
// file goes on with the same rates. The optimizer's part of the file holds the rates themselves,
// the scheduler's what it needs to go on; the order of the two does not matter.
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

/// By what factor the initial learning rate is multiplied after `step` steps, as the function of
/// torch.optim.lr_scheduler.LambdaLR. Any function will do; it must depend on `step` alone.
using Schedule = std::function<double(std::uint64_t step)>;

/// 1 at all times.
[[nodiscard]] Schedule constant();

struct StepDecayOptions {
  std::uint64_t every = 0;  ///< steps between two changes; must be given
  double factor = 0.1;
};

/// factor^(step / every), rounded down: StepLR.
/// Throws ArgumentError when `every` is 0, or `factor` negative or not finite.
[[nodiscard]] Schedule step_decay(StepDecayOptions options);

struct CosineOptions {
  std::uint64_t steps = 0;  ///< from 1 to the floor; must be given
  double floor = 0;
};

/// floor + (1 - floor) (1 + cos(pi step / steps)) / 2, and after `steps` steps the floor:
/// CosineAnnealingLR, whose eta_min is floor times the initial rate.
/// Throws ArgumentError when `steps` is 0, or `floor` negative or not finite.
/// Source: Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts",
/// equation 5, without the restarts.
[[nodiscard]] Schedule cosine(CosineOptions options);

/// factor^step: ExponentialLR. Throws ArgumentError when `factor` is negative or not finite.
[[nodiscard]] Schedule exponential(double factor);

/// (step + 1) / steps during the first `steps` steps, then `then`, which counts from there:
/// SequentialLR of LinearLR(start_factor=1/steps, total_iters=steps-1) and `then`.
/// Throws ArgumentError when `then` is empty.
[[nodiscard]] Schedule warm_up(std::uint64_t steps, Schedule then);

/// Sets the learning rates of an optimizer by a schedule: of each group, its initial rate times the
/// factor. It refers to the optimizer, and follows it when it is moved. Of a copy of a scheduler
/// holds what holds of a copy of an optimizer: see `Optimizer` and `bind`.
///
/// Make it before a file is loaded: the initial rates are those that the optimizer then has. In the
/// file, "scheduler.steps" and "scheduler.initial_learning_rate", of further groups
/// "scheduler.initial_learning_rate.1"; the schedule itself is the one with which it was made.
template <class T = float>
class LRScheduler {
 public:
  /// Sets the rates for step 0. Throws ArgumentError when the schedule is empty, and for step 0
  /// what `step` throws.
  LRScheduler(Optimizer<T>& optimizer, Schedule schedule);

  /// One step further: call it after the optimizer's. Allocates nothing, unless the schedule does.
  /// Throws ArgumentError, before anything has changed, when the schedule gives a factor that is
  /// negative or not finite, or with which a rate is not; and when the optimizer is gone, or this
  /// is a copy that does not know its own.
  void step();

  /// Goes on with another optimizer, such as the one beside a copy of this. ArgumentError when it
  /// has another number of groups.
  void bind(Optimizer<T>& optimizer);

  /// How often `step` was called, before the file was saved too.
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

  /// The factor after that many steps. ArgumentError when the scheduler was moved from.
  [[nodiscard]] double factor() const;

  /// The name of a scheduler among the parts of a `bundle`.
  static constexpr const char* part_name = "scheduler";

  /// Shows what a file holds, for `save` and `load`.
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
  double factor = 0.1;          ///< of the new rate to the old one, in [0, 1)
  std::uint64_t patience = 10;  ///< steps without improvement that are put up with
  double threshold = 1e-4;      ///< better is less than (1 - threshold) best, in [0, 1)
  double min_learning_rate = 0;
};

/// Lowers the learning rates when a metric, such as the loss in validation, stops falling:
/// torch.optim.lr_scheduler.ReduceLROnPlateau with mode "min" and threshold_mode "rel", so the
/// metric should not be negative. It refers to the optimizer as LRScheduler does.
template <class T = float>
class ReduceLROnPlateau {
 public:
  /// Throws ArgumentError when `factor` or `threshold` is outside [0, 1), or the least rate
  /// negative or not finite.
  explicit ReduceLROnPlateau(Optimizer<T>& optimizer, PlateauOptions options = {});

  /// Looks at the metric; a NaN is no improvement. After more than `patience` steps without one,
  /// multiplies all rates by the factor, though not to less than `min_learning_rate`; as in
  /// PyTorch, a rate that would change by no more than 1e-8 stays. Returns whether a rate has
  /// changed. Allocates nothing. Throws ArgumentError, before anything has changed, when the
  /// optimizer is gone, or this is a copy that does not know its own.
  bool step(double metric);

  /// Goes on with another optimizer, such as the one beside a copy of this.
  void bind(Optimizer<T>& optimizer) {
    optimizer_ = tapestry::detail::Link<Optimizer<T>>(optimizer);
  }

  /// The metric of the last improvement; infinite before the first.
  [[nodiscard]] double best() const { return best_; }

  /// Steps since the last improvement or change of the rates.
  [[nodiscard]] std::uint64_t bad_steps() const { return bad_steps_; }

  /// The name of a scheduler among the parts of a `bundle`.
  static constexpr const char* part_name = "scheduler";

  /// What a file holds: `best()` and `bad_steps()`.
  using State = std::array<double, 2>;
  [[nodiscard]] State state() const { return {best_, static_cast<double>(bad_steps_)}; }
  /// Whether these can be the two.
  [[nodiscard]] static bool is_state(const State& state) {
    return !std::isnan(state[0]) && state[1] >= 0 && state[1] <= 0x1p53 &&
           state[1] == std::floor(state[1]);
  }
  /// Goes on from there; the rates are the optimizer's part of the file.
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
