// SPDX-License-Identifier: MIT
// The forward step of the CS187 lab 2-2 (Harvard 2024), sections 1 and 3.4: two steps of a small
// network with their values, its graph, and the derivative of h1 by U, by hand and by the tape.
//   h(t) = σ(U x(t) + V h(t-1)), o(t) = W h(t), with ReLU for σ
#include <tapestry/tapestry.hpp>

#include <cstdlib>
#include <iostream>

namespace tp = tapestry;

int main() {
  tp::Tape<double> tape;
  const auto U = tape.variable({{-0.3, 0.6}, {0.2, 0.1}}, "U");
  const auto V = tape.variable({{0.4, 0.4}, {0.9, -0.7}}, "V");
  const auto W = tape.variable({{0.2, 0.1}, {-0.2, 0.5}}, "W");
  const auto x1 = tape.variable({0.0, 1.0}, "x1");
  const auto x2 = tape.variable({0.3, 0.4}, "x2");
  const auto h0 = tape.variable({0, 0}, "h0");

  const auto h1 = relu(matmul(U, x1) + matmul(V, h0)).named("h1");
  const auto o1 = matmul(W, h1).named("o1");
  const auto h2 = relu(matmul(U, x2) + matmul(V, h1)).named("h2");
  const auto o2 = matmul(W, h2).named("o2");

  std::cout << "1.2 The forward step\n"
               "h has one element more than x and o: h0, which the first step starts from.\n";
  for (const auto& v : {h1, o1, h2, o2})
    std::cout << "  " << v.name() << " = (" << v.value()(0) << ", " << v.value()(1) << ")\n";
  std::cout << "(3) The softmax of an output says how probable each word is next\n";
  for (const auto& o : {o1, o2}) {
    const auto p = softmax(o);
    std::cout << "  softmax(" << o.name() << ") = (" << p.value()(0) << ", " << p.value()(1)
              << ")\n";
  }

  tp::save_dot(tp::snapshot({o1, o2}), "forward_by_hand.dot");
  std::cout << "1.3 The graph of o1 and o2 is drawn in forward_by_hand.dot\n";

  std::cout
      << "3.4 ∂h1/∂U(1,1), h1 being σ(U x1 + V h0)\n"
         "U(1,1) meets x1(1) = 0 only: whatever σ is, the derivative is\n"
         "  by hand      σ'(..) x1(1) = 0 for h1(1), and 0 for h1(2), which is without U(1,1)\n";
  const tp::Array<double> all = tp::total(h1, U);  // (2, 2, 2), by each element of U
  std::cout << "  by the tape  (" << all(0, 0, 0) << ", " << all(1, 0, 0) << ")\n";

  select(h1, 0, 0).backward();
  std::cout << "The first element of h1 by the whole of U, σ'(..) = 1 being the slope of ReLU at "
            << h1.value()(0)
            << ":\n  by hand      row 1 is x1ᵀ = (0, 1), row 2 is 0\n  by the tape  rows ("
            << U.grad()(0, 0) << ", " << U.grad()(0, 1) << ") and (" << U.grad()(1, 0) << ", "
            << U.grad()(1, 1) << ")\n";
  const bool agree = all(0, 0, 0) == 0 && all(1, 0, 0) == 0 && U.grad()(0, 0) == x1.value()(0) &&
                     U.grad()(0, 1) == x1.value()(1) && U.grad()(1, 0) == 0 && U.grad()(1, 1) == 0;
  std::cout << (agree ? "They agree.\n" : "They do not agree.\n");
  return agree ? EXIT_SUCCESS : EXIT_FAILURE;
}
