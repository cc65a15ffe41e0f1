// SPDX-License-Identifier: MIT
#include "utf8.hpp"

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::data::utf8 {
namespace {

unsigned byte_of(std::string_view text, std::size_t at = 0) {
  return static_cast<unsigned char>(text[at]);
}

std::string code_text(unsigned code) { return "U+" + hex_text(code, 4); }

}  // namespace

std::size_t checked_length(const char* op, std::string_view text, std::size_t at) {
  const std::size_t length = character_length(text, at);
  if (length > 0) return length;
  throw ArgumentError(op, "the text is not valid UTF-8 at " + str(Fault{at, byte_of(text, at)}));
}

std::string str(const Fault& fault) {
  return "byte " + std::to_string(fault.position) + " (0x" + hex_text(fault.byte, 2) + ")";
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
  if (!is_cut_character(rest)) return Fault{state.bytes, byte_of(rest)};
  state.cut = rest;
  return {};
}

std::optional<Fault> check_end(const data::detail::Utf8State& state) {
  if (state.cut.empty()) return {};
  return Fault{state.bytes, byte_of(state.cut)};
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
    codes += (at > 0 ? " " : "") + code_text(code);
  }
  if (has_control) return codes;
  const bool is_one = codes.find(' ') == std::string::npos;
  const bool is_ascii = is_one && symbol.size() < 2;
  return is_one && !is_ascii ? quoted + " (" + codes + ")" : quoted;
}

}  // namespace tapestry::data::utf8
