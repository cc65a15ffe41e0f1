// SPDX-License-Identifier: MIT
#include "tapestry/layers/encoder_decoder.hpp"

#include <algorithm>

#include "lengths.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tapestry {
namespace detail {

Indices scheduled(const Indices& truth, const Indices& own, double teacher_forcing) {
  Indices tokens = own;
  if (teacher_forcing == 0) return tokens;
  Generator& generator = default_generator();
  for (std::size_t b = 0; b < tokens.size(); ++b)
    if (generator.uniform() < teacher_forcing) tokens.data()[b] = truth.data()[b];
  return tokens;
}

Indices row_of(const Indices& tokens, std::size_t t) {
  const std::size_t batch = tokens.shape()[1];
  Indices row = Indices::from_shape({1, batch});
  std::copy_n(tokens.data() + t * batch, batch, row.data());
  return row;
}

void check_sequences(const char* what, const Indices& tokens) {
  const Shape shape(tokens.shape());
  if (shape.rank() != 2 || shape[0] == 0)
    throw ShapeError("encoder_decoder", std::string(what) + " " + shape.str() +
                                            " must have shape (steps, B), of one step at least");
}

std::vector<std::size_t> source_lengths(const std::vector<std::size_t>& lengths, std::size_t steps,
                                        std::size_t batch) {
  if (lengths.empty()) return std::vector<std::size_t>(batch, steps);
  layers::check_lengths("encoder_decoder", lengths, steps, batch, 1);
  return lengths;
}

}  // namespace detail

Indices layers::decoder_inputs(const Indices& targets, std::int64_t start) {
  detail::check_sequences("targets", targets);
  const std::size_t batch = targets.shape()[1];
  Indices inputs = targets;
  std::fill_n(inputs.data(), batch, start);
  std::copy_n(targets.data(), targets.size() - batch, inputs.data() + batch);
  return inputs;
}

}  // namespace tapestry
