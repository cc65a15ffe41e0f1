// SPDX-License-Identifier: MIT
// What the fuzzers load into: one part of each kind. Whatever the file, either all of it is loaded
// or one FileError is thrown and nothing has changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/layers/saved_part.hpp"

namespace tapestry::fuzz {

struct Model {
  Parameter<float> w{Array<float>{{1, 2, 3}, {4, 5, 6}}};
  Parameter<double> v{Array<double>{7, 8}};
  Array<float> carry = Array<float>::from_shape({0});
  std::int64_t step = 9;

  void visit(auto&& part) {
    part("w", w);
    part("v", v);
    part("carry", carry);
    part("step", step);
  }
};

inline std::vector<std::byte> bytes_of(const detail::SavedParts& parts) {
  std::vector<std::byte> all;
  for (const auto& part : parts) all.insert(all.end(), part->bytes().begin(), part->bytes().end());
  return all;
}

/// Runs `read(parts, options)`, both with and without surplus. Aborts when it leaves half a model.
template <class Read>
void load_whole_or_not_at_all(const Read& read) {
  for (const bool ignore_surplus : {false, true}) {
    Model model;
    const detail::SavedParts parts = detail::saved_parts(model);
    const std::vector<std::byte> before = bytes_of(parts);
    try {
      read(parts, LoadOptions{.ignore_surplus = ignore_surplus});
      if (model.w.version() != 1 || model.v.version() != 1) std::abort();
    } catch (const FileError&) {
      if (bytes_of(parts) != before || model.w.version() != 0) std::abort();
    }
  }
}

}  // namespace tapestry::fuzz
