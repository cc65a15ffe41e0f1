// SPDX-License-Identifier: MIT
// A model is a plain struct with a `visit` that names its parts:
//
//   struct CharLM {
//     layers::Embedding<> embed;
//     layers::LSTM<> lstm;
//     void visit(auto&& part) {
//       part("embed", embed);
//       part("lstm", lstm);
//     }
//   };
//
// A part is a parameter, a layer, another such struct, or a vector, array or optional of them.
// Parameters, names on the tape, train and eval mode, saving and loading follow from `visit`.
// Optimizers, generators, arrays and numbers can be parts too, so that they are saved. If the name
// of a part is empty, its own parts keep their short names: `part("", embed)` gives "weight".
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/create.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {

namespace detail {

/// The path of a part within its model, "encoder.lstm". It uses no heap memory.
class PartPath {
 public:
  class Segment {
   public:
    Segment(PartPath& path, std::string_view name) : path_(path), length_(path.length_) {
      if (length_ > 0 && !name.empty()) path.append(".");
      path.append(name);
    }
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;
    ~Segment() { path_.length_ = length_; }

   private:
    PartPath& path_;
    std::size_t length_;
  };

  [[nodiscard]] std::string_view str() const { return {text_.data(), length_}; }

 private:
  void append(std::string_view text) {
    if (length_ + text.size() > text_.size())
      throw ArgumentError("visit", "the name of a part is longer than 256 characters");
    text.copy(text_.data() + length_, text.size());
    length_ += text.size();
  }

  std::array<char, 256> text_{};
  std::size_t length_ = 0;
};

template <class X>
inline constexpr bool is_parameter = false;
template <class T>
inline constexpr bool is_parameter<Parameter<T>> = true;

/// A file also holds these parts beside parameters: numbers, arrays, and objects that show their
/// state as numbers.
template <class X>
inline constexpr bool is_array = false;
template <class T>
inline constexpr bool is_array<Array<T>> = true;
template <class X>
concept HasState = requires(X& x) {
  x.set_state(x.state());
  { X::is_state(x.state()) } -> std::same_as<bool>;
};
template <class X>
inline constexpr bool is_saved =
    is_parameter<X> || is_array<X> || std::is_arithmetic_v<X> || HasState<X>;

template <class X>
inline constexpr bool is_optional = false;
template <class X>
inline constexpr bool is_optional<std::optional<X>> = true;

struct AnyPart {
  template <class Part>
  void operator()(std::string_view, Part&) const {}
};

template <class X>
concept Visitable = requires(X& x) {
  x.visit(AnyPart{});
};

/// Calls `action(path, x)` for `x`, and then for everything below it.
template <class X, class Action>
void walk_parts(X& x, PartPath& path, const Action& action) {
  if constexpr (is_saved<X>) {
    action(path.str(), x);
  } else if constexpr (is_optional<X>) {
    if (x) walk_parts(*x, path, action);
  } else if constexpr (Visitable<X>) {
    action(path.str(), x);
    x.visit([&](std::string_view name, auto& part) {
      const PartPath::Segment segment(path, name);
      walk_parts(part, path, action);
    });
  } else {
    static_assert(
        requires { std::begin(x); },
        "a part of a model is a Parameter, a struct with visit, or a range of them; of what is "
        "saved with it also a number, an Array, or a class with state, set_state and is_state");
    std::size_t i = 0;
    for (auto& part : x) {
      const PartPath::Segment segment(path, std::to_string(i++));
      walk_parts(part, path, action);
    }
  }
}

/// The scalar type of a model: its `value_type`, or float if it has none. The type of a list is
/// that of its elements.
template <class Model>
struct ModelScalar {
  using type = float;
};
template <class Model>
requires requires { typename Model::value_type; }
struct ModelScalar<Model> : std::conditional_t<std::is_floating_point_v<typename Model::value_type>,
                                               std::type_identity<typename Model::value_type>,
                                               ModelScalar<typename Model::value_type>> {};

}  // namespace detail

/// Calls `action(path, x)` for the model, its parts and their parts; a part comes before its own
/// parts. `x` is the part itself, of any type, and `path` holds the names joined by dots.
template <class Model, class Action>
void for_each_part(Model& model, const Action& action) {
  detail::PartPath path;
  detail::walk_parts(model, path, action);
}

/// Names every part by its place in the model: parameters ("lstm.weight_ih_l0"), and layers, which
/// open scopes of that name on the tape. `parameters`, `save` and the other functions here call it.
template <class Model>
void name_parts(Model& model) {
  for_each_part(model, [](std::string_view path, auto& part) {
    if constexpr (requires { part.set_name(std::string{}); })
      if (!path.empty() && part.name() != path) part.set_name(std::string(path));
  });
}

/// All parameters of a model in the order of `visit`, named by their place in the model. The scalar
/// type is the model's `value_type`, or float if it has none. For a model of doubles without a
/// `value_type`, write `parameters<double>(model)`.
template <class T = void, class Model>
auto parameters(Model& model) {
  using Scalar =
      std::conditional_t<std::is_void_v<T>, typename detail::ModelScalar<Model>::type, T>;
  ParameterList<Scalar> list;
  name_parts(model);
  for_each_part(model, [&](std::string_view, auto& part) {
    using Part = std::remove_cvref_t<decltype(part)>;
    if constexpr (detail::is_parameter<Part>) {
      static_assert(std::is_same_v<Part, Parameter<Scalar>>,
                    "the model has parameters of another scalar type: declare `using value_type = "
                    "double;` in it, or write parameters<double>(model)");
      list.push_back(&part);
    }
  });
  return list;
}

/// All parameters with their names: pairs of a name and a `Parameter*`.
template <class T = void, class Model>
auto named_parameters(Model& model) {
  const auto list = parameters<T>(model);
  std::vector<std::pair<std::string, std::remove_cvref_t<decltype(list[0])>>> named;
  for (auto* parameter : list) named.emplace_back(parameter->name(), parameter);
  return named;
}

namespace detail {

/// `for_each_part` for actions that only read: the model may be const. Its `visit` need not be, as
/// it hands out references to what others may change.
template <class Model, class Action>
void read_parts(const Model& model, const Action& action) {
  for_each_part(const_cast<Model&>(model),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
                [&](std::string_view path, const auto& part) { action(path, part); });
}

}  // namespace detail

/// The number of trainable scalars: the sum of the sizes of all parameters that need a gradient.
template <class Model>
std::size_t count_parameters(const Model& model) {
  std::size_t count = 0;
  detail::read_parts(model, [&](std::string_view, const auto& part) {
    if constexpr (detail::is_parameter<std::remove_cvref_t<decltype(part)>>)
      if (part.requires_grad()) count += part.size();
  });
  return count;
}

/// An array for each parameter of a model, shaped like it, in the order of `parameters(model)`: a
/// direction in which the model may move, see `hessian_vector_product` and `jvp`.
template <class Model>
requires detail::Visitable<Model>
auto full_like(const Model& model, typename detail::ModelScalar<Model>::type value) {
  std::vector<Array<typename detail::ModelScalar<Model>::type>> arrays;
  detail::read_parts(model, [&](std::string_view, const auto& part) {
    if constexpr (detail::is_parameter<std::remove_cvref_t<decltype(part)>>)
      arrays.push_back(full_like(part.value(), value));
  });
  return arrays;
}
template <class Model>
requires detail::Visitable<Model>
auto zeros_like(const Model& model) { return full_like(model, 0); }
template <class Model>
requires detail::Visitable<Model>
auto ones_like(const Model& model) { return full_like(model, 1); }

/// Switches all layers that behave differently in training, such as dropout.
template <class Model>
void set_training(Model& model, bool on) {
  for_each_part(model, [&](std::string_view, auto& part) {
    if constexpr (requires { part.set_training(on); }) part.set_training(on);
  });
}
template <class Model>
void train(Model& model) {
  set_training(model, true);
}
template <class Model>
void eval(Model& model) {
  set_training(model, false);
}

namespace layers {

/// The base of the library's layers. It holds a name, which `visit` sets and which opens scopes on
/// the tape, and the mode, training or evaluation. Your own models need not derive from it. A layer
/// that was moved from throws ArgumentError until something is assigned to it.
class Layer {
 public:
  explicit Layer(std::string name) : name_(std::move(name)) {}
  Layer(const Layer&) = default;
  Layer(Layer&& other) noexcept
      : name_(std::move(other.name_)),
        training_(other.training_),
        moved_from_(std::exchange(other.moved_from_, true)) {}
  Layer& operator=(const Layer&) = default;
  Layer& operator=(Layer&& other) noexcept {
    if (this == &other) return *this;
    name_ = std::move(other.name_);
    training_ = other.training_;
    moved_from_ = std::exchange(other.moved_from_, true);
    return *this;
  }
  ~Layer() = default;

  [[nodiscard]] const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  [[nodiscard]] bool training() const { return training_; }
  void set_training(bool on) { training_ = on; }

  /// For layers: throws ArgumentError when this layer was moved from.
  void check_there() const {
    if (moved_from_)
      throw ArgumentError(name_.empty() ? "layer" : name_,
                          "this layer was moved from; use the one that it was moved into");
  }

 private:
  std::string name_;
  bool training_ = true;
  bool moved_from_ = false;
};

/// Opens scopes for a layer's name as long as it lives, one for each part of "encoder.lstm". A
/// number joins the part before it, as in "layers 0".
template <class T>
class [[nodiscard]] LayerScope {
 public:
  LayerScope(detail::TapeState<T>& state, const Layer& layer) : state_(state), outer_(state.scope) {
    layer.check_there();
    std::string_view names = layer.name();
    while (!names.empty()) {
      const std::string_view name = next(names);
      const std::int64_t number = next_number(names);
      state.scope = state.scopes.open(state.scope, name, ScopeKind::module, number);
    }
  }
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;
  ~LayerScope() { state_.scope = outer_; }

 private:
  static std::string_view next(std::string_view& names) {
    const std::string_view name = names.substr(0, names.find('.'));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    return name;
  }
  static std::int64_t next_number(std::string_view& names) {
    const std::string_view text = names.substr(0, names.find('.'));
    if (text.empty() || text.size() > 9 ||
        text.find_first_not_of("0123456789") != std::string_view::npos)
      return -1;
    std::int64_t number = 0;
    for (const char digit : next(names)) number = number * 10 + (digit - '0');
    return number;
  }

  detail::TapeState<T>& state_;
  std::uint32_t outer_;
};

}  // namespace layers
}  // namespace tapestry
