// SPDX-License-Identifier: MIT
#include "adding.hpp"

AddingBatch draw_adding(std::size_t length, std::size_t size, tapestry::Generator& random) {
  AddingBatch batch{tapestry::Array<float>::from_shape({length, size, 2}),
                    tapestry::Array<float>::from_shape({size})};
  for (std::size_t b = 0; b < size; ++b) {
    for (std::size_t t = 0; t < length; ++t) {
      batch.x(t, b, 0) = static_cast<float>(random.uniform());
      batch.x(t, b, 1) = 0;
    }
    const std::size_t first = random.below(length / 2);
    const std::size_t second = length / 2 + random.below(length / 2);
    batch.x(first, b, 1) = batch.x(second, b, 1) = 1;
    batch.target(b) = batch.x(first, b, 0) + batch.x(second, b, 0);
  }
  return batch;
}
