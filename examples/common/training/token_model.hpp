// SPDX-License-Identifier: MIT
// What most examples about text train: vectors for tokens, a recurrent layer, and logits for what
// comes next (or for whatever is asked at each step).
#pragma once

#include <tapestry/autodiff.hpp>
#include <tapestry/data.hpp>
#include <tapestry/layers.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
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

/// The tokens of each text, and `end`.
Sequences encoded(const std::vector<std::string>& texts,
                  const tapestry::data::Vocabulary& vocabulary, std::int64_t end);

/// All tokens, the most probable first; `probabilities` has one number for each.
std::vector<std::int64_t> likeliest(std::span<const float> probabilities);

/// All of them side by side, the shortest first.
tapestry::data::PaddedBatch one_batch(const Sequences& sequences);

/// The mean loss of a step, in nats: the model reads START c1 ... ck and is to say c1 ... ck END,
/// which is what the batch holds.
template <class Layer>
auto loss_of(TokenModel<Layer>& model, tapestry::Tape<>& tape,
             const tapestry::data::PaddedBatch& batch, std::int64_t start) {
  const tapestry::Indices inputs = tapestry::layers::decoder_inputs(batch.tokens, start);
  return sequence_cross_entropy(model(tape, inputs), batch.tokens, batch.lengths,
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
