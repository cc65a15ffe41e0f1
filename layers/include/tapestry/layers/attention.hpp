// SPDX-License-Identifier: MIT
// Attention: for each query, a mean over the positions of a sequence. A position that fits the
// query better has a larger weight.
//
//   weights(t, b, s) = softmax over s of score(query(t, b), key(s, b))
//   context(t, b)    = sum over s of weights(t, b, s) value(s, b)
//
// Letters: T queries (steps of a decoder) of Q features, S positions (steps of an encoder) of M
// features, B sequences, A features in which queries and positions are compared. Positions beyond
// the length of a sequence have a weight of exactly 0 and get no gradient.
//
//   layers::AdditiveAttention<> attention(Q, M, A);
//   const auto memory = attention.memory(encoder_output, source_lengths);  // once for a sequence
//   const auto [context, weights] = attention(decoder_output, memory);     // for one step, or all
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::layers {

/// The sequences at which queries look. One sequence (B = 1) serves queries of any batch.
template <class T>
struct AttentionMemory {
  Variable<T> values;  ///< (S, B, M)
  Variable<T> keys;    ///< (S, B, A), to which queries are compared
  std::optional<Variable<T>>
      padding;  ///< (B, S): 1 beyond the end of a sequence, if they have ends
};

/// The result of attention, for structured bindings. The weights add up to 1 over S.
template <class T>
struct Attended {
  Variable<T> context;  ///< (T, B, M)
  Variable<T> weights;  ///< (T, B, S)
};

/// Additive attention (Bahdanau et al. 2015): score(q, k) = vᵀ tanh(W q + U k), with W =
/// query.weight (A, Q), U = keys.weight (A, M), v = score.weight (1, A).
template <class T = float>
struct AdditiveAttention {
  using value_type = T;

  Linear<T> query;
  Linear<T> keys;
  Linear<T> score;

  /// Throws ArgumentError when a size is 0.
  AdditiveAttention(std::size_t query_size, std::size_t memory_size, std::size_t attention_size);

  /// The memory of `values` (S, B, M). Lengths are from 1 to S; without lengths each sequence has S
  /// positions. Throws ShapeError or ArgumentError when values or lengths do not fit.
  AttentionMemory<T> memory(const Variable<T>& values,
                            const std::vector<std::size_t>& lengths = {});

  /// query (T, B, Q). Throws ShapeError when it does not fit the memory.
  Attended<T> operator()(const Variable<T>& query, const AttentionMemory<T>& memory);

  void visit(auto&& part) {
    part("query", query);
    part("keys", keys);
    part("score", score);
  }
};

/// Luong et al. 2015, "general": score(q, k) = qᵀ W k, with W = keys.weight (Q, M); A = Q.
template <class T = float>
struct GeneralAttention {
  using value_type = T;

  Linear<T> keys;

  /// Throws ArgumentError when a size is 0.
  GeneralAttention(std::size_t query_size, std::size_t memory_size);

  /// As for AdditiveAttention.
  AttentionMemory<T> memory(const Variable<T>& values,
                            const std::vector<std::size_t>& lengths = {});
  Attended<T> operator()(const Variable<T>& query, const AttentionMemory<T>& memory);

  void visit(auto&& part) { part("keys", keys); }
};

struct DotAttentionOptions {
  /// Divides scores by √Q, so that they do not grow with Q (Vaswani et al. 2017).
  bool scaled = false;
};

/// Luong et al. 2015, "dot": score(q, k) = qᵀ k, or qᵀ k / √Q; M = Q. It has no parameters.
template <class T = float>
struct DotAttention {
  using value_type = T;

  DotAttentionOptions options;

  DotAttention() = default;
  explicit DotAttention(DotAttentionOptions dot_options) : options(dot_options) {}

  /// As for AdditiveAttention.
  AttentionMemory<T> memory(const Variable<T>& values,
                            const std::vector<std::size_t>& lengths = {});
  Attended<T> operator()(const Variable<T>& query, const AttentionMemory<T>& memory);

  void visit(auto&&) {}
};

TAPESTRY_EXTERN_TYPES(struct AdditiveAttention, struct GeneralAttention, struct DotAttention)

}  // namespace tapestry::layers
