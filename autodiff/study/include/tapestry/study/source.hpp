// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// With respect to what a gradient is studied: a variable, or a parameter, which stands for all its
/// uses on the tape together. Studies take either in its place.
template <class T>
class Source {
 public:
  Source(const Variable<T>& variable) : variable_(variable) {}       // NOLINT
  Source(const Parameter<T>& parameter) : parameter_(&parameter) {}  // NOLINT
  Source(const Parameter<T>&&) = delete;                             // it must stay

  /// The one that it is; the other is an empty handle or null.
  [[nodiscard]] const Variable<T>& variable() const { return variable_; }
  [[nodiscard]] const Parameter<T>* parameter() const { return parameter_; }

 private:
  Variable<T> variable_;
  const Parameter<T>* parameter_ = nullptr;
};

}  // namespace tapestry
