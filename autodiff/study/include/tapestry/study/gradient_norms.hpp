// SPDX-License-Identifier: MIT
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "tapestry/autodiff/dot_overlay.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/study/study_value.hpp"

namespace tapestry {

/// How large the gradient is at each value that a result was computed from: where it fades or
/// grows. Uses of one parameter count together.
template <class T>
class GradientNorms {
 public:
  struct Norm {
    StudyValue value;
    double norm = 0;
  };

  /// In the order of the tape.
  [[nodiscard]] const std::vector<Norm>& values() const { return norms_; }

  /// The norm at one value; 0 when the result does not depend on it.
  [[nodiscard]] double of(const Variable<T>& v) const;

  /// For a drawing: the larger, the darker, on a logarithmic scale from the smallest to the
  /// largest, over eight powers of ten at most.
  [[nodiscard]] DotOverlay overlay() const;

  /// A line for each value that has a name.
  [[nodiscard]] std::string str() const;

  /// For the engine.
  GradientNorms(std::string of, std::vector<Norm> norms, std::vector<std::string> labels)
      : of_(std::move(of)), norms_(std::move(norms)), labels_(std::move(labels)) {}

 private:
  std::string of_;
  std::vector<Norm> norms_;
  std::vector<std::string> labels_;
};

/// The norms of the gradients of the scalar `y`, by one sweep; no gradient on the tape is read or
/// changed. Throws StaleVariable; GradientError when `y` is no scalar or needs no gradient.
template <class T>
[[nodiscard]] GradientNorms<T> gradient_norms(const Variable<T>& y);

template <class T>
std::ostream& operator<<(std::ostream& out, const GradientNorms<T>& norms);

TAPESTRY_EXTERN_TYPES(class GradientNorms)

}  // namespace tapestry
