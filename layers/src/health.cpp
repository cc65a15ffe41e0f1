// SPDX-License-Identifier: MIT
#include "tapestry/layers/health.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <span>
#include <string_view>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/states.hpp"

namespace tapestry {
namespace {

using layers::Direction;
using layers::Lengths;

/// Gradients of the values that steps have under one name, by time; those that the tape holds.
template <class T>
std::map<std::int64_t, double> gradient_norms(const Variable<T>& output, std::string_view name,
                                              std::size_t layer, std::string_view direction) {
  std::map<std::int64_t, double> norms;
  std::vector<StateAt<T>> states;
  try {
    states = find_states(output, {name},
                         {.scope = direction, .layer = static_cast<std::int64_t>(layer)});
  } catch (const ArgumentError&) {  // one fused op
    return norms;
  }
  for (const StateAt<T>& state : states) {
    const Variable<T>& last = state.parts.back();  // of this call
    try {
      double square = 0;
      for (const T g : last.grad()) square += static_cast<double>(g) * static_cast<double>(g);
      norms[state.time] = std::sqrt(square / static_cast<double>(last.shape()[0]));
    } catch (const GradientError&) {
      return norms;
    }
  }
  return norms;
}

/// Adds up one gate over (T, B, H).
template <class T>
void measure(const Array<T>& values, bool sigmoid, const Lengths& lengths, ValueHealth& health) {
  const std::size_t steps = values.shape()[0], batch = values.shape()[1];
  health.units = values.shape()[2];
  if (!lengths.empty() && lengths.size() != batch)
    throw ShapeError("health_report", std::to_string(lengths.size()) + " lengths for " +
                                          std::to_string(batch) + " sequences");
  std::vector<T> least(health.units, std::numeric_limits<T>::infinity());
  std::vector<T> most(health.units, -std::numeric_limits<T>::infinity());
  const T low = sigmoid ? T(0.1) : T(-0.9), high = T(0.9);
  const T* from = values.data();
  double all = 0;
  for (std::size_t t = 0; t < steps; ++t) {
    StepHealth step{.time = t};
    double running = 0;
    for (std::size_t b = 0; b < batch; ++b, from += health.units) {
      if (!lengths.empty() && t >= lengths[b]) continue;
      ++running;
      for (std::size_t k = 0; k < health.units; ++k) {
        step.norm += static_cast<double>(from[k]) * static_cast<double>(from[k]);
        step.low += from[k] < low ? 1 : 0;
        step.high += from[k] > high ? 1 : 0;
        least[k] = std::min(least[k], from[k]);
        most[k] = std::max(most[k], from[k]);
      }
    }
    if (running == 0) continue;
    const double count = running * static_cast<double>(health.units);
    health.low += step.low;
    health.high += step.high;
    all += count;
    step.norm = std::sqrt(step.norm / running);
    step.low /= count;
    step.high /= count;
    health.steps.push_back(step);
  }
  health.low /= std::max(all, 1.0);
  health.high /= std::max(all, 1.0);
  for (std::size_t k = 0; k < health.units; ++k)
    if (all > 0 && most[k] - least[k] <= T(1e-6)) ++health.dead;
}

}  // namespace

template <class T>
HealthReport detail::health_report(const layers::RecurrentLayer<T>& layer,
                                   const layers::StepRecord<T>& record,
                                   const HealthOptions<T>& options) {
  HealthReport report{.layer = layer.name()};
  const bool both = layer.directions() == 2;
  for (std::size_t l = 0; l < layer.options().num_layers; ++l) {
    for (std::size_t d = 0; d < layer.directions(); ++d) {
      const auto direction = d == 0 ? Direction::forward : Direction::reverse;
      const std::string_view scope = !both ? "" : d == 0 ? "forward" : "reverse";
      for (const std::string& name : layer.value_names()) {
        ValueHealth health{.name = name, .layer = l, .direction = direction};
        measure(record.gate(name, l, direction), layer.is_sigmoid(name), options.lengths, health);
        const auto norms = gradient_norms(record.last, name, l, scope);
        for (StepHealth& step : health.steps)
          if (const auto found = norms.find(static_cast<std::int64_t>(step.time));
              found != norms.end())
            step.gradient_norm = found->second;
        report.values.push_back(std::move(health));
      }
    }
  }
  report.parameters = parameter_health(options.parameters, options.update);
  return report;
}

TAPESTRY_INSTANTIATE(detail::health_report)

}  // namespace tapestry
