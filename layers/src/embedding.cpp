// SPDX-License-Identifier: MIT
#include "tapestry/layers/embedding.hpp"

#include <string>

#include "check.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::layers {
namespace {

void check_tokens(const Indices& tokens, std::int64_t count) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int64_t token = tokens.data()[i];
    if (token < 0 || token >= count)
      throw IndexError("embedding", "token " + std::to_string(token) + " at element " +
                                        std::to_string(i) + " of " + Shape(tokens.shape()).str() +
                                        " is outside the vocabulary of " + std::to_string(count));
  }
}

}  // namespace

template <class T>
Embedding<T>::Embedding(std::size_t count, std::size_t size) : Layer("embedding") {
  check_size("embedding", "count", count);
  check_size("embedding", "size", size);
  tapestry::detail::check_size("embedding", {count, size});
  weight_ = Parameter<T>(normal<T>({count, size}, 1), "weight");
}

template <class T>
Variable<T> Embedding<T>::operator()(Tape<T>& tape, const Indices& tokens) {
  const LayerScope<T> scope(tape.state(), *this);
  return detail::attempt(tape.state(), [&] {
    check_tokens(tokens, static_cast<std::int64_t>(weight_.shape()[0]));
    return take(tape.watch(weight_), tokens, 0);
  });
}

TAPESTRY_INSTANTIATE_TYPES(class Embedding)

}  // namespace tapestry::layers
