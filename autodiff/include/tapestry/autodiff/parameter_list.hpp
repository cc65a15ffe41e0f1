// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/parameter.hpp"

namespace tapestry {

/// The parameters of a model, in order: pointers that it does not own, so the model must stay
/// where it is. Up to `inline_capacity` of them need no heap memory, which lets a training loop
/// ask for `parameters(model)` in every step for free.
template <class T = float>
class ParameterList {
 public:
  using value_type = Parameter<T>*;
  using const_iterator = Parameter<T>* const*;

  static constexpr std::size_t inline_capacity = 64;

  ParameterList() = default;

  /// `{&a, &b}`. Throws ArgumentError for a null pointer.
  ParameterList(std::initializer_list<Parameter<T>*> parameters) {
    for (Parameter<T>* parameter : parameters) push_back(parameter);
  }

  /// Appends a parameter. Throws ArgumentError for a null pointer.
  void push_back(Parameter<T>* parameter) {
    if (parameter == nullptr) throw ArgumentError("ParameterList", "a parameter is null");
    if (heap_.empty() && inline_size_ < inline_capacity) {
      inline_[inline_size_++] = parameter;
    } else {
      if (heap_.empty()) spill();
      heap_.push_back(parameter);
    }
  }

  [[nodiscard]] std::size_t size() const { return heap_.empty() ? inline_size_ : heap_.size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] Parameter<T>* const* data() const {
    return heap_.empty() ? inline_.data() : heap_.data();
  }

  /// The parameter at `position`, which must be less than `size()`.
  [[nodiscard]] Parameter<T>* operator[](std::size_t position) const { return data()[position]; }

  [[nodiscard]] const_iterator begin() const { return data(); }
  [[nodiscard]] const_iterator end() const { return data() + size(); }

 private:
  void spill() {
    std::vector<Parameter<T>*> heap;
    heap.reserve(2 * inline_capacity);
    heap.assign(inline_.begin(), inline_.end());
    heap_.swap(heap);
  }

  std::array<Parameter<T>*, inline_capacity> inline_{};
  std::size_t inline_size_ = 0;
  std::vector<Parameter<T>*> heap_;  // all of them, once there are too many for `inline_`
};

}  // namespace tapestry
