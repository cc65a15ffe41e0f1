// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/parameter.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "tapestry/autodiff/error.hpp"

namespace tapestry {

template <class T>
Parameter<T>::Parameter(const ArrayLike<T>& value, std::string name)
    : value_(value.array("Parameter")), name_(std::move(name)) {}

template <class T>
Parameter<T>::Parameter(std::initializer_list<detail::Braces<T>> braces, std::string name)
    : Parameter(ArrayLike<T>(braces), std::move(name)) {}

template <class T>
Parameter<T>::Parameter(const Parameter& other)
    : detail::Followed<Parameter>(other),
      name_(other.name_),
      version_(other.version_),
      has_grad_(other.has_grad_),
      requires_grad_(other.requires_grad_),
      moved_from_(other.moved_from_) {
  if (moved_from_) return;
  value_ = other.value_;
  if (has_grad_) grad_ = other.grad_;
}

template <class T>
Parameter<T>::Parameter(Parameter&& other) noexcept
    : detail::Followed<Parameter>(std::move(other)),
      value_(std::move(other.value_)),
      grad_(std::move(other.grad_)),
      name_(std::move(other.name_)),
      version_(other.version_),
      handed_out_(other.handed_out()),  // a pointer to the numbers stays one
      has_grad_(std::exchange(other.has_grad_, false)),
      requires_grad_(other.requires_grad_),
      moved_from_(std::exchange(other.moved_from_, true)) {}

template <class T>
Parameter<T>& Parameter<T>::operator=(const Parameter& other) {
  if (this == &other) return *this;
  Array<T> value, grad;
  if (!other.moved_from_) value = other.value_;
  if (other.has_grad_) grad = other.grad_;
  std::string name = other.name_;
  detail::Followed<Parameter>::operator=(other);
  if (value_.shape() == value.shape() && !moved_from_)
    std::copy_n(value.data(), value.size(), value_.data());  // tapes refer to the memory
  else
    value_ = std::move(value);
  grad_ = std::move(grad);
  name_ = std::move(name);
  ++version_;
  has_grad_ = other.has_grad_;
  requires_grad_ = other.requires_grad_;
  moved_from_ = other.moved_from_;
  return *this;
}

template <class T>
Parameter<T>& Parameter<T>::operator=(Parameter&& other) noexcept {
  if (this == &other) return *this;
  detail::Followed<Parameter>::operator=(std::move(other));
  value_ = std::move(other.value_);
  grad_ = std::move(other.grad_);
  name_ = std::move(other.name_);
  ++version_;
  if (handed_out() == 0) handed_out_ = other.handed_out();
  has_grad_ = std::exchange(other.has_grad_, false);
  requires_grad_ = other.requires_grad_;
  moved_from_ = std::exchange(other.moved_from_, true);
  return *this;
}

template <class T>
void Parameter<T>::throw_moved_from() const {
  throw ArgumentError("parameter",
                      (name_.empty() ? "a parameter" : "parameter '" + name_ + "'") +
                          " was moved from and holds nothing; use the one that it was moved into");
}

template <class T>
void Parameter<T>::hand_out() {
  handed_out_.store(checksum(), std::memory_order_relaxed);
}

/// Four sums side by side, so that it runs as fast as memory is read. A change of any one word
/// changes the result; without the rotation, two changed signs would cancel out. Never 0.
template <class T>
std::uint64_t Parameter<T>::checksum() const {
  constexpr std::uint64_t factor = 0x9E3779B97F4A7C15u;
  std::uint64_t sums[4] = {1, 2, 3, 4};
  const auto* bytes = reinterpret_cast<const unsigned char*>(value_.data());
  std::size_t left = value_.size() * sizeof(T);
  for (; left >= sizeof(sums); left -= sizeof(sums), bytes += sizeof(sums)) {
    std::uint64_t words[4];
    std::memcpy(words, bytes, sizeof(words));
    for (int i = 0; i < 4; ++i) sums[i] = std::rotl((sums[i] ^ words[i]) * factor, 29);
  }
  std::uint64_t words[4] = {};
  if (left > 0) std::memcpy(words, bytes, left);
  std::uint64_t sum = value_.size();
  for (int i = 0; i < 4; ++i) {
    sums[i] = std::rotl((sums[i] ^ words[i]) * factor, 29);
    sum = std::rotl((sum ^ sums[i]) * factor, 29);
  }
  return sum == 0 ? 1 : sum;
}

template <class T>
const Array<T>& Parameter<T>::grad() const {
  check_there();
  if (!has_grad_) {
    grad_.resize(value_.shape());
    grad_.fill(T{0});
  }
  return grad_;
}

template <class T>
Array<T>& Parameter<T>::grad() {
  static_cast<void>(std::as_const(*this).grad());
  has_grad_ = true;
  return grad_;
}

template <class T>
T* Parameter<T>::grad_storage(bool& stored) {
  check_there();
  stored = has_grad_;
  if (!has_grad_) grad_.resize(value_.shape());
  has_grad_ = true;
  return grad_.data();
}

TAPESTRY_INSTANTIATE_TYPES(class Parameter)

}  // namespace tapestry
