// SPDX-License-Identifier: MIT
// What a file is when it is not what a reader was promised.
#pragma once

#include <cstdint>
#include <string>

#include "file.hpp"

namespace tapestry::detail {

enum class Format : std::uint8_t { safetensors, npz };

/// What the first bytes of a file show it to be instead of `wanted`, for a message, and what to do
/// about it: "an .npz file, which load_npz reads"; "" where they show nothing. Of zip archives the
/// name of the first file in it tells.
std::string other_format(const ByteSource& file, Format wanted);

}  // namespace tapestry::detail
