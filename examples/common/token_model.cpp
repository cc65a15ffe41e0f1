// SPDX-License-Identifier: MIT
#include "token_model.hpp"

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
