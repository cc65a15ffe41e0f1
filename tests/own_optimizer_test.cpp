// SPDX-License-Identifier: MIT
// An optimizer that the library does not have, as a program writes it: Lion.
#define BOOST_TEST_MODULE own_optimizer
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <string>
#include <tapestry/tapestry.hpp>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"

namespace tp = tapestry;
using tapestry::test::allocations;

namespace {

using Types = std::tuple<float, double>;

/// Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.
struct LionRule {
  static constexpr std::array memories{"exp_avg"};  // m
  double rate, decay, beta1, beta2;

  void operator()(auto& p, auto g, auto& m) const {
    p = p - rate * (sign(beta1 * m + (1 - beta1) * g) + decay * p);
    m = beta2 * m + (1 - beta2) * g;
  }
};

template <class T, class Rule = LionRule>
class Lion final : public tp::optim::Optimizer<T> {
 public:
  explicit Lion(const tp::ParameterList<T>& parameters)
      : tp::optim::Optimizer<T>("Lion", {{parameters}}, 0.125, 0.5, LionRule::memories) {}

 private:
  void update(const tp::optim::Step<T>& step) override {
    step.apply(Rule{step.learning_rate, step.weight_decay, 0.9, 0.99});
  }
};

/// Numbers that differ, of both signs, and now and then 0.
template <class T>
void fill(tp::Array<T>& array, std::size_t seed) {
  for (std::size_t i = 0; i < array.size(); ++i)
    array.data()[i] = static_cast<T>((i * 7 + seed * 5) % 11) - T{5};
}

template <class T>
tp::Parameter<T> parameter(std::size_t size, const std::string& name) {
  auto value = tp::Array<T>::from_shape({size});
  fill(value, size);
  tp::Parameter<T> result(value);
  result.set_name(name);
  return result;
}

/// Names a memory that the optimizer does not have.
struct MisspeltRule : LionRule {
  static constexpr std::array memories{"exp_agv"};
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(steps_as_the_equations_say, T, Types) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{17}, std::size_t{100000}}) {
    tp::Parameter<T> p = parameter<T>(size, "p");
    Lion<T> lion({&p});
    std::vector<T> value(p.storage().begin(), p.storage().end());
    std::vector<T> m(size, T{0});
    tp::set_num_threads(2);
    for (std::size_t step = 0; step < 3; ++step) {
      fill(p.grad(), step);
      for (std::size_t i = 0; i < size; ++i) {
        const T g = p.grad().data()[i];
        const T c = T(0.9) * m[i] + T(1 - 0.9) * g;
        const T direction = c > 0 ? T{1} : c < 0 ? T{-1} : T{0};
        value[i] -= T(0.125) * (direction + T(0.5) * value[i]);
        m[i] = T(0.99) * m[i] + T(1 - 0.99) * g;
      }
      const std::size_t before = allocations();
      lion.step();
      if (step > 0) BOOST_TEST(allocations() == before);  // the first starts a thread
    }
    tp::set_num_threads(1);
    BOOST_TEST(value == std::vector<T>(p.storage().begin(), p.storage().end()),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(goes_on_from_a_file) {
  tp::Parameter<float> p = parameter<float>(9, "p");
  Lion<float> lion({&p});
  fill(p.grad(), 1);
  lion.step();
  tp::save(lion, "lion.safetensors");
  const std::vector<float> saved(p.storage().begin(), p.storage().end());
  fill(p.grad(), 2);
  lion.step();
  const std::vector<float> expected(p.storage().begin(), p.storage().end());

  std::copy(saved.begin(), saved.end(), p.storage().begin());
  Lion<float> other({&p});
  tp::load(other, "lion.safetensors");
  other.step();
  BOOST_TEST(expected == std::vector<float>(p.storage().begin(), p.storage().end()),
             boost::test_tools::per_element());
  std::vector<std::string> names;
  other.visit([&](const std::string& name, auto&) { names.push_back(name); });
  BOOST_TEST(
      names == (std::vector<std::string>{"Lion.learning_rate", "Lion.step.p", "Lion.exp_avg.p"}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_memory_that_it_was_not_made_with) {
  tp::Parameter<float> p = parameter<float>(3, "p");
  const std::vector<float> before(p.storage().begin(), p.storage().end());
  Lion<float, MisspeltRule> lion({&p});
  fill(p.grad(), 1);
  BOOST_CHECK_EXCEPTION(
      lion.step(), tp::ArgumentError,
      tp::test::says(
          "[Lion] the rule asks for the memory 'exp_agv', and the optimizer has 'exp_avg'"));
  BOOST_TEST(before == std::vector<float>(p.storage().begin(), p.storage().end()),
             boost::test_tools::per_element());
}
