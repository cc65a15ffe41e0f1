// SPDX-License-Identifier: MIT
#include "npy.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "problems.hpp"

namespace tapestry::detail {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t max_axes = 64;

using Name = std::pair<std::string_view, std::string_view>;
constexpr auto dtypes = std::to_array<Name>({{"<f4", "F32"},
                                             {"<f8", "F64"},
                                             {"<f2", "F16"},
                                             {"|b1", "BOOL"},
                                             {"<i8", "I64"},
                                             {"<i4", "I32"},
                                             {"<i2", "I16"},
                                             {"|i1", "I8"},
                                             {"<u8", "U64"},
                                             {"<u4", "U32"},
                                             {"<u2", "U16"},
                                             {"|u1", "U8"},
                                             {"<c8", "C64"}});

/// Reads a literal of Python token by token. Each function takes what it is named after, and the
/// space before it, or takes nothing and returns false.
class Literal {
 public:
  explicit Literal(std::string_view text) : text_(text) {}

  bool take(std::string_view token) {
    skip_space();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }

  bool take_text(std::string& value) {
    skip_space();
    if (text_.starts_with("u'") || text_.starts_with("u\"")) text_.remove_prefix(1);  // Python 2
    if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) return false;
    const std::size_t end = text_.find(text_[0], 1);
    if (end == std::string_view::npos) return false;
    value = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return value.find('\\') == std::string::npos;
  }

  bool take_bool(bool& value) {
    value = take("True");
    return value || take("False");
  }

  /// (), (2,), (2, 3), and with the long numbers of Python 2 (2L, 3L)
  bool take_shape(std::vector<std::uint64_t>& shape) {
    shape.clear();
    if (!take("(")) return false;
    std::uint64_t extent = 0;
    while (take_number(extent)) {
      shape.push_back(extent);
      if (!take(",")) return shape.size() > 1 && take(")");
      if (shape.size() == max_axes) break;
    }
    return take(")");
  }

  bool at_end() {
    skip_space();
    return text_.empty();
  }

 private:
  void skip_space() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \t\r\n"), text_.size()));
  }

  bool take_number(std::uint64_t& number) {
    skip_space();
    const char* const end = text_.data() + text_.size();
    const auto [next, error] = std::from_chars(text_.data(), end, number);
    if (error != std::errc{}) return false;
    text_.remove_prefix(static_cast<std::size_t>(next - text_.data()));
    if (text_.starts_with('L')) text_.remove_prefix(1);
    return true;
  }

  std::string_view text_;
};

/// Each of the three keys once, in any order, each with its value.
bool read_header(Literal literal, NpyHeader& header) {
  unsigned seen = 0;
  if (!literal.take("{")) return false;
  std::string key;
  while (literal.take_text(key) && literal.take(":")) {
    const unsigned bit = key == "descr" ? 1 : key == "fortran_order" ? 2 : key == "shape" ? 4 : 0;
    if (bit == 0 || (seen & bit) != 0) return false;
    seen |= bit;
    const bool good = bit == 1   ? literal.take_text(header.dtype)
                      : bit == 2 ? literal.take_bool(header.fortran_order)
                                 : literal.take_shape(header.shape);
    if (!good) return false;
    if (!literal.take(",")) break;
  }
  return seen == 7 && literal.take("}") && literal.at_end();
}

}  // namespace

std::optional<NpyLayout> npy_layout(std::span<const std::byte, npy_prefix_size> prefix) {
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint64_t>(prefix[i]); };
  for (std::size_t i = 0; i < magic.size(); ++i)
    if (byte(i) != static_cast<unsigned char>(magic[i])) return std::nullopt;
  const std::uint64_t major = byte(6);
  if (major < 1 || major > 3 || byte(7) != 0) return std::nullopt;
  std::uint64_t length = byte(8) | byte(9) << 8;
  if (major > 1) length |= byte(10) << 16 | byte(11) << 24;
  const std::uint64_t begin = major > 1 ? 12 : 10;
  return NpyLayout{begin, begin + length};
}

std::optional<NpyHeader> parse_npy_header(std::string_view text) {
  NpyHeader header;
  if (!read_header(Literal(text), header)) return std::nullopt;
  const auto known = std::find_if(dtypes.begin(), dtypes.end(),
                                  [&](const Name& name) { return name.first == header.dtype; });
  header.dtype = known == dtypes.end() ? in_quotes(header.dtype) : std::string(known->second);
  return header;
}

std::string make_npy_header(std::string_view dtype, const std::vector<std::uint64_t>& shape) {
  std::string text = "{'descr': '";
  for (const auto& [numpy, ours] : dtypes)
    if (dtype == ours) text += numpy;
  text += "', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
  const std::size_t prefix = magic.size() + 4;
  const std::size_t total = (prefix + text.size() + 1 + 63) / 64 * 64;
  text.append(total - prefix - text.size() - 1, ' ') += '\n';
  const std::size_t length = text.size();
  std::string header(magic);
  header += {1, 0, static_cast<char>(length & 0xFF), static_cast<char>(length >> 8)};
  return header + text;
}

}  // namespace tapestry::detail
