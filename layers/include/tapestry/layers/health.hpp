// SPDX-License-Identifier: MIT
// The health of a recurrent layer in training: the sizes of values and gradients along time, gates
// that are stuck, units that do nothing, updates that are too large. It is cheap enough for every
// hundredth step:
//
//   const auto result = model.lstm(x);
//   ...
//   loss.backward();
//   const auto update = [&] { adam.step(); };
//   if (step % 100 == 0) {
//     const HealthReport report =
//         health_report(model.lstm, result, {.parameters = parameters(model), .update = update});
//     std::cout << report;
//     append_csv(report, "health.csv", step);
//   } else {
//     update();
//   }
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/layers/parameter_health.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry {

/// A gate or state at one step.
struct StepHealth {
  std::size_t time = 0;
  double norm = 0;  ///< the root of the mean over sequences of the sum of squares over units

  /// The same for the gradient. It is NaN when the tape does not hold the gradient: backward has
  /// not run, or the layer was recorded as one fused op.
  double gradient_norm = std::numeric_limits<double>::quiet_NaN();

  /// The shares of the values near the lower and the upper end of the gate's range: below 0.1 and
  /// above 0.9 for a sigmoid, below -0.9 and above 0.9 for anything else.
  double low = 0;
  double high = 0;
};

/// A gate or state of one layer and direction over all steps.
struct ValueHealth {
  std::string name;  ///< "f", as in the layer's equations
  std::size_t layer = 0;
  layers::Direction direction = layers::Direction::forward;
  std::vector<StepHealth> steps = {};
  double low = 0;  ///< means over all steps
  double high = 0;
  std::size_t units = 0;
  std::size_t dead = 0;  ///< units that keep one value, up to 10⁻⁶, at all steps of all sequences
};

struct HealthReport {
  std::string layer;  ///< the layer's name
  std::vector<ValueHealth> values = {};
  std::vector<ParameterHealth> parameters = {};
};

template <class T>
struct HealthOptions {
  ParameterList<T> parameters = {};   ///< the ones to report on; by default those of the layer
  std::function<void()> update = {};  ///< called once, see `parameter_health`
  layers::Lengths lengths = {};       ///< the lengths with which the layer was called
};

namespace detail {

/// The same for the steps that a record leads to.
template <class T>
HealthReport health_report(const layers::RecurrentLayer<T>& layer,
                           const layers::StepRecord<T>& record, const HealthOptions<T>& options);

}  // namespace detail

/// The health of a recurrent layer in the call that gave `result`. StaleVariable, and ShapeError
/// when the lengths are not B.
template <class T, class State>
HealthReport health_report(std::derived_from<layers::RecurrentLayer<T>> auto& layer,
                           const layers::Recurrence<T, State>& result,
                           const HealthOptions<std::type_identity_t<T>>& options = {}) {
  HealthOptions<T> all = options;
  if (all.parameters.empty()) all.parameters = parameters(layer);
  return detail::health_report(layer, result.record(), all);
}

/// Two tables for readers: gates and states by layer, and parameters.
std::ostream& operator<<(std::ostream& out, const HealthReport& report);

/// Appends one line for each gate or state and step, and one for each parameter. A new file begins
/// with a line of headings:
/// training_step,what,name,layer,direction,time,norm,gradient_norm,low,high,dead,update_ratio.
/// A field that does not apply is empty. Throws FileError.
void append_csv(const HealthReport& report, const std::filesystem::path& path,
                std::uint64_t training_step);

}  // namespace tapestry
