// SPDX-License-Identifier: MIT
#include "tapestry/layers/attention.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "lengths.hpp"
#include "tapestry/autodiff/ops.hpp"

namespace tapestry::layers {
namespace {

/// `make_keys(values)`, checked, with the padding that follows from the lengths.
template <class T, class MakeKeys>
AttentionMemory<T> memory_of(const Variable<T>& values, const std::vector<std::size_t>& lengths,
                             MakeKeys&& make_keys) {
  detail::TapeState<T>& tape = values.state("attention");
  return detail::attempt(tape, [&] {
    const Shape shape = values.shape();
    if (shape.rank() != 3 || shape[0] == 0)
      throw ShapeError("attention", "memory " + shape.str() + " must have shape (S, B, M), S > 0");
    if (lengths.empty()) return AttentionMemory<T>{values, make_keys(values), std::nullopt};
    check_lengths("attention", lengths, shape[0], shape[1], 1);
    const Variable<T> mask = mask_of(tape, lengths, shape[0]);
    const Variable<T> within = where(expand_dims(mask, -1), values, T{0});  // padding may be NaN
    return AttentionMemory<T>{within, make_keys(within), transpose(1 - mask)};
  });
}

/// Checks that queries (T, B, A) can be compared with the keys.
template <class T>
void check_query(const Variable<T>& query, const AttentionMemory<T>& memory) {
  const Shape q = query.shape();
  const Shape k = memory.keys.shape();
  if (q.rank() != 3 || q[2] != k[2] || (q[1] != k[1] && k[1] != 1))
    throw ShapeError("attention", "queries " + q.str() + " do not fit keys " + k.str());
}

/// The weights that follow from scores (T, B, S), and the context.
template <class T>
Attended<T> attend(const Variable<T>& scores, const AttentionMemory<T>& memory) {
  // So low that the exponential of its distance to any score is 0; -infinity would be an anomaly.
  constexpr T lowest = std::numeric_limits<T>::lowest() / 2;
  const auto& padding = memory.padding;
  const auto weights =
      softmax(padding ? masked_fill(scores, *padding, lowest) : scores).named("attention");
  return {einsum("tbs,sbm->tbm", weights, memory.values).named("context"), weights};
}

template <class T>
Variable<T> dot_scores(const Variable<T>& query, const AttentionMemory<T>& memory) {
  check_query(query, memory);
  return einsum("tba,sba->tbs", query, memory.keys);
}

}  // namespace

template <class T>
AdditiveAttention<T>::AdditiveAttention(std::size_t query_size, std::size_t memory_size,
                                        std::size_t attention_size)
    : query(query_size, attention_size, {.bias = false}),
      keys(memory_size, attention_size, {.bias = false}),
      score(attention_size, 1, {.bias = false}) {}

template <class T>
AttentionMemory<T> AdditiveAttention<T>::memory(const Variable<T>& values,
                                                const std::vector<std::size_t>& lengths) {
  return memory_of(values, lengths, keys);
}

template <class T>
Attended<T> AdditiveAttention<T>::operator()(const Variable<T>& queries,
                                             const AttentionMemory<T>& memory) {
  return detail::attempt(queries.state("attention"), [&] {
    const Variable<T> projected = query(queries);
    check_query(projected, memory);
    const auto compared = tanh(expand_dims(projected, 1) + memory.keys);  // (T, S, B, A)
    return attend(swapaxes(squeeze(score(compared), -1), 1, 2), memory);
  });
}

template <class T>
GeneralAttention<T>::GeneralAttention(std::size_t query_size, std::size_t memory_size)
    : keys(memory_size, query_size, {.bias = false}) {}

template <class T>
AttentionMemory<T> GeneralAttention<T>::memory(const Variable<T>& values,
                                               const std::vector<std::size_t>& lengths) {
  return memory_of(values, lengths, keys);
}

template <class T>
Attended<T> GeneralAttention<T>::operator()(const Variable<T>& query,
                                            const AttentionMemory<T>& memory) {
  return detail::attempt(query.state("attention"),
                         [&] { return attend(dot_scores(query, memory), memory); });
}

template <class T>
AttentionMemory<T> DotAttention<T>::memory(const Variable<T>& values,
                                           const std::vector<std::size_t>& lengths) {
  return memory_of(values, lengths, [](const Variable<T>& x) { return x; });
}

template <class T>
Attended<T> DotAttention<T>::operator()(const Variable<T>& query,
                                        const AttentionMemory<T>& memory) {
  return detail::attempt(query.state("attention"), [&] {
    const Variable<T> scores = dot_scores(query, memory);
    const T size = static_cast<T>(query.shape()[2]);
    return attend(options.scaled ? scores / std::sqrt(size) : scores, memory);
  });
}

TAPESTRY_INSTANTIATE_TYPES(struct AdditiveAttention, struct GeneralAttention, struct DotAttention)

}  // namespace tapestry::layers
