// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/utf8.hpp"

#include <algorithm>
#include <array>

#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::utf8 {
namespace {

struct Lead {
  std::size_t length;                // of the whole character, 0 when no character starts so
  unsigned second_low, second_high;  // range of the second byte; it excludes what is forbidden
};

Lead classify(unsigned byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) return {3, byte == 0xE0 ? 0xA0u : 0x80u, byte == 0xED ? 0x9Fu : 0xBFu};
  if (byte < 0xF5) return {4, byte == 0xF0 ? 0x90u : 0x80u, byte == 0xF4 ? 0x8Fu : 0xBFu};
  return {0, 0, 0};
}

unsigned byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool is_continuation(unsigned byte) { return (byte & 0xC0u) == 0x80u; }

/// Characters that make a line read otherwise than it is stored, or that break it.
bool turns_text(unsigned code) {
  return (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::size_t character_length(std::string_view text, std::size_t at) {
  const Lead lead = classify(byte_at(text, at));
  if (lead.length <= 1) return lead.length;
  if (text.size() - at < lead.length) return 0;
  const unsigned second = byte_at(text, at + 1);
  if (second < lead.second_low || second > lead.second_high) return 0;
  for (std::size_t i = 2; i < lead.length; ++i)
    if (!is_continuation(byte_at(text, at + i))) return 0;
  return lead.length;
}

bool is_cut_character(std::string_view text) {
  const Lead lead = classify(byte_at(text, 0));
  if (text.size() >= lead.length) return false;
  if (text.size() > 1) {
    const unsigned second = byte_at(text, 1);
    if (second < lead.second_low || second > lead.second_high) return false;
  }
  return text.size() < 3 || is_continuation(byte_at(text, 2));
}

std::size_t valid_length(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = character_length(text, at);
    if (length == 0) break;
    at += length;
  }
  return at;
}

std::string_view start_of(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  for (std::size_t back = 1; back <= std::min<std::size_t>(most, 3); ++back)
    if (is_cut_character(text.substr(most - back, back))) return text.substr(0, most - back);
  return text.substr(0, most);
}

unsigned code_point(std::string_view character) {
  static constexpr std::array<unsigned, 5> lead_mask = {0, 0x7F, 0x1F, 0x0F, 0x07};
  unsigned code = byte_at(character, 0) & lead_mask[character.size()];
  for (std::size_t i = 1; i < character.size(); ++i)
    code = (code << 6) | (byte_at(character, i) & 0x3Fu);
  return code;
}

std::size_t count(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return !is_continuation(static_cast<unsigned char>(c)); }));
}

bool is_control(unsigned code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

std::string_view take_shown(std::string_view& text) {
  const std::size_t length = character_length(text);
  const unsigned code = length == 0 ? 0 : code_point(text.substr(0, length));
  const bool drawn = !is_control(code) && code != 0xFFFE && code != 0xFFFF;
  const std::string_view character = text.substr(0, drawn ? length : 1);
  text.remove_prefix(character.size());
  const bool space = character == "\n" || character == "\r" || character == "\t";
  return drawn ? character : space ? " " : "\xEF\xBF\xBD";
}

std::string shown(std::string_view text, std::size_t most) {
  std::string result;
  for (std::size_t n = 0; !text.empty(); ++n) {
    if (n == most) return result.append("…");
    result += take_shown(text);
  }
  return result;
}

std::string harmless(std::string_view text) {
  std::string result;
  for (std::size_t at = 0, length = 0; at < text.size(); at += std::max<std::size_t>(length, 1)) {
    length = character_length(text, at);
    const unsigned code = length == 0 ? byte_at(text, at) : code_point(text.substr(at, length));
    const bool line_end = code == '\r' && text.substr(at + 1).starts_with('\n');
    const bool kept = length > 0 && !turns_text(code) &&
                      (!is_control(code) || code == '\n' || code == '\t' || line_end);
    if (kept)
      result += text.substr(at, length);
    else
      result += code < 0x100 && length < 2 ? "\\x" + hex_text(code, 2) : "\\u" + hex_text(code, 4);
  }
  return result;
}

}  // namespace tapestry::utf8
