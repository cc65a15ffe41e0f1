// SPDX-License-Identifier: MIT
// Two recurrent networks that one can work out with pencil and paper, and that students do: "RNN by
// Hand" of Davis (Colgate) and the forward step of the CS187 lab (Harvard), with the same numbers.
#include <tapestry/tapestry.hpp>

#include <array>
#include <iostream>
#include <string>
#include <vector>

namespace tp = tapestry;

namespace {

/// input = E(token), h(t) = ReLU(h(t-1) W + input U), logits = h(t) V.
void davis() {
  tp::Tape<double> tape;
  const auto E = tape.variable(
      {{1, 0, 1, 0}, {2, -1, 3, 5}, {-1, 2, 1, 4}, {5, 2, -1, 3}, {4, 0, 1, 1}, {1, 3, 4, -1}},
      "E");
  const auto U = tape.variable({{3, -1, 0}, {1, 4, -3}, {2, 5, -1}, {4, 2, 3}}, "U");
  const auto W = tape.variable({{2, -3, 1}, {4, 1, 4}, {-5, 3, 2}}, "W");
  const auto V =
      tape.variable({{1, 0, 1, 0, 1, 0}, {4, 2, 1, 5, 2, 3}, {0, -3, -1, 4, 3, -1}}, "V");
  const auto words =
      tp::data::Vocabulary::of_symbols({"BOS", "the", "cat", "is", "outside", "EOS"});

  std::cout << "RNN by hand: h = ReLU(h W + E(token) U), logits = h V\n";
  auto h = tape.constant({0, 0, 0}, "h0");
  int t = 0;
  for (const char* word : {"BOS", "the", "cat", "is", "outside", "EOS"}) {
    const auto step = tape.step(static_cast<std::size_t>(++t));
    const auto input = select(E, 0, words.token(word)).named(word);
    h = relu(matmul(h, W) + matmul(input, U)).named("h" + std::to_string(t));
    const auto logits = matmul(h, V).named("logits" + std::to_string(t));
    const std::int64_t next = tp::data::sample(logits.value(), 0);
    std::cout << "  after " << word << ":\n    h = " << h.value()
              << "\n    logits = " << logits.value() << "\n    next word: " << words.symbol(next)
              << '\n';
    if (t == 2) tp::save_dot(logits, "rnn_by_hand.dot", {.values = true});
  }
  std::cout << "  The first two steps are drawn in rnn_by_hand.dot\n\n";
}

/// h(t) = σ(U x(t) + V h(t-1)), o(t) = W h(t), with ReLU for σ.
void lab() {
  tp::Tape<double> tape;
  const auto U = tape.variable({{-0.3, 0.6}, {0.2, 0.1}}, "U");
  const auto V = tape.variable({{0.4, 0.4}, {0.9, -0.7}}, "V");
  const auto W = tape.variable({{0.2, 0.1}, {-0.2, 0.5}}, "W");
  const std::array x{tape.variable({0.0, 1.0}, "x1"), tape.variable({0.3, 0.4}, "x2")};

  std::cout << "CS187 lab: h = ReLU(U x + V h), o = W h\n";
  auto h = tape.constant({0, 0}, "h0");
  std::vector<tp::Variable<double>> outputs;
  for (std::size_t t = 1; t <= x.size(); ++t) {
    const std::string number = std::to_string(t);
    h = relu(matmul(U, x[t - 1]) + matmul(V, h)).named("h" + number);
    outputs.push_back(matmul(W, h).named("o" + number));
    std::cout << "  h" << t << " = " << h.value() << "  o" << t << " = " << outputs.back().value()
              << '\n';
  }
  tp::save_dot(outputs.back(), "lab_forward.dot");
  std::cout << "  The graph of o2 is drawn in lab_forward.dot\n";
}

}  // namespace

int main() {
  davis();
  lab();
}
