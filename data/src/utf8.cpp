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

/// Whether `text`, too short to be a character, is the start of one.
bool is_cut_character(std::string_view text) {
  const Lead lead = classify(byte_at(text, 0));
  if (text.size() >= lead.length) return false;
  if (text.size() > 1) {
    const unsigned second = byte_at(text, 1);
    if (second < lead.second_low || second > lead.second_high) return false;
  }
  return text.size() < 3 || is_continuation(byte_at(text, 2));
}

/// Length of the longest start of `text` that is whole, valid characters.
std::size_t valid_length(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = character_length(text, at);
    if (length == 0) break;
    at += length;
  }
  return at;
}

std::string hex_of(const char* format, unsigned number) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

bool is_control(unsigned code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

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
  throw ArgumentError(op, "the text is not valid UTF-8 at " + str(Fault{at, byte_at(text, at)}));
}

unsigned code_point(std::string_view character) {
  static constexpr std::array<unsigned, 5> lead_mask = {0, 0x7F, 0x1F, 0x0F, 0x07};
  unsigned code = byte_at(character, 0) & lead_mask[character.size()];
  for (std::size_t i = 1; i < character.size(); ++i)
    code = (code << 6) | (byte_at(character, i) & 0x3Fu);
  return code;
}

std::string str(const Fault& fault) {
  return "byte " + std::to_string(fault.position) + " (" + hex_of("0x%02X", fault.byte) + ")";
}

std::optional<Fault> check_part(data::detail::Utf8State& state, std::string_view part) {
  while (!state.cut.empty() && !part.empty()) {
    state.cut += part.front();
    part.remove_prefix(1);
    if (character_length(state.cut, 0) > 0) {
      state.bytes += state.cut.size();
      state.cut.clear();
    } else if (!is_cut_character(state.cut)) {
      return check_end(state);
    }
  }
  const std::size_t valid = valid_length(part);
  state.bytes += valid;
  const std::string_view rest = part.substr(valid);
  if (rest.empty()) return {};
  if (!is_cut_character(rest)) return Fault{state.bytes, byte_at(rest, 0)};
  state.cut = rest;
  return {};
}

std::optional<Fault> check_end(const data::detail::Utf8State& state) {
  if (state.cut.empty()) return {};
  return Fault{state.bytes, byte_at(state.cut, 0)};
}

std::size_t count(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return !is_continuation(static_cast<unsigned char>(c));
  }));
}

std::string quote(std::string_view symbol) {
  std::string quoted = "'" + std::string(symbol) + "'";
  std::string codes;
  bool has_control = false;
  for (std::size_t at = 0, length = 0; at < symbol.size(); at += length) {
    length = character_length(symbol, at);
    if (length == 0) return quoted;
    const unsigned code = code_point(symbol.substr(at, length));
    has_control = has_control || is_control(code);
    codes += (at > 0 ? " " : "") + hex_of("U+%04X", code);
  }
  if (has_control) return codes;
  const bool is_one = codes.find(' ') == std::string::npos;
  const bool is_ascii = is_one && symbol.size() < 2;
  return is_one && !is_ascii ? quoted + " (" + codes + ")" : quoted;
}

}  // namespace tapestry::data::utf8
