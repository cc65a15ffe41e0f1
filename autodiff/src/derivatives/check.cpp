// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/check.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tapestry/autodiff/gradient.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tapestry::detail {
namespace {

constexpr std::size_t full_jacobian = 32;  // up to so many outputs, each has a row of its own

/// What `f` gave, and the leaves of the tape that stand for each input.
template <class T>
struct Evaluation {
  Variable<T> y;
  std::vector<std::vector<Variable<T>>> leaves;
};

/// What is checked: arrays that can be changed, and a function of them.
template <class T>
struct Subject {
  std::vector<std::string> labels;
  std::vector<Array<T>*> values;
  std::function<Evaluation<T>(Tape<T>&)> evaluate;
};

/// A number for each element of each input.
using Numbers = std::vector<std::vector<double>>;

/// Fixed numbers between 0.5 and 1.5 of either sign, so that no error cancels or is lost.
template <class T>
Array<T> weights(const Shape& shape, Generator& generator) {
  Array<T> array(typename Array<T>::shape_type(shape.begin(), shape.end()));
  for (T& w : array) {
    const double sign = generator.uniform() < 0.5 ? -1 : 1;
    w = static_cast<T>(sign * generator.uniform(0.5, 1.5));
  }
  return array;
}

template <class T>
class Checker {
 public:
  Checker(Subject<T> subject, const GradcheckOptions& options)
      : subject_(std::move(subject)), options_(options) {
    constexpr bool single = std::is_same_v<T, float>;
    if (!(options_.step > 0)) options_.step = single ? 5e-3 : 1e-5;
    if (!(options_.absolute_tolerance > 0)) options_.absolute_tolerance = single ? 1e-2 : 1e-7;
    if (!(options_.relative_tolerance > 0)) options_.relative_tolerance = single ? 1e-2 : 1e-6;
  }

  GradcheckResult run() {
    check_first_order();
    if (options_.second_order && !random_ && worst_ <= 1) check_second_order();
    // A random function may have given the same value at first, where it draws little.
    for (int i = 0; i < 20 && !random_ && worst_ > 1; ++i) random_ = !gives_again();
    if (random_)
      result_.message =
          "the function is random: two evaluations at the same place gave different values, so "
          "there is nothing to compare; switch dropout off (eval(model)), or seed the generator "
          "in the function";
    result_.passed = worst_ <= 1 && !random_;
    return result_;
  }

 private:
  void check_first_order();
  void check_second_order();

  /// Whether the function, evaluated once more, gives the numbers that it gave at first.
  bool gives_again();

  /// Gradients of sum(c y) on the current tape, a variable for each leaf (none where there is no
  /// path).
  std::vector<std::vector<Variable<T>>> gradients_of(const Evaluation<T>& at, const Array<T>& c,
                                                     bool differentiable);
  Numbers numbers(const std::vector<std::vector<Variable<T>>>& gradients) const;

  /// sum of d g over the gradients g of sum(c y).
  Variable<T> directional(const std::vector<std::vector<Variable<T>>>& gradients);

  /// The value of `f` (a list of numbers) at both sides of each element of each input: calls
  /// `body(input, element, value(x + h) - value(x - h), 2h)`.
  template <class Value, class Body>
  void differences(const Value& value, const Body& body);

  void compare(const std::string& what, const Numbers& analytic, const Numbers& numeric,
               const char* left = "analytic", const char* right = "numeric");

  Subject<T> subject_;
  GradcheckOptions options_;
  GradcheckResult result_;
  double worst_ = 0;  // error by tolerance
  std::vector<T> first_value_;
  bool random_ = false;
  Tape<T> tape_;
  std::vector<Array<T>> directions_;
};

template <class T>
std::vector<std::vector<Variable<T>>> Checker<T>::gradients_of(const Evaluation<T>& at,
                                                               const Array<T>& c,
                                                               bool differentiable) {
  const Variable<T> total = sum(at.y * tape_.constant(c));
  std::vector<std::vector<Variable<T>>> results;
  for (const std::vector<Variable<T>>& leaves : at.leaves)
    results.emplace_back(total.requires_grad() ? leaves.size() : 0);
  if (!total.requires_grad()) return results;
  std::vector<Variable<T>> all;
  for (const auto& leaves : at.leaves) all.insert(all.end(), leaves.begin(), leaves.end());
  const auto gradients = tapestry::gradients(total, std::span<const Variable<T>>(all),
                                             {.differentiable = differentiable});
  auto next = gradients.begin();
  for (auto& leaves : results)
    for (Variable<T>& gradient : leaves) gradient = *next++;
  return results;
}

template <class T>
Numbers Checker<T>::numbers(const std::vector<std::vector<Variable<T>>>& gradients) const {
  Numbers result;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    result.emplace_back(subject_.values[i]->size(), 0.0);
    for (const Variable<T>& gradient : gradients[i]) {
      const auto value = gradient.value();
      for (std::size_t k = 0; k < value.size(); ++k)
        result.back()[k] += static_cast<double>(value.data()[k]);
    }
  }
  return result;
}

template <class T>
Variable<T> Checker<T>::directional(const std::vector<std::vector<Variable<T>>>& gradients) {
  Variable<T> total = tape_.constant(T{0});
  for (std::size_t i = 0; i < gradients.size(); ++i)
    for (const Variable<T>& gradient : gradients[i])
      total = total + sum(gradient * tape_.constant(directions_[i]));
  return total;
}

template <class T>
template <class Value, class Body>
void Checker<T>::differences(const Value& value, const Body& body) {
  for (std::size_t i = 0; i < subject_.values.size(); ++i) {
    for (std::size_t k = 0; k < subject_.values[i]->size(); ++k) {
      T& x = subject_.values[i]->data()[k];
      const T before = x;
      const double step = options_.step * std::max(1.0, std::abs(static_cast<double>(before)));
      x = static_cast<T>(static_cast<double>(before) + step);
      const double high = static_cast<double>(x);
      std::vector<double> difference = value();
      x = static_cast<T>(static_cast<double>(before) - step);
      const double low = static_cast<double>(x);
      const std::vector<double> lower = value();
      x = before;
      if (lower.size() != difference.size())
        throw ShapeError("gradcheck", "the shape of the result depends on the values");
      for (std::size_t j = 0; j < lower.size(); ++j) difference[j] -= lower[j];
      body(i, k, difference, high - low);
    }
  }
}

template <class T>
void Checker<T>::compare(const std::string& what, const Numbers& analytic, const Numbers& numeric,
                         const char* left, const char* right) {
  for (std::size_t i = 0; i < numeric.size(); ++i) {
    for (std::size_t k = 0; k < numeric[i].size(); ++k) {
      const double a = analytic[i][k];
      const double n = numeric[i][k];
      const double tolerance = options_.absolute_tolerance +
                               options_.relative_tolerance * std::max(std::abs(a), std::abs(n));
      double error = std::abs(a - n);
      if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
      result_.largest_error = std::max(result_.largest_error, error);
      const double ratio = std::isinf(error) ? error : error / tolerance;
      if (!(ratio > worst_)) continue;
      worst_ = ratio;
      result_.message = what + " by " + subject_.labels[i] + ", element " +
                        position_of(Shape(subject_.values[i]->shape()), k).str() + ": " + left +
                        ' ' + number_text(a, 10) + ", " + right + ' ' + number_text(n, 10);
    }
  }
}

template <class T>
bool Checker<T>::gives_again() {
  tape_.clear();
  const Variable<T> y = subject_.evaluate(tape_).y;
  const auto value = y.value();
  const std::size_t bytes = value.size() * sizeof(T);
  return value.size() == first_value_.size() &&
         (bytes == 0 || std::memcmp(value.data(), first_value_.data(), bytes) == 0);
}

template <class T>
void Checker<T>::check_first_order() {
  const Evaluation<T> at = subject_.evaluate(tape_);
  const Shape shape = at.y.shape();
  const Variable<T> y = at.y;
  first_value_.assign(y.value().data(), y.value().data() + y.size());
  Generator generator;
  std::vector<Array<T>> cotangents{weights<T>(shape, generator)};
  std::vector<std::string> names{"gradient of the weighted outputs"};
  for (std::size_t j = 0; j < shape.size() && shape.size() <= full_jacobian; ++j) {
    cotangents.push_back(xt::zeros_like(cotangents[0]));
    cotangents.back().data()[j] = T{1};
    names.push_back("derivative of output element " + position_of(shape, j).str());
  }
  std::vector<Numbers> analytic;
  analytic.reserve(cotangents.size());
  for (const Array<T>& c : cotangents) analytic.push_back(numbers(gradients_of(at, c, false)));
  random_ = !gives_again();
  if (random_) return;
  std::vector<Numbers> numeric(cotangents.size());
  for (Numbers& numbers : numeric)
    for (const Array<T>* value : subject_.values) numbers.emplace_back(value->size(), 0.0);
  const auto value = [&] {
    tape_.clear();
    const Variable<T> y = subject_.evaluate(tape_).y;
    const auto view = y.value();
    return std::vector<double>(view.data(), view.data() + view.size());
  };
  differences(value, [&](std::size_t i, std::size_t k, const auto& difference, double width) {
    for (std::size_t c = 0; c < cotangents.size(); ++c)
      for (std::size_t j = 0; j < difference.size(); ++j)
        numeric[c][i][k] += static_cast<double>(cotangents[c].data()[j]) * difference[j] / width;
  });
  for (std::size_t c = 1; c < cotangents.size(); ++c) compare(names[c], analytic[c], numeric[c]);
  if (worst_ <= 1) compare(names[0], analytic[0], numeric[0]);  // says less about the place
}

template <class T>
void Checker<T>::check_second_order() {
  tape_.clear();
  const Evaluation<T> at = subject_.evaluate(tape_);
  Generator generator;
  const Array<T> c = weights<T>(at.y.shape(), generator);
  directions_.clear();
  for (const Array<T>* value : subject_.values)
    directions_.push_back(weights<T>(Shape(value->shape()), generator));
  const auto recorded = gradients_of(at, c, true);
  compare("gradient of the weighted outputs", numbers(recorded),
          numbers(gradients_of(at, c, false)), "recorded", "not recorded");
  Evaluation<T> second{directional(recorded), at.leaves};
  const Numbers analytic = numbers(gradients_of(second, Array<T>(T{1}), false));
  Numbers numeric;
  for (const Array<T>* x : subject_.values) numeric.emplace_back(x->size(), 0.0);
  const auto value = [&] {
    tape_.clear();
    const Evaluation<T> there = subject_.evaluate(tape_);
    return std::vector<double>{
        static_cast<double>(directional(gradients_of(there, c, false)).item())};
  };
  differences(value, [&](std::size_t i, std::size_t k, const auto& difference, double width) {
    numeric[i][k] = difference[0] / width;
  });
  compare("second derivative of the weighted outputs", analytic, numeric);
}

}  // namespace

template <class T>
GradcheckResult check_inputs(const CheckedFunction<T>& f, std::vector<Array<T>> inputs,
                             const GradcheckOptions& options) {
  Subject<T> subject;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    subject.labels.push_back("input " + std::to_string(i));
    subject.values.push_back(&inputs[i]);
  }
  subject.evaluate = [&](Tape<T>& tape) {
    Evaluation<T> result;
    std::vector<Variable<T>> x;
    x.reserve(inputs.size());
    for (const Array<T>& input : inputs) x.push_back(tape.variable(input));
    for (const Variable<T>& v : x) result.leaves.push_back({v});
    result.y = f(x);
    return result;
  };
  return Checker<T>(std::move(subject), options).run();
}

template <class T>
GradcheckResult check_parameters(const std::function<Variable<T>(Tape<T>&)>& f,
                                 const ParameterList<T>& parameters,
                                 const GradcheckOptions& options) {
  Subject<T> subject;
  std::vector<Parameter<T>*> checked;
  for (Parameter<T>* parameter : parameters) {
    if (!parameter->requires_grad()) continue;
    subject.labels.push_back(parameter->name().empty()
                                 ? "parameter " + std::to_string(checked.size())
                                 : "parameter '" + parameter->name() + "'");
    subject.values.push_back(&parameter->storage());
    checked.push_back(parameter);
  }
  subject.evaluate = [&](Tape<T>& tape) {
    Evaluation<T> result;
    result.y = f(tape);
    result.leaves.resize(checked.size());
    const auto count = static_cast<std::uint32_t>(tape.size());
    for (std::uint32_t index = 0; index < count; ++index) {
      const auto found = std::find(checked.begin(), checked.end(),
                                   tape.state().parameter_of(tape.state().entries[index]));
      if (found != checked.end())
        result.leaves[static_cast<std::size_t>(found - checked.begin())].emplace_back(tape.state(),
                                                                                      index);
    }
    return result;
  };
  return Checker<T>(std::move(subject), options).run();
}

TAPESTRY_INSTANTIATE(check_inputs, check_parameters)

}  // namespace tapestry::detail
