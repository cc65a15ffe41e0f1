// SPDX-License-Identifier: MIT
#include "model.hpp"

namespace tp = tapestry;

namespace {

decltype(CharModel::cells) make_cells(const ModelOptions& options) {
  const auto make = [&]<class Layer>(std::in_place_type_t<Layer>) {
    return Layer({.input_size = options.embedding,
                  .hidden_size = options.hidden,
                  .num_layers = options.layers,
                  .dropout = options.layers > 1 ? options.dropout : 0});
  };
  if (options.cell == "rnn") return make(std::in_place_type<tp::layers::RNN<>>);
  if (options.cell == "gru") return make(std::in_place_type<tp::layers::GRU<>>);
  if (options.cell == "lstm") return make(std::in_place_type<tp::layers::LSTM<>>);
  throw tp::ArgumentError("model", "there is no cell '" + options.cell + "'");
}

}  // namespace

CharModel::CharModel(const ModelOptions& options, std::size_t vocabulary)
    : embed(vocabulary, options.embedding),
      cells(make_cells(options)),
      dropout(options.dropout),
      head(options.hidden, vocabulary) {}

tp::Variable<> CharModel::logits(tp::Tape<>& tape, const tp::Indices& tokens, Carry& carry) {
  const auto x = embed(tape, tokens);
  const auto run = [&](auto& layer) {
    auto& from = carry.of(layer);
    const auto [output, state] = layer(x, from);
    state.carry(from);
    return output;
  };
  return head(dropout(std::visit(run, cells)));
}
