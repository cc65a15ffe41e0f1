// SPDX-License-Identifier: MIT
// Links tapestry::data alone: a vocabulary.
#include <tapestry/data.hpp>

int main() {
  const auto digits = tapestry::data::Vocabulary::of_characters("0123");
  return digits.size() == 4 ? 0 : 1;
}
