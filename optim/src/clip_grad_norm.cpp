// SPDX-License-Identifier: MIT
#include "tapestry/optim/clip_grad_norm.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "kernels/update_kernels.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/optim/detail/check.hpp"

namespace tapestry::optim {
namespace {

constexpr const char* op = "clip_grad_norm";

/// In at most 64 sums, which depend on the size alone and are added in order.
template <class T>
double sum_of_squares(const Array<T>& values) {
  constexpr std::size_t least = std::size_t{1} << 14;
  std::array<double, 64> sums{};
  const std::size_t count = std::clamp<std::size_t>(values.size() / least, 1, sums.size());
  const auto sum = [&](std::size_t i) {
    const tapestry::detail::Range range = tapestry::detail::part_of(values.size(), count, i);
    sums[i] = detail::update_kernels<T>().sum_of_squares(values.data() + range.first, range.size());
  };
  const std::size_t parts =
      tapestry::detail::parts_for(values.size() * detail::work_per_number, count);
  tapestry::detail::parallel(parts, [&](std::size_t part) {
    const tapestry::detail::Range range = tapestry::detail::part_of(count, parts, part);
    for (std::size_t i = range.first; i < range.last; ++i) sum(i);
  });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

template <class T>
[[noreturn]] void throw_nonfinite(const ParameterList<T>& parameters, double norm) {
  const std::string text = "the norm of the gradients is " + number_text(norm);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (detail::is_trained(*parameters[i]) && !std::isfinite(sum_of_squares(parameters[i]->grad())))
      throw GradientError(op, text + ", first in that of " + detail::label_of(*parameters[i], i));
  throw GradientError(op, text + ", though each gradient is finite");
}

}  // namespace

template <class T>
double clip_grad_norm(const ParameterList<T>& parameters, double max_norm, ClipOptions options) {
  if (!(max_norm >= 0))
    throw ArgumentError(op, "max_norm must not be negative or NaN, got " + number_text(max_norm));
  double sum = 0;
  for (const Parameter<T>* parameter : parameters)
    if (detail::is_trained(*parameter)) sum += sum_of_squares(parameter->grad());
  const double norm = std::sqrt(sum);
  if (options.error_if_nonfinite && !std::isfinite(norm)) throw_nonfinite(parameters, norm);

  const double scale = max_norm / (norm + 1e-6);
  if (scale >= 1 || std::isinf(max_norm)) return norm;
  for (Parameter<T>* parameter : parameters) {
    if (!detail::is_trained(*parameter)) continue;
    T* grad = parameter->grad().data();
    detail::for_parts(parameter->size(), [&](std::size_t first, std::size_t count) {
      detail::update_kernels<T>().scale(grad + first, count, static_cast<T>(scale));
    });
  }
  return norm;
}

TAPESTRY_INSTANTIATE(clip_grad_norm)

}  // namespace tapestry::optim
