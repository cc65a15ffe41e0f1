// SPDX-License-Identifier: MIT
// The header of a safetensors file: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets":
// [0, 24]}, ..., "__metadata__": {"key": "text"}}. Offsets count from the end of the header.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "problems.hpp"
#include "tapestry/layers/safetensors.hpp"
#include "tensors.hpp"

namespace tapestry::detail {

inline constexpr const char* metadata_key = "__metadata__";

/// The longest header that is read or written, as in the reference implementation.
inline constexpr std::uint64_t max_header_size = 100'000'000;

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorEntry> tensors;  // as in the file, each name once
};

/// Reads a header that is followed by `data_size` bytes of data; nothing when it is not even a JSON
/// object. All that is wrong goes to `problems`; of the types that we do not know, those of what is
/// `wanted`. Needs a few times the memory of `text`.
std::optional<SafetensorsHeader> parse_safetensors_header(std::string_view text,
                                                          std::uint64_t data_size,
                                                          const Wanted& wanted, Problems& problems);

}  // namespace tapestry::detail
