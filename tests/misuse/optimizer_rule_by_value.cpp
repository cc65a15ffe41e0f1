// SPDX-License-Identifier: MIT
// expected: a rule is void operator()(auto& value, auto grad, auto&... memories) const
#include <tapestry/autodiff.hpp>
#include <tapestry/optim.hpp>

struct Momentum {
  static constexpr std::array memories{"momentum_buffer"};
  double rate;
  void operator()(auto& p, auto g, auto m) const {  // m is a copy
    m = 0.9 * m + g;
    p = p - rate * m;
  }
};

void update(const tapestry::optim::Step<float>& step) { step.apply(Momentum{step.learning_rate}); }
