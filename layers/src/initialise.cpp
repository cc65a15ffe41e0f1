// SPDX-License-Identifier: MIT
#include "tapestry/layers/initialise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::detail {
namespace {

constexpr const char* op = "initialise";

/// What stands in the parentheses of an initialiser: one number, and the fan.
struct Arguments {
  double number = 0;
  layers::Fan fan = layers::Fan::in;
};

enum class Fits : std::uint8_t { anything, matrices, gate_biases };
enum class Takes : std::uint8_t { nothing, number, gain, gain_and_fan };

/// An initialiser: what it is called, takes and fits, and how it changes a value whose rows are
/// `blocks` gates.
template <class T>
struct Recipe {
  std::string_view name;
  Fits fits;
  Takes takes;
  std::optional<double> otherwise;  // the number when none is given
  void (*apply)(Array<T>& value, const Arguments& arguments, std::size_t blocks);
};

template <class T>
constexpr auto fill_with =
    [](Array<T>& value, const Arguments& a, std::size_t) { value.fill(static_cast<T>(a.number)); };

template <class T, Array<T> (*make)(const Shape&, double)>
constexpr auto make_scaled = [](Array<T>& value, const Arguments& a, std::size_t) {
  value = make(Shape(value.shape()), a.number);
};

template <class T, Array<T> (*make)(const Shape&, layers::HeOptions)>
constexpr auto make_he = [](Array<T>& value, const Arguments& a, std::size_t) {
  value = make(Shape(value.shape()), {.gain = a.number, .fan = a.fan});
};

template <class T, Array<T> (*make)(const Shape&, layers::BlockOptions)>
constexpr auto make_blocks = [](Array<T>& value, const Arguments& a, std::size_t blocks) {
  value = make(Shape(value.shape()), {.gain = a.number, .blocks = blocks});
};

template <class T>
const auto& recipes() {
  static const std::array<Recipe<T>, 12> list{{
      {"zeros", Fits::anything, Takes::nothing, 0, fill_with<T>},
      {"ones", Fits::anything, Takes::nothing, 1, fill_with<T>},
      {"constant", Fits::anything, Takes::number, {}, fill_with<T>},
      {"uniform", Fits::anything, Takes::number, {}, make_scaled<T, layers::uniform<T>>},
      {"normal", Fits::anything, Takes::number, {}, make_scaled<T, layers::normal<T>>},
      {"xavier_uniform", Fits::matrices, Takes::gain, 1, make_scaled<T, layers::xavier_uniform<T>>},
      {"xavier_normal", Fits::matrices, Takes::gain, 1, make_scaled<T, layers::xavier_normal<T>>},
      {"he_uniform", Fits::matrices, Takes::gain_and_fan, layers::HeOptions{}.gain,
       make_he<T, layers::he_uniform<T>>},
      {"he_normal", Fits::matrices, Takes::gain_and_fan, layers::HeOptions{}.gain,
       make_he<T, layers::he_normal<T>>},
      {"orthogonal", Fits::matrices, Takes::gain, 1, make_blocks<T, layers::orthogonal<T>>},
      {"identity", Fits::matrices, Takes::gain, 1, make_blocks<T, layers::identity<T>>},
      {"forget_bias", Fits::gate_biases, Takes::number, 1, fill_with<T>},
  }};
  return list;
}

std::string quote(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// "he_normal(relu, fan_out)" as its name and its arguments.
struct Call {
  std::string_view name;
  std::vector<std::string_view> arguments;
};

Call parsed(std::string_view text) {
  const std::string_view whole = trimmed(text);
  const std::size_t open = whole.find('(');
  if (open == std::string_view::npos) return {whole, {}};
  if (!whole.ends_with(')'))
    throw ArgumentError(op, "initialiser " + quote(text) + " does not end in ')'");
  Call call{trimmed(whole.substr(0, open)), {}};
  std::string_view rest = whole.substr(open + 1, whole.size() - open - 2);
  while (!trimmed(rest).empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    call.arguments.push_back(trimmed(rest.substr(0, comma)));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return call;
}

std::optional<double> as_number(std::string_view text) {
  const auto number = number_from<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

double gain(std::string_view text) {
  if (const auto number = as_number(text)) return *number;
  return layers::calculate_gain(text);
}

layers::Fan fan(std::string_view text) {
  if (text == "fan_in") return layers::Fan::in;
  if (text == "fan_out") return layers::Fan::out;
  throw ArgumentError(op, "a fan is fan_in or fan_out, not " + quote(text));
}

template <class T>
Arguments arguments_for(const Recipe<T>& recipe, const Call& call, std::string_view text) {
  const std::size_t most =
      recipe.takes == Takes::nothing ? 0 : (recipe.takes == Takes::gain_and_fan ? 2 : 1);
  const std::size_t least = recipe.otherwise ? 0 : 1;
  const auto& given = call.arguments;
  if (given.size() < least || given.size() > most)
    throw ArgumentError(op, quote(text) + " has " + std::to_string(given.size()) +
                                " arguments, but " + std::string(recipe.name) + " takes " +
                                (least == most ? "" : std::to_string(least) + " to ") +
                                std::to_string(most));
  Arguments arguments{recipe.otherwise.value_or(0), layers::Fan::in};
  if (given.size() > 1) arguments.fan = fan(given[1]);
  if (given.empty()) return arguments;
  if (recipe.takes != Takes::number) {
    arguments.number = gain(given[0]);
  } else if (const auto number = as_number(given[0])) {
    arguments.number = *number;
  } else {
    throw ArgumentError(op, "the argument of " + quote(text) + " is not a finite number");
  }
  return arguments;
}

template <class T>
const Recipe<T>& recipe_named(std::string_view name) {
  std::string known;
  for (const Recipe<T>& recipe : recipes<T>()) {
    if (recipe.name == name) return recipe;
    known += (known.empty() ? "" : ", ") + std::string(recipe.name);
  }
  throw ArgumentError(op, "no initialiser is called " + quote(name) + "; there are " + known);
}

/// Whether `text` is of the form `pattern`, with * and ?.
bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*')
    return matches(pattern.substr(1), text) || (!text.empty() && matches(pattern, text.substr(1)));
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         matches(pattern.substr(1), text.substr(1));
}

template <class T>
[[noreturn]] void throw_no_match(const InitRule& rule, const std::vector<InitTarget<T>>& targets) {
  constexpr std::size_t most = 12;
  std::string names;
  for (std::size_t i = 0; i < std::min(most, targets.size()); ++i)
    names += (i == 0 ? "" : ", ") + targets[i].path;
  if (targets.size() > most) names += ", ... (" + std::to_string(targets.size()) + " in all)";
  throw ArgumentError(op, "no parameter matches " + quote(rule.parameters) + "; there are " +
                              (names.empty() ? "none" : names));
}

/// Number of gates whose rows a parameter holds.
template <class T>
std::size_t blocks_of(const InitTarget<T>& target) {
  const Shape shape = target.parameter->shape();
  const bool gates = target.hidden_size > 0 && shape.rank() > 0 && shape[0] > 0 &&
                     shape[0] % target.hidden_size == 0;
  return gates ? shape[0] / target.hidden_size : 1;
}

template <class T>
void check_fit(const Recipe<T>& recipe, const InitTarget<T>& target) {
  const Shape shape = target.parameter->shape();
  const auto fail = [&](const char* what) {
    throw ShapeError(op, std::string(recipe.name) + " fits " + what + ", not " + target.path +
                             " of shape " + shape.str());
  };
  if (recipe.fits == Fits::matrices && shape.rank() != 2) fail("matrices");
  if (recipe.fits == Fits::gate_biases &&
      (shape.rank() != 1 || target.hidden_size == 0 || blocks_of(target) != target.gates ||
       target.forget == target.gates))
    fail("the biases of a layer with a gate 'f'");
}

template <class T>
void apply(const Recipe<T>& recipe, const Arguments& arguments, const InitTarget<T>& target,
           Array<T>& value) {
  if (recipe.fits != Fits::gate_biases) return recipe.apply(value, arguments, blocks_of(target));
  std::fill_n(value.data() + target.forget * target.hidden_size, target.hidden_size,
              static_cast<T>(arguments.number));
}

/// The value of each target after the rules, if one names it.
template <class T>
std::vector<std::optional<Array<T>>> initialised(const std::vector<InitTarget<T>>& targets,
                                                 const std::vector<InitRule>& rules) {
  std::vector<std::optional<Array<T>>> values(targets.size());
  for (const InitRule& rule : rules) {
    const Call call = parsed(rule.initialiser);
    const Recipe<T>& recipe = recipe_named<T>(call.name);
    const Arguments arguments = arguments_for(recipe, call, rule.initialiser);
    bool found = false;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (!matches(rule.parameters, targets[i].path)) continue;
      found = true;
      check_fit(recipe, targets[i]);
      if (!values[i]) values[i] = targets[i].parameter->storage();
      apply(recipe, arguments, targets[i], *values[i]);
    }
    if (!found) throw_no_match(rule, targets);
  }
  return values;
}

}  // namespace

template <class T>
void initialise(const std::vector<InitTarget<T>>& targets, const std::vector<InitRule>& rules) {
  const Generator before = default_generator();
  try {
    const auto values = initialised(targets, rules);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (!values[i]) continue;
      targets[i].parameter->storage() = *values[i];
      targets[i].parameter->touch();
    }
  } catch (...) {
    default_generator() = before;
    throw;
  }
}

TAPESTRY_INSTANTIATE(initialise)

}  // namespace tapestry::detail
