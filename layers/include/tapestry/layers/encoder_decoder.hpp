// SPDX-License-Identifier: MIT
// From sequence to sequence: an encoder reads the source. A decoder starts from the encoder's last
// state and writes the target (Sutskever et al. 2014). With attention, it looks back at the source
// (Luong et al. 2015):
//
//   h(t), state = decoder(embedding of input(t), state)
//   c(t)        = attention of h(t) to the encoder's outputs
//   h~(t)       = tanh(W_c [c(t); h(t)])                      h~ = h without attention
//   logits(t)   = W_o h~(t) + b_o
//
// Letters: S steps of the longest source, T of the longest target, B pairs in the batch, V tokens
// of the target vocabulary, E features of an embedding, H hidden units.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/attention.hpp"
#include "tapestry/layers/decode.hpp"
#include "tapestry/layers/embedding.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/module.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::detail {

/// Takes for each element `truth` with probability `teacher_forcing`, otherwise `own`. Both (B).
Indices scheduled(const Indices& truth, const Indices& own, double teacher_forcing);

/// Row `t` of tokens (T, B): (1, B).
Indices row_of(const Indices& tokens, std::size_t t);

/// Throws ShapeError unless tokens are (T, B) with T > 0.
void check_sequences(const char* what, const Indices& tokens);

/// The lengths, or `steps` for each of `batch` sequences when there are none. ArgumentError.
std::vector<std::size_t> source_lengths(const std::vector<std::size_t>& lengths, std::size_t steps,
                                        std::size_t batch);

}  // namespace tapestry::detail

namespace tapestry::layers {

/// Takes the place of an attention: the decoder knows only the encoder's last state.
template <class T = float>
struct NoAttention {
  using value_type = T;
  void visit(auto&&) {}
};

struct EncoderDecoderOptions {
  std::size_t source_tokens = 0;
  std::size_t target_tokens = 0;   ///< V
  std::size_t embedding_size = 0;  ///< E
  std::size_t hidden_size = 0;     ///< H
  std::size_t num_layers = 1;
  double dropout = 0;  ///< between the layers of encoder and decoder
};

struct DecodingOptions {
  /// The probability with which a step of the decoder reads the true previous token, drawn for each
  /// step and sequence (scheduled sampling, Bengio et al. 2015). Otherwise the step reads the token
  /// that the model itself found most probable. 1 is teacher forcing, 0 is free running.
  double teacher_forcing = 1;
};

/// The output of the decoder, for structured bindings.
template <class T>
struct Decoded {
  Variable<T> logits;                  ///< (T, B, V)
  std::optional<Variable<T>> weights;  ///< (T, B, S): the attention of each step, if there is one
};

/// The result of the encoder, which the decoder reads.
template <class T, class State>
struct Encoded {
  State state;                               ///< after the last step of each source
  std::optional<AttentionMemory<T>> memory;  ///< if there is attention
};

/// The inputs of a decoder that shall write `targets` (T, B): the start token, then each target
/// except the last. Throws ShapeError when the targets are not of rank 2.
[[nodiscard]] Indices decoder_inputs(const Indices& targets, std::int64_t start);

/// An encoder-decoder of a recurrent layer (RNN, LSTM, GRU), with or without attention. It is a
/// plain struct: you may use and replace its parts.
///
///   layers::EncoderDecoder<layers::GRU<>, layers::GeneralAttention<>> model(
///       {.source_tokens = 28, .target_tokens = 28, .embedding_size = 32, .hidden_size = 64},
///       layers::GeneralAttention<>(64, 64));
///   const auto [logits, weights] = model(tape, source, lengths, decoder_inputs(targets, start));
///   sequence_cross_entropy(logits, targets, target_lengths).backward();
template <class Recurrent, class Attention = NoAttention<typename Recurrent::value_type>>
struct EncoderDecoder {
  using value_type = typename Recurrent::value_type;
  using T = value_type;
  using State = typename Recurrent::State;

  static constexpr bool attends = !std::is_same_v<Attention, NoAttention<T>>;

  Embedding<T> source_embedding;
  Embedding<T> target_embedding;
  Recurrent encoder;
  Recurrent decoder;
  Attention attention;               ///< queries and memory have size H
  std::optional<Linear<T>> combine;  ///< W_c (H, 2H), if there is attention
  Linear<T> head;                    ///< W_o (V, H), b_o (V)

  /// Throws ArgumentError when a size is 0, dropout is outside [0, 1], or there is dropout and only
  /// one layer.
  explicit EncoderDecoder(const EncoderDecoderOptions& o, Attention chosen_attention = {})
      : source_embedding(o.source_tokens, o.embedding_size),
        target_embedding(o.target_tokens, o.embedding_size),
        encoder(recurrent(o)),
        decoder(recurrent(o)),
        attention(std::move(chosen_attention)),
        head(o.hidden_size, o.target_tokens) {
    if constexpr (attends) combine.emplace(2 * o.hidden_size, o.hidden_size, LinearOptions{false});
  }

  void visit(auto&& part) {
    part("source_embedding", source_embedding);
    part("target_embedding", target_embedding);
    part("encoder", encoder);
    part("decoder", decoder);
    part("attention", attention);
    part("combine", combine);
    part("head", head);
  }

  /// The logits for the targets of `inputs` (T, B), see `decoder_inputs`, given sources (S, B).
  /// Lengths are from 1 to S; without lengths each source has S steps. Without teacher forcing only
  /// the first row of the inputs and the number of rows matter. Throws ShapeError, IndexError or
  /// ArgumentError when an argument does not fit.
  Decoded<T> operator()(Tape<T>& tape, const Indices& source,
                        const std::vector<std::size_t>& lengths, const Indices& inputs,
                        DecodingOptions options = {});

  /// Reads the sources; arguments and errors are as above.
  Encoded<T, State> encode(Tape<T>& tape, const Indices& source,
                           const std::vector<std::size_t>& lengths = {});

  /// Reads tokens (T, B), moves `state` past them, and returns the output of these steps. With the
  /// memory of one source, B may be any number.
  Decoded<T> decode(Tape<T>& tape, const Indices& tokens, State& state,
                    const std::optional<AttentionMemory<T>>& memory);

  /// The most probable outputs for one source (S, 1), found by beam search; a width of 1 is greedy
  /// search. It records nothing. If the model has dropout, call `eval(model)` before. Throws what
  /// `beam_search` throws.
  std::vector<Hypothesis> translate(Tape<T>& tape, const Indices& source, std::int64_t start,
                                    const BeamOptions& options);

 private:
  static Recurrent recurrent(const EncoderDecoderOptions& o) {
    return Recurrent({.input_size = o.embedding_size,
                      .hidden_size = o.hidden_size,
                      .num_layers = o.num_layers,
                      .dropout = o.dropout});
  }
  Decoded<T> write_freely(Tape<T>& tape, const Indices& inputs, Encoded<T, State> encoded,
                          double teacher_forcing);
};

template <class Recurrent, class Attention>
auto EncoderDecoder<Recurrent, Attention>::encode(Tape<T>& tape, const Indices& source,
                                                  const std::vector<std::size_t>& lengths)
    -> Encoded<T, State> {
  detail::check_sequences("source", source);
  const std::size_t steps = source.shape()[0];
  const auto ends = detail::source_lengths(lengths, steps, source.shape()[1]);
  const auto [output, state] = encoder(source_embedding(tape, source), ends);
  if constexpr (attends) return {state, attention.memory(output, ends)};
  return {state, std::nullopt};
}

template <class Recurrent, class Attention>
auto EncoderDecoder<Recurrent, Attention>::decode(Tape<T>& tape, const Indices& tokens,
                                                  State& state,
                                                  const std::optional<AttentionMemory<T>>& memory)
    -> Decoded<T> {
  const auto [output, next] = decoder(target_embedding(tape, tokens), std::as_const(state));
  state = next;
  if constexpr (attends) {
    if (!memory) throw ArgumentError("encoder_decoder", "there is no memory to attend to");
    const auto [context, weights] = attention(output, *memory);
    const auto attentional = tanh((*combine)(concatenate<T>({context, output}, -1)));
    return {head(attentional), weights};
  } else {
    return {head(output), std::nullopt};
  }
}

template <class Recurrent, class Attention>
auto EncoderDecoder<Recurrent, Attention>::operator()(Tape<T>& tape, const Indices& source,
                                                      const std::vector<std::size_t>& lengths,
                                                      const Indices& inputs,
                                                      DecodingOptions options) -> Decoded<T> {
  const double p = options.teacher_forcing;
  if (!(p >= 0 && p <= 1))
    throw ArgumentError("encoder_decoder",
                        "teacher_forcing must lie in [0, 1], not " + fixed_text(p));
  detail::check_sequences("inputs", inputs);
  return detail::attempt(tape.state(), [&] {
    Encoded<T, State> encoded = encode(tape, source, lengths);
    if (p < 1) return write_freely(tape, inputs, std::move(encoded), p);
    return decode(tape, inputs, encoded.state, encoded.memory);
  });
}

template <class Recurrent, class Attention>
auto EncoderDecoder<Recurrent, Attention>::write_freely(Tape<T>& tape, const Indices& inputs,
                                                        Encoded<T, State> encoded,
                                                        double teacher_forcing) -> Decoded<T> {
  std::vector<Variable<T>> logits, weights;
  Indices tokens = detail::row_of(inputs, 0);
  for (std::size_t t = 0; t < inputs.shape()[0]; ++t) {
    const auto scope = tape.step(t);
    const auto step = decode(tape, tokens, encoded.state, encoded.memory);
    logits.push_back(step.logits);
    if (step.weights) weights.push_back(*step.weights);
    if (t + 1 < inputs.shape()[0])
      tokens = detail::scheduled(detail::row_of(inputs, t + 1), argmax(step.logits, -1),
                                 teacher_forcing);
  }
  if constexpr (attends) return {concatenate(logits), concatenate(weights)};
  return {concatenate(logits), std::nullopt};
}

template <class Recurrent, class Attention>
auto EncoderDecoder<Recurrent, Attention>::translate(Tape<T>& tape, const Indices& source,
                                                     std::int64_t start, const BeamOptions& options)
    -> std::vector<Hypothesis> {
  detail::check_sequences("source", source);
  if (source.shape()[1] != 1)
    throw ShapeError("translate", "source " + Shape(source.shape()).str() +
                                      " must have shape (S, 1): one sequence at a time");
  const auto quiet = tape.no_grad();
  const detail::Position before = tape.state().position();
  auto found = detail::attempt(tape.state(), [&] {
    const Encoded<T, State> encoded = encode(tape, source);
    Indices one = Indices::from_shape({1, 1});
    const auto step = [&](std::int64_t token, State state) {
      one(0, 0) = token;
      const auto decoded = decode(tape, one, state, encoded.memory);
      return std::pair(log_softmax(reshape(decoded.logits, {rest})).value(), std::move(state));
    };
    return beam_search(start, encoded.state, step, options);
  });
  tape.state().truncate(before, true);
  return found;
}

}  // namespace tapestry::layers
