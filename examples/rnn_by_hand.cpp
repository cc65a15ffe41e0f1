// SPDX-License-Identifier: MIT
// "RNN by Hand" (Davis, Colgate 2023): a recurrent network that one can work out with pencil and
// paper, over the whole sentence "BOS the cat is outside EOS", and its picture.
//   input = E(token), h(t) = ReLU(h(t-1) W + input U), logits(t) = h(t) V
#include <tapestry/tapestry.hpp>

#include <cstdlib>
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

/// The same by the layers of the library, whose matrices are those of the document transposed.
bool layers_agree(const Network& net, const std::vector<tp::Variable<double>>& logits) {
  tp::layers::Embedding<double> embed(6, 4);
  embed.weight().value() = net.E.value();
  tp::layers::RNN<double> rnn({.input_size = 4,
                               .hidden_size = 3,
                               .activation = tp::layers::Activation::relu,
                               .bias = false,
                               .output_size = 6});
  rnn.weights(0).weight_ih.value() = xt::transpose(net.U.value());
  rnn.weights(0).weight_hh.value() = xt::transpose(net.W.value());
  rnn.weight_ho().value() = xt::transpose(net.V.value());
  tp::Tape<double> tape;
  const tp::Indices sentence{0, 1, 2, 3, 4, 5};
  const auto input = expand_dims(embed(tape, sentence), 1);  // (T, B, 4)
  return squeeze(rnn(input).output, 1).value() == stack(logits).value();
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
  const bool agree = layers_agree(net, logits);
  std::cout << "layers::Embedding and layers::RNN agree: " << (agree ? "yes" : "no") << '\n';

  // Question 0: "begin first pretending there is no recurrence"; then Figure 1; then its values.
  tp::save_dot(logits[0], "rnn_by_hand_one_step.dot");
  tp::save_dot(stack(logits).named("all logits"), "rnn_by_hand_rolled.dot", {.roll_steps = true});
  tp::save_dot(tp::snapshot({logits[0], logits[1], logits[2]}, {.values = true}), "rnn_by_hand.dot",
               {.values = true, .parameter_uses = true});
  std::cout << "Drawn: one step in rnn_by_hand_one_step.dot, with the recurrence in "
               "rnn_by_hand_rolled.dot,\nthe first three words with their values in "
               "rnn_by_hand.dot\n";
  return agree ? EXIT_SUCCESS : EXIT_FAILURE;
}
