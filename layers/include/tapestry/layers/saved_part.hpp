// SPDX-License-Identifier: MIT
// The contents of a file in any format: named numbers. The functions that save and load use this.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry {

/// Options of `load` and `load_npz`.
struct LoadOptions {
  /// Skips tensors that are in the file and not in the model, such as the optimizer's if you want
  /// only the model. Otherwise such tensors are an error.
  bool ignore_surplus = false;
};

namespace detail {

/// Numbers that have a name in a file. They are replaced in two steps, `stage` and `commit`, so
/// that a file that does not fit changes nothing.
class SavedPart {
 public:
  explicit SavedPart(std::string name) : name_(std::move(name)) {}
  SavedPart(const SavedPart&) = delete;
  SavedPart& operator=(const SavedPart&) = delete;
  virtual ~SavedPart() = default;

  [[nodiscard]] const std::string& name() const { return name_; }

  /// The type of a number, with its name in safetensors files: "F32".
  [[nodiscard]] virtual const char* dtype() const = 0;
  [[nodiscard]] virtual std::vector<std::uint64_t> shape() const = 0;
  [[nodiscard]] virtual std::span<const std::byte> bytes() const = 0;

  /// Whether numbers of another shape may take the place of these.
  [[nodiscard]] virtual bool takes_any_shape() const { return false; }

  /// Memory for the new numbers, of a shape that fits.
  virtual std::span<std::byte> stage(const std::vector<std::uint64_t>& shape) = 0;

  /// Whether the new numbers make sense, once they are in that memory.
  [[nodiscard]] virtual bool staged_is_valid() const { return true; }

  /// Puts the new numbers in place.
  virtual void commit() noexcept = 0;

 private:
  std::string name_;
};

using SavedParts = std::vector<std::unique_ptr<SavedPart>>;

template <class X>
constexpr const char* dtype_of() {
  constexpr bool is_float = std::is_floating_point_v<X>;
  constexpr bool is_signed = std::is_signed_v<X>;
  static_assert((sizeof(X) == 4 || sizeof(X) == 8) && !std::is_same_v<X, long double>,
                "a number in a file is a float, a double or an integer of 32 or 64 bits");
  if constexpr (sizeof(X) == 4) return is_float ? "F32" : is_signed ? "I32" : "U32";
  return is_float ? "F64" : is_signed ? "I64" : "U64";
}

/// An array. An array of shape (0) means "not there yet" and takes the shape that is in the file.
template <class X>
class SavedArray : public SavedPart {
 public:
  SavedArray(std::string name, Array<X>& array) : SavedPart(std::move(name)), array_(array) {}

  [[nodiscard]] const char* dtype() const override { return dtype_of<X>(); }
  [[nodiscard]] std::vector<std::uint64_t> shape() const override {
    return {array_.shape().begin(), array_.shape().end()};
  }
  [[nodiscard]] std::span<const std::byte> bytes() const override {
    return std::as_bytes(std::span(array_.data(), array_.size()));
  }
  [[nodiscard]] bool takes_any_shape() const override {
    return array_.dimension() == 1 && array_.size() == 0;
  }
  std::span<std::byte> stage(const std::vector<std::uint64_t>& shape) override {
    staged_ = Array<X>::from_shape(shape);
    return std::as_writable_bytes(std::span(staged_.data(), staged_.size()));
  }
  void commit() noexcept override { array_ = std::move(staged_); }

 protected:
  Array<X>& array_;
  Array<X> staged_;
};

/// The value of a parameter. It stays in the same memory, since tapes refer to it.
template <class T>
class SavedParameter final : public SavedArray<T> {
 public:
  SavedParameter(std::string name, Parameter<T>& parameter)
      : SavedArray<T>(std::move(name), parameter.storage()), parameter_(parameter) {}

  [[nodiscard]] bool takes_any_shape() const override { return false; }
  void commit() noexcept override {
    std::copy_n(this->staged_.data(), this->staged_.size(), this->array_.data());
    parameter_.touch();
  }

 private:
  Parameter<T>& parameter_;
};

/// A single number, an array of rank 0.
template <class X>
class SavedNumber final : public SavedPart {
 public:
  SavedNumber(std::string name, X& number) : SavedPart(std::move(name)), number_(number) {}

  [[nodiscard]] const char* dtype() const override { return dtype_of<X>(); }
  [[nodiscard]] std::vector<std::uint64_t> shape() const override { return {}; }
  [[nodiscard]] std::span<const std::byte> bytes() const override {
    return std::as_bytes(std::span(&number_, 1));
  }
  std::span<std::byte> stage(const std::vector<std::uint64_t>&) override {
    return std::as_writable_bytes(std::span(&staged_, 1));
  }
  void commit() noexcept override { number_ = staged_; }

 private:
  X& number_;
  X staged_{};
};

/// An object whose `state()` is a std::array of numbers. The constructor asks for the state.
template <HasState Object>
class SavedState final : public SavedPart {
 public:
  SavedState(std::string name, Object& object)
      : SavedPart(std::move(name)), object_(object), state_(object.state()) {}

  [[nodiscard]] const char* dtype() const override {
    return dtype_of<typename Object::State::value_type>();
  }
  [[nodiscard]] std::vector<std::uint64_t> shape() const override { return {state_.size()}; }
  [[nodiscard]] std::span<const std::byte> bytes() const override {
    return std::as_bytes(std::span(state_));
  }
  std::span<std::byte> stage(const std::vector<std::uint64_t>&) override {
    return std::as_writable_bytes(std::span(state_));
  }
  [[nodiscard]] bool staged_is_valid() const override { return Object::is_state(state_); }
  void commit() noexcept override { object_.set_state(state_); }

 private:
  Object& object_;
  typename Object::State state_;
};

template <class T>
std::unique_ptr<SavedPart> saved_part(std::string name, Parameter<T>& parameter) {
  return std::make_unique<SavedParameter<T>>(std::move(name), parameter);
}
template <class X>
std::unique_ptr<SavedPart> saved_part(std::string name, Array<X>& array) {
  return std::make_unique<SavedArray<X>>(std::move(name), array);
}
template <class X>
requires std::is_arithmetic_v<X> std::unique_ptr<SavedPart> saved_part(std::string name,
                                                                       X& number) {
  return std::make_unique<SavedNumber<X>>(std::move(name), number);
}
template <HasState Object>
std::unique_ptr<SavedPart> saved_part(std::string name, Object& object) {
  return std::make_unique<SavedState<Object>>(std::move(name), object);
}

/// All numbers of a model, of any type, in the order of `visit`.
template <class Model>
SavedParts saved_parts(Model& model) {
  SavedParts parts;
  name_parts(model);
  for_each_part(model, [&](std::string_view path, auto& part) {
    if constexpr (is_saved<std::remove_cvref_t<decltype(part)>>)
      parts.push_back(saved_part(std::string(path), part));
  });
  return parts;
}

}  // namespace detail
}  // namespace tapestry
