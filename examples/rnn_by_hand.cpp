// SPDX-License-Identifier: MIT
// "RNN by Hand" (Davis, Colgate 2023): a recurrent network that one can work out with pencil and
// paper, over the whole sentence "BOS the cat is outside EOS", and its picture.
//   input = E(token), h(t) = ReLU(h(t-1) W + input U), logits(t) = h(t) V
#include <tapestry/tapestry.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace tp = tapestry;

namespace {

/// 1.2; E has a row for each word.
struct Network {
  tp::Parameter<double> E{
      {{1, 0, 1, 0}, {2, -1, 3, 5}, {-1, 2, 1, 4}, {5, 2, -1, 3}, {4, 0, 1, 1}, {1, 3, 4, -1}},
      "E"};
  tp::Parameter<double> U{{{3, -1, 0}, {1, 4, -3}, {2, 5, -1}, {4, 2, 3}}, "U"};
  tp::Parameter<double> W{{{2, -3, 1}, {4, 1, 4}, {-5, 3, 2}}, "W"};
  tp::Parameter<double> V{{{1, 0, 1, 0, 1, 0}, {4, 2, 1, 5, 2, 3}, {0, -3, -1, 4, 3, -1}}, "V"};
};

/// The same by the layer of the library, whose matrices are those of the document transposed.
bool layer_agrees(const Network& net, const std::vector<tp::Variable<double>>& h) {
  tp::layers::RNN<double> rnn({.input_size = 4,
                               .hidden_size = 3,
                               .activation = tp::layers::Activation::relu,
                               .bias = false});
  rnn.weights(0).weight_ih.value() = xt::transpose(net.U.value());
  rnn.weights(0).weight_hh.value() = xt::transpose(net.W.value());
  tp::Tape<double> tape;
  const auto sentence = expand_dims(tape.constant(net.E.value()), 1);  // (6, 1, 4), in this order
  const auto output = rnn(sentence).output;
  for (std::size_t t = 0; t < h.size(); ++t)
    if (select(select(output, 0, static_cast<int>(t)), 0, 0).value() != h[t].value()) return false;
  return true;
}

}  // namespace

int main() {
  const auto words =
      tp::data::Vocabulary::of_symbols({"BOS", "the", "cat", "is", "outside", "EOS"});
  Network net;
  tp::Tape<double> tape;
  std::vector<tp::Variable<double>> h{tape.constant({0, 0, 0}, "h0")};
  std::vector<tp::Variable<double>> logits;

  std::cout << "1.3 RNN by hand: h = ReLU(h W + E(token) U), logits = h V\n";
  for (const std::string& word : words.symbols()) {
    const std::string t = std::to_string(h.size());
    const auto step = tape.step(h.size());
    const auto input = select(tape.watch(net.E), 0, words.token(word)).named("input" + t);
    const auto sum = matmul(h.back(), tape.watch(net.W)) + matmul(input, tape.watch(net.U));
    h.push_back(relu(sum).named("h" + t));
    logits.push_back(matmul(h.back(), tape.watch(net.V)).named("logits" + t));
    const auto next = tp::data::sample(logits.back().value(), 0);  // 0: the largest
    std::cout << "After " << word << ":\n  h" << t << "     = " << h.back().value()
              << "\n  logits = " << logits.back().value() << "\n  the largest is at " << next
              << ": the model predicts \"" << words.symbol(next) << "\"\n";
  }
  h.erase(h.begin());
  std::cout << "The layer agrees: " << (layer_agrees(net, h) ? "yes" : "no") << '\n';

  // Question 0, Figure 1: "begin first pretending there is no recurrence".
  tp::save_dot(tp::snapshot({logits[0], logits[1], logits[2]}, {.values = true}), "rnn_by_hand.dot",
               {.values = true, .parameter_uses = true});
  tp::save_dot(stack(logits).named("all logits"), "rnn_by_hand_rolled.dot", {.roll_steps = true});
  std::cout << "Drawn: the first three words step by step in rnn_by_hand.dot,\n"
               "with the recurrence in rnn_by_hand_rolled.dot\n";
}
