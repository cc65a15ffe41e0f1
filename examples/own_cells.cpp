// SPDX-License-Identifier: MIT
// Three recurrent cells from papers, each one struct of ten lines in common/paper_cells.hpp. Each
// learns to name the first symbol of a sequence at its end, and is drawn.
#include <tapestry/tapestry.hpp>

#include <cstdint>
#include <iostream>
#include <string>

#include "claims.hpp"
#include "paper_cells.hpp"
#include "text.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t kinds = 4;    // of symbols
constexpr std::size_t length = 12;  // of sequences
constexpr std::size_t batch = 32;

template <class Cell>
struct FirstSymbol {
  tp::layers::Embedding<> embed{kinds, 8};
  tp::layers::Recurrent<Cell> cell{{.input_size = 8, .hidden_size = 24}};
  tp::layers::Linear<> head{24, kinds};

  tp::Variable<> operator()(tp::Tape<>& tape, const tp::Indices& tokens) {
    return head(select(cell(embed(tape, tokens)).output, 0, -1));
  }
  void visit(auto&& part) {
    part("embed", embed);
    part("cell", cell);
    part("head", head);
  }
};

struct Batch {
  tp::Indices tokens = tp::Indices::from_shape({length, batch});  // (T, B)
  tp::Indices first = tp::Indices::from_shape({batch});
};

Batch draw(tp::Generator& random) {
  Batch all;
  for (auto& token : all.tokens) token = static_cast<std::int64_t>(random.below(kinds));
  for (std::size_t b = 0; b < batch; ++b) all.first(b) = all.tokens(0, b);
  return all;
}

/// The share of sequences whose first symbol is the likeliest.
double share_right(const tp::Variable<>& logits, const tp::Indices& first) {
  const auto& values = logits.value();
  double right = 0;
  for (std::size_t b = 0; b < batch; ++b) {
    std::size_t best = 0;
    for (std::size_t k = 1; k < kinds; ++k)
      if (values(b, k) > values(b, best)) best = k;
    right += static_cast<std::int64_t>(best) == first(b) ? 1 : 0;
  }
  return right / batch;
}

template <class Cell>
void learn(Claims& claims) {
  tp::seed(5);
  FirstSymbol<Cell> model;
  const std::string name = Cell::name;
  claims.check(model.cell.fuses(), name + " runs fused");
  if (name == "indrnn") tp::initialise(model, {{"cell.u_l0", "ones"}});  // at first nothing fades
  tp::optim::Adam<> adam(tp::parameters(model), {.learning_rate = 0.01});
  tp::Generator random(6);
  tp::Tape<> tape;
  double right = 0;
  for (int step = 0; step < 1000 && right < 1; ++step) {
    tape.clear();
    const Batch data = draw(random);
    const auto logits = model(tape, data.tokens);
    const auto loss = softmax_cross_entropy(logits, data.first).named("loss");
    right = 0.9 * right + (share_right(logits, data.first) == 1 ? 0.11 : 0);
    adam.zero_grad();
    loss.backward();
    adam.step();
  }
  std::cout << column(name, 8) << column(std::to_string(tp::count_parameters(model.cell)), -6)
            << " parameters\n";
  claims.check(right >= 1, name + " names the first of " + std::to_string(length) + " symbols");
  tape.clear();
  const auto x = tape.constant(tp::Array<>(xt::zeros<float>({3, 1, 8})), "x");
  tp::save_dot(model.cell(x).output, "own_cells_" + name + ".dot");
}

}  // namespace

int main() {
  Claims claims;
  learn<MinimalGatedUnit>(claims);
  learn<CoupledLSTM>(claims);
  learn<IndRNN>(claims);
  return claims.exit_code();
}
