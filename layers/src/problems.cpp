// SPDX-License-Identifier: MIT
#include "problems.hpp"

#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/utf8.hpp"

namespace tapestry::detail {
namespace {

constexpr std::size_t max_problems = 1000;

}  // namespace

void Problems::add(std::string text) {
  if (++count_ <= max_problems) texts_.push_back(std::move(text));
}

void Problems::raise_if_any(const char* op, const std::string& path) const {
  if (empty()) return;
  std::string message = path + ": " + std::to_string(count_);
  message += count_ == 1 ? " problem: " : " problems: ";
  for (std::size_t i = 0; i < texts_.size(); ++i) message.append(i > 0 ? "; " : "") += texts_[i];
  if (count_ > texts_.size())
    message += "; and " + std::to_string(count_ - texts_.size()) + " more";
  throw FileError(op, message);
}

std::string in_quotes(std::string_view name) {
  constexpr std::size_t longest = 200;
  std::string text(utf8::start_of(name, longest));
  if (name.size() > longest) text += "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return "'" + text + "'";
}

void check_utf8(const char* op, const std::string& text) {
  if (utf8::valid_length(text) < text.size())
    throw ArgumentError(op, "the text " + in_quotes(text) + " is not UTF-8");
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text.append(i > 0 ? ", " : "") += std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace tapestry::detail
