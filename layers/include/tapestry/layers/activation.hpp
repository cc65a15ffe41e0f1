// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "tapestry/autodiff/variable.hpp"

namespace tapestry::layers {

/// Activation functions that go by name.
enum class Activation : std::uint8_t { tanh, relu, sigmoid, identity };

/// One of those, or any function of a variable that keeps its shape:
/// `.activation = [](const auto& v) { return sin(v); }`.
class ActivationFunction {
 public:
  constexpr ActivationFunction(Activation name) : name_(name) {}  // NOLINT: a name will do

  template <class F>
  requires std::is_invocable_r_v<Variable<float>, F&, const Variable<float>&> ||
      std::is_invocable_r_v<Variable<double>, F&, const Variable<double>&> ActivationFunction(
          F function)  // NOLINT: so will a lambda
      : functions_(new Functions) {
    if constexpr (std::is_invocable_r_v<Variable<float>, F&, const Variable<float>&>)
      functions_->single = function;
    if constexpr (std::is_invocable_r_v<Variable<double>, F&, const Variable<double>&>)
      functions_->twice = std::move(function);
  }

  // Options are literals as long as they name their activations.
  constexpr ActivationFunction(const ActivationFunction& other)
      : name_(other.name_), functions_(other.functions_ ? copy(*other.functions_) : nullptr) {}
  constexpr ActivationFunction(ActivationFunction&& other) noexcept
      : name_(other.name_), functions_(std::exchange(other.functions_, nullptr)) {}
  constexpr ActivationFunction& operator=(ActivationFunction other) noexcept {
    std::swap(name_, other.name_);
    std::swap(functions_, other.functions_);
    return *this;
  }
  constexpr ~ActivationFunction() {
    if (functions_) drop(functions_);
  }

  /// The name, if it goes by one.
  [[nodiscard]] std::optional<Activation> name() const {
    return functions_ ? std::nullopt : std::optional(name_);
  }

  /// Why a step that uses it cannot be recorded ahead; empty for those that go by name.
  [[nodiscard]] std::string why_not_fused() const {
    return functions_ ? "an activation that is a function may do something else at each call" : "";
  }

  /// Throws ArgumentError when it is a function and empty, or does not take variables of type T.
  template <class T>
  void check(const std::string& op, const char* option) const;

  /// The function of x, of the shape of x. Throws ShapeError when a function of the user's gives
  /// another shape, StaleVariable when it gives a variable of another tape.
  template <class T>
  Variable<T> operator()(const Variable<T>& x) const;

 private:
  struct Functions {
    std::function<Variable<float>(const Variable<float>&)> single;
    std::function<Variable<double>(const Variable<double>&)> twice;
  };
  static Functions* copy(const Functions& functions) { return new Functions(functions); }
  static void drop(Functions* functions) { delete functions; }

  template <class T>
  [[nodiscard]] const std::function<Variable<T>(const Variable<T>&)>& function() const {
    if constexpr (std::is_same_v<T, float>)
      return functions_->single;
    else
      return functions_->twice;
  }

  Activation name_ = Activation::identity;
  Functions* functions_ = nullptr;
};

/// The two activations of gated cells, and what follows from them.
struct GateActivations {
  ActivationFunction activation;            ///< of the candidate, in place of tanh
  ActivationFunction recurrent_activation;  ///< of the gates, in place of the sigmoid

  explicit GateActivations(const auto& o)
      : activation(o.activation), recurrent_activation(o.recurrent_activation) {}

  /// Throws ArgumentError when one is a function and empty, or takes variables of another type.
  template <class T>
  static void check(const std::string& kind, const auto& o) {
    o.activation.template check<T>(kind, "activation");
    o.recurrent_activation.template check<T>(kind, "recurrent_activation");
  }

  [[nodiscard]] std::string why_not_fused() const {
    const std::string first = activation.why_not_fused();
    return first.empty() ? recurrent_activation.why_not_fused() : first;
  }

 protected:
  /// Whether they are tanh and the sigmoid.
  [[nodiscard]] bool are_usual() const {
    return activation.name() == Activation::tanh &&
           recurrent_activation.name() == Activation::sigmoid;
  }
  /// The same cell with these.
  template <class Cell>
  static Cell with_usual(Cell cell) {
    cell.activation = Activation::tanh;
    cell.recurrent_activation = Activation::sigmoid;
    return cell;
  }
};

extern template Variable<float> ActivationFunction::operator()(const Variable<float>&) const;
extern template Variable<double> ActivationFunction::operator()(const Variable<double>&) const;
extern template void ActivationFunction::check<float>(const std::string&, const char*) const;
extern template void ActivationFunction::check<double>(const std::string&, const char*) const;

}  // namespace tapestry::layers
