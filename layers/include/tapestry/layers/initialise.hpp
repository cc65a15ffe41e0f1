// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry {

/// Says which parameters get which initial values.
struct InitRule {
  /// The paths of the parameters, "lstm.weight_hh_l0"; * stands for any text, ? for one character.
  std::string parameters;
  /// The name of an initialiser, with its arguments if it has any: "orthogonal", "normal(0.02)".
  std::string initialiser;
};

namespace detail {

template <class T>
struct InitTarget {
  std::string path;
  Parameter<T>* parameter;
  std::size_t hidden_size;  // of the recurrent layer that it belongs to; 0: none
  std::size_t gates;        // of that layer
  std::size_t forget;       // place of the gate "f" among them; `gates` if there is none
};

template <class T>
void initialise(const std::vector<InitTarget<T>>& targets, const std::vector<InitRule>& rules);

/// Finds the parameters of a model, and which of them have rows of gates.
template <class T>
class InitTargets {
 public:
  template <class Part>
  void operator()(std::string_view path, Part& part) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Part>, Parameter<T>>) {
      const bool inside = hidden_size_ > 0 && path.starts_with(layer_);
      list.push_back({std::string(path), &part, inside ? hidden_size_ : 0, gates_, forget_});
    } else if constexpr (requires { part.cell().gates; }) {
      layer_ = path.empty() ? "" : std::string(path) + ".";
      hidden_size_ = part.cell().hidden_size;
      const auto& gates = part.cell().gates;
      gates_ = gates.size();
      forget_ = static_cast<std::size_t>(std::ranges::find(gates, "f") - gates.begin());
    }
  }

  std::vector<InitTarget<T>> list;

 private:
  std::string layer_;  // the recurrent layer visited last
  std::size_t hidden_size_ = 0;
  std::size_t gates_ = 0;
  std::size_t forget_ = 0;
};

}  // namespace detail

/// Initialises parameters by name:
///
///   initialise(model, {{"*.weight_ih*", "xavier_uniform(tanh)"},
///                      {"*.weight_hh*", "orthogonal"},
///                      {"*.bias_*", "zeros"},
///                      {"lstm.bias_ih*", "forget_bias(1)"}});
///
/// Rules are applied in order, so a later rule wins. A parameter that no rule names keeps its
/// value. These are the initialisers of layers/init.hpp:
///
///   zeros, ones, constant(c)
///   uniform(bound)                   in [-bound, bound)
///   normal(deviation)
///   xavier_uniform, xavier_normal    (gain), 1 if none is given
///   he_uniform, he_normal            (gain, fan), relu and fan_in if none is given
///   orthogonal, identity             (gain), 1 if none is given; each gate by itself
///   forget_bias                      (c), 1 if none is given (Gers et al. 2000): the part of a
///                                    bias that belongs to the gate "f"; the rest stays. There are
///                                    two biases, which are added: name one of them.
///
/// A gain is a number, or a name that `calculate_gain` knows: "he_normal(leaky_relu, fan_out)".
/// Gates are the blocks of H rows in a part that has a `cell()`, as recurrent layers
/// do. Throws ArgumentError for an unknown name, wrong arguments and a pattern that matches
/// nothing, and ShapeError for an initialiser that does not fit a parameter. Then nothing has
/// changed.
template <class T = void, class Model>
void initialise(Model& model, const std::vector<InitRule>& rules) {
  using Scalar =
      std::conditional_t<std::is_void_v<T>, typename detail::ModelScalar<Model>::type, T>;
  detail::InitTargets<Scalar> targets;
  parameters<Scalar>(model);  // checks the scalar type, and names the parts
  for_each_part(model, [&](std::string_view path, auto& part) { targets(path, part); });
  detail::initialise(targets.list, rules);
}

}  // namespace tapestry
