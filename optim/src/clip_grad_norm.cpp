// SPDX-License-Identifier: MIT
#include "tapestry/optim/clip_grad_norm.hpp"

#include <array>
#include <cmath>
#include <cstddef>

#include "check.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::optim {
namespace {

constexpr const char* op = "clip_grad_norm";

/// Summed in double and in eight lanes, which vectorise and always give the same result.
template <class T>
double sum_of_squares(const Array<T>& values) {
  std::array<double, 8> lanes{};
  const T* data = values.data();
  const std::size_t whole = values.size() - values.size() % lanes.size();
  for (std::size_t i = 0; i < whole; i += lanes.size())
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      const auto value = static_cast<double>(data[i + lane]);
      lanes[lane] += value * value;
    }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  for (std::size_t i = whole; i < values.size(); ++i) {
    const auto value = static_cast<double>(data[i]);
    sum += value * value;
  }
  return sum;
}

template <class T>
[[noreturn]] void throw_nonfinite(const ParameterList<T>& parameters, double norm) {
  const std::string text = "the norm of the gradients is " + text_of(norm);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (is_trained(*parameters[i]) && !std::isfinite(sum_of_squares(parameters[i]->grad())))
      throw GradientError(op, text + ", first in that of " + label_of(*parameters[i], i));
  throw GradientError(op, text + ", though each gradient is finite");
}

}  // namespace

template <class T>
double clip_grad_norm(const ParameterList<T>& parameters, double max_norm, ClipOptions options) {
  if (!(max_norm >= 0))
    throw ArgumentError(op, "max_norm must not be negative or NaN, got " + text_of(max_norm));
  double sum = 0;
  for (const Parameter<T>* parameter : parameters)
    if (is_trained(*parameter)) sum += sum_of_squares(parameter->grad());
  const double norm = std::sqrt(sum);
  if (options.error_if_nonfinite && !std::isfinite(norm)) throw_nonfinite(parameters, norm);

  const double scale = max_norm / (norm + 1e-6);
  if (scale >= 1 || std::isinf(max_norm)) return norm;
  for (Parameter<T>* parameter : parameters) {
    if (!is_trained(*parameter)) continue;
    T* grad = parameter->grad().data();
    const std::size_t size = parameter->size();
    const T factor = static_cast<T>(scale);
    for (std::size_t i = 0; i < size; ++i) grad[i] *= factor;
  }
  return norm;
}

template double clip_grad_norm(const ParameterList<float>&, double, ClipOptions);
template double clip_grad_norm(const ParameterList<double>&, double, ClipOptions);

}  // namespace tapestry::optim
