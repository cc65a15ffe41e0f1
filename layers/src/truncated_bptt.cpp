// SPDX-License-Identifier: MIT
#include "tapestry/layers/truncated_bptt.hpp"

#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace {

/// "step 3" or "steps 3 to 5".
std::string in_words(Steps steps) {
  const std::string first = std::to_string(steps.first);
  return steps.size() == 1 ? "step " + first
                           : "steps " + first + " to " + std::to_string(steps.last - 1);
}

}  // namespace

template <class T>
Array<T> Steps::of(const Array<T>& array) const {
  Shape shape(array.shape());
  if (shape.rank() == 0 || last > shape[0] || first > last)
    throw IndexError("steps", "[" + std::to_string(first) + ", " + std::to_string(last) +
                                  ") is not within an array of shape " + shape.str());
  const std::size_t row = shape.part(1, shape.rank()).size();
  shape[0] = size();
  Array<T> part(xt::dynamic_shape<std::size_t>(shape.begin(), shape.end()));
  std::copy_n(array.data() + first * row, part.size(), part.data());
  return part;
}

std::vector<TruncatedPass> truncated_passes(std::size_t steps, TruncationOptions options) {
  const std::size_t window = options.window;
  const std::size_t stride = options.stride == 0 ? window : options.stride;
  if (window == 0) throw ArgumentError("truncated_bptt", "window must be positive");
  if (window < stride)
    throw ArgumentError("truncated_bptt", "window " + std::to_string(window) +
                                              " must be at least the stride " +
                                              std::to_string(stride) +
                                              ": losses of the steps between would not count");
  std::vector<TruncatedPass> passes;
  for (std::size_t first = 0; first < steps; first += std::min(stride, steps - first)) {
    const std::size_t last = first + std::min(stride, steps - first);
    passes.push_back({last - std::min(window, last), {first, last}});
  }
  return passes;
}

std::string explain(const std::vector<TruncatedPass>& passes) {
  std::string text;
  for (const TruncatedPass& pass : passes) {
    const Steps again{pass.reach, pass.losses.first};
    text += "losses of " + in_words(pass.losses) + ", gradient back to step " +
            std::to_string(pass.reach);
    if (again.size() > 0) text += " (" + in_words(again) + " run again)";
    text += '\n';
  }
  return text;
}

template Array<float> Steps::of(const Array<float>&) const;
template Array<double> Steps::of(const Array<double>&) const;
template Indices Steps::of(const Indices&) const;

}  // namespace tapestry
