// SPDX-License-Identifier: MIT
#include "utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::data::utf8 {
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

unsigned code_point(std::string_view character) {
  static constexpr std::array<unsigned, 5> lead_mask = {0, 0x7F, 0x1F, 0x0F, 0x07};
  unsigned code = byte_at(character, 0) & lead_mask[character.size()];
  for (std::size_t i = 1; i < character.size(); ++i)
    code = (code << 6) | (byte_at(character, i) & 0x3Fu);
  return code;
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

std::size_t checked_length(const char* op, std::string_view text, std::size_t at) {
  const std::size_t length = character_length(text, at);
  if (length > 0) return length;
  std::array<char, 8> hex{};
  std::snprintf(hex.data(), hex.size(), "0x%02X", byte_at(text, at));
  throw ArgumentError(
      op, "the text is not valid UTF-8 at byte " + std::to_string(at) + " (" + hex.data() + ")");
}

std::size_t count(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return !is_continuation(static_cast<unsigned char>(c));
  }));
}

std::string quote(std::string_view symbol) {
  const std::string quoted = "'" + std::string(symbol) + "'";
  if (symbol.empty() || character_length(symbol, 0) != symbol.size()) return quoted;
  const unsigned code = code_point(symbol);
  std::array<char, 16> hex{};
  std::snprintf(hex.data(), hex.size(), "U+%04X", code);
  const bool is_control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  if (is_control) return hex.data();
  return code < 0x7F ? quoted : quoted + " (" + hex.data() + ")";
}

}  // namespace tapestry::data::utf8
