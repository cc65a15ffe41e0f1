// SPDX-License-Identifier: MIT
// The header of an .npy file: "\x93NUMPY", version, length, and a literal of Python, such as
// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }. Source:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::detail {

struct NpyHeader {
  std::string dtype;           // as safetensors files call it, or NumPy's in quotes
  bool fortran_order = false;  // the first axis varies fastest
  std::vector<std::uint64_t> shape;
};

/// The first bytes of a file, which tell the length of the rest of the header. 12 of them suffice.
inline constexpr std::size_t npy_prefix_size = 12;

/// Where the literal lies in the file; nothing when it is not an .npy file or of a later version.
struct NpyLayout {
  std::uint64_t text_begin = 0;
  std::uint64_t data_begin = 0;
};
std::optional<NpyLayout> npy_layout(std::span<const std::byte, npy_prefix_size> prefix);

/// Reads the literal; nothing when it is not one as above.
std::optional<NpyHeader> parse_npy_header(std::string_view text);

/// A whole header, version 1.0, of an array in C order.
std::string make_npy_header(std::string_view dtype, const std::vector<std::uint64_t>& shape);

}  // namespace tapestry::detail
