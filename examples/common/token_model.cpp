// SPDX-License-Identifier: MIT
#include "token_model.hpp"

#include <algorithm>

namespace tp = tapestry;

tp::Indices in_columns(const Sequences& sequences, std::int64_t fill) {
  std::size_t longest = 0;
  for (const auto& sequence : sequences) longest = std::max(longest, sequence.size());
  tp::Indices columns = tp::Indices::from_shape({longest, sequences.size()});
  columns.fill(fill);
  for (std::size_t b = 0; b < sequences.size(); ++b)
    for (std::size_t t = 0; t < sequences[b].size(); ++t) columns(t, b) = sequences[b][t];
  return columns;
}

PaddedBatch with_start_and_end(const Sequences& sequences, std::int64_t start, std::int64_t end) {
  Sequences inputs = sequences;
  Sequences targets = sequences;
  for (auto& sequence : inputs) sequence.insert(sequence.begin(), start);
  for (auto& sequence : targets) sequence.push_back(end);
  PaddedBatch batch{in_columns(inputs, end), in_columns(targets, end), {}};
  for (const auto& sequence : inputs) batch.lengths.push_back(sequence.size());
  return batch;
}

Sequences draw_some(const Sequences& sequences, std::size_t count, tp::Generator& random) {
  Sequences some;
  for (std::size_t i = 0; i < count; ++i) some.push_back(sequences[random.below(sequences.size())]);
  return some;
}
