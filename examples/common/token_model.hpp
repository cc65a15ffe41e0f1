// SPDX-License-Identifier: MIT
// What most examples about text train: vectors for tokens, a recurrent layer, and logits for what
// comes next (or for whatever is asked at each step).
#pragma once

#include <tapestry/tapestry.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

template <class Layer>
struct TokenModel {
  tapestry::layers::Embedding<> embed;
  Layer layer;
  tapestry::layers::Linear<> head;

  /// For `tokens` kinds of token; a layer of `layer_options.hidden_size` units; logits of
  /// `outputs` classes, by default of the tokens.
  TokenModel(std::size_t tokens, auto layer_options, std::size_t outputs = 0)
      : embed(tokens, layer_options.input_size),
        layer(layer_options),
        head(layer_options.hidden_size * (layer_options.bidirectional ? 2 : 1),
             outputs == 0 ? tokens : outputs) {}

  void visit(auto&& part) {
    part("embed", embed);
    part("layer", layer);
    part("head", head);
  }

  /// Logits at each step (T, B, V) for tokens (T, B); `more` is a carry, lengths, or both.
  auto operator()(tapestry::Tape<>& tape, const tapestry::Indices& tokens, const auto&... more) {
    return head(layer(embed(tape, tokens), more...).output);
  }
};

using Sequences = std::vector<std::vector<std::int64_t>>;

/// The sequences side by side, each in a column (T, B), filled up with `fill` to the longest.
tapestry::Indices in_columns(const Sequences& sequences, std::int64_t fill = 0);

/// Many sequences side by side, each in a column, filled up at the end to the longest.
struct PaddedBatch {
  tapestry::Indices inputs;          ///< (T, B): START c1 ... ck
  tapestry::Indices targets;         ///< (T, B): c1 ... ck END
  std::vector<std::size_t> lengths;  ///< (B): k + 1
};

/// The batch of these sequences. What fills up does not matter, as losses take the lengths.
PaddedBatch with_start_and_end(const Sequences& sequences, std::int64_t start, std::int64_t end);

/// Of `sequences`, `count` drawn at random.
Sequences draw_some(const Sequences& sequences, std::size_t count, tapestry::Generator& random);

/// The mean loss of a step, each in nats.
template <class Layer>
auto loss_of(TokenModel<Layer>& model, tapestry::Tape<>& tape, const PaddedBatch& batch) {
  return sequence_cross_entropy(model(tape, batch.inputs), batch.targets, batch.lengths,
                                {.reduction = tapestry::SequenceReduction::mean_of_steps});
}

/// What the model says after `start`, each token drawn and fed back, until `end` or `longest`.
template <class Layer>
std::vector<std::int64_t> write(TokenModel<Layer>& model, std::int64_t start, std::int64_t end,
                                std::size_t longest, double temperature,
                                tapestry::Generator& random) {
  tapestry::Tape tape;
  const auto off = tape.no_grad();
  typename Layer::Carry carry;
  tapestry::Indices token = tapestry::Indices::from_shape({1, 1});
  token(0, 0) = start;
  std::vector<std::int64_t> tokens;
  while (tokens.size() < longest) {
    tape.clear();
    const auto [output, state] = model.layer(model.embed(tape, token), carry);
    token(0, 0) = tapestry::data::sample(model.head(output).value(), temperature, random);
    if (token(0, 0) == end) break;
    tokens.push_back(token(0, 0));
    state.carry(carry);
  }
  return tokens;
}
