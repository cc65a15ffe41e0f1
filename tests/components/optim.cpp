// SPDX-License-Identifier: MIT
// Links tapestry::optim alone: a step of Adam, which is as long as the learning rate.
#include <cmath>
#include <tapestry/optim.hpp>

namespace tp = tapestry;

int main() {
  tp::Parameter<> p(tp::Array<float>{1, 2, 3});
  p.grad().fill(0.5F);
  tp::optim::clip_grad_norm<float>({&p}, 10);
  tp::optim::Adam adam({&p}, {.learning_rate = 0.25});
  adam.step();
  return std::abs(std::as_const(p).value()(0) - 0.75F) < 1e-4F ? 0 : 1;
}
