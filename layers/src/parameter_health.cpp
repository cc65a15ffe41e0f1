// SPDX-License-Identifier: MIT
#include "tapestry/layers/parameter_health.hpp"

#include <cmath>
#include <utility>

namespace tapestry {
namespace {

/// The norm of what is finite; counts the rest.
template <class T>
double norm_of(const Array<T>& x, std::size_t& not_finite) {
  double square = 0;
  for (const T value : x) {
    if (std::isfinite(value))
      square += static_cast<double>(value) * static_cast<double>(value);
    else
      ++not_finite;
  }
  return std::sqrt(square);
}

}  // namespace

template <class T>
std::vector<ParameterHealth> parameter_health(const ParameterList<T>& parameters,
                                              const std::function<void()>& update) {
  std::vector<ParameterHealth> list;
  std::vector<Array<T>> before;
  for (const Parameter<T>* parameter : parameters) {
    ParameterHealth health{.name = parameter->name(), .size = parameter->size()};
    health.norm = norm_of(std::as_const(*parameter).value(), health.not_finite);
    if (parameter->has_grad()) health.gradient_norm = norm_of(parameter->grad(), health.not_finite);
    list.push_back(std::move(health));
    if (update) before.push_back(std::as_const(*parameter).value());
  }
  if (!update) return list;
  update();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Array<T>& now = std::as_const(*parameters[i]).value();
    double square = 0;
    for (std::size_t k = 0; k < now.size() && k < before[i].size(); ++k) {
      const double change =
          static_cast<double>(now.data()[k]) - static_cast<double>(before[i].data()[k]);
      square += change * change;
    }
    list[i].update_ratio = std::sqrt(square) / list[i].norm;
  }
  return list;
}

TAPESTRY_INSTANTIATE(parameter_health)

}  // namespace tapestry
