// SPDX-License-Identifier: MIT
#include "token_model.hpp"

#include <algorithm>
#include <numeric>

namespace data = tapestry::data;

Sequences encoded(const std::vector<std::string>& texts, const data::Vocabulary& vocabulary,
                  std::int64_t end) {
  Sequences sequences;
  for (const std::string& text : texts) {
    const tapestry::Indices tokens = vocabulary.encode(text);
    sequences.emplace_back(tokens.begin(), tokens.end()).push_back(end);
  }
  return sequences;
}

data::PaddedBatch one_batch(const Sequences& sequences) {
  return data::BucketBatches(sequences, {.batch = sequences.size(), .shuffle = false}).next();
}

std::vector<std::int64_t> likeliest(std::span<const float> probabilities) {
  std::vector<std::int64_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return probabilities[static_cast<std::size_t>(a)] > probabilities[static_cast<std::size_t>(b)];
  });
  return order;
}
