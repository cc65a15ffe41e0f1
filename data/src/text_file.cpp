// SPDX-License-Identifier: MIT
#include "tapestry/data/text_file.hpp"

#include <algorithm>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "text_input.hpp"
#include "utf8.hpp"

namespace tapestry::data {
namespace {

constexpr const char* op = "TextTokens";
constexpr std::size_t max_starts = 1 << 19;
constexpr std::size_t smallest_window = 1 << 9, largest_window = 1 << 16;

}  // namespace

std::uint64_t fingerprint(std::string_view text) {
  detail::Fnv hash;
  hash.add(text);
  return hash.with_size(text.size());
}

Vocabulary vocabulary_of_file(const std::string& path, Unit unit,
                              const VocabularyOptions& options) {
  const detail::TextInput file("vocabulary_of_file", path);
  VocabularyBuilder builder(unit);
  (void)file.for_each_part([&](std::string_view part) { builder.add(part); });
  return builder.build(options);
}

TextTokens::TextTokens(const std::string& path, Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      file_(std::make_unique<const detail::TextInput>(op, path)),
      bytes_(file_->size()) {
  index();
}

TextTokens::TextTokens(TextTokens&&) noexcept = default;
TextTokens& TextTokens::operator=(TextTokens&&) noexcept = default;
TextTokens::~TextTokens() = default;

void TextTokens::index() {
  std::string rest;         // what may go on in the next part
  std::uint64_t start = 0;  // of the rest, in the file
  const auto take = [&](std::size_t lookahead) {
    std::size_t at = start == 0 ? vocabulary_.mark_length(rest) : 0;
    while (at < rest.size() && at + lookahead <= rest.size()) {
      const std::string_view text = std::string_view(rest).substr(at);
      const auto [token, length] = vocabulary_.first_of(text);
      if (token < 0) throw_unknown(text, length, start + at);
      note(start + at);
      at += length;
    }
    rest.erase(0, at);
    start += at;
  };
  fingerprint_ = file_->for_each_part([&](std::string_view part) {
    rest += part;
    take(vocabulary_.lookahead());
  });
  take(0);
}

void TextTokens::throw_unknown(std::string_view text, std::size_t length,
                               std::uint64_t start) const {
  if (length == 0) length = utf8::character_length(text, 0);
  throw IndexError(op, file_->path() + ": no symbol for " + utf8::quote(text.substr(0, length)) +
                           " at byte " + std::to_string(start));
}

void TextTokens::note(std::uint64_t start) {
  if (size_++ % stride_ != 0) return;
  if (starts_.size() == max_starts) {  // every other one will do
    for (std::size_t i = 0; 2 * i < starts_.size(); ++i) starts_[i] = starts_[2 * i];
    starts_.resize(starts_.size() / 2);
    stride_ *= 2;
  }
  starts_.push_back(start);
}

void TextTokens::read(std::size_t first, std::span<std::int64_t> into) const {
  check_range(first, into.size());
  if (into.empty()) return;
  file_->check_unchanged();
  std::size_t skipped = first % stride_;
  std::uint64_t offset = starts_[first / stride_];  // of the byte after the window
  const double each = static_cast<double>(bytes_) / static_cast<double>(size_);
  const auto about = static_cast<std::size_t>(1.25 * each * (skipped + into.size()));
  std::vector<char> window(std::clamp(about, smallest_window, largest_window) +
                           vocabulary_.lookahead());
  std::size_t at = 0, end = 0;  // what is left in it
  for (std::size_t done = 0; done < into.size();) {
    if (at + vocabulary_.lookahead() > end && offset < bytes_) {
      std::copy(window.begin() + at, window.begin() + end, window.begin());
      end -= at;
      at = 0;
      const std::size_t count = file_->read(offset, std::span(window).subspan(end));
      end += count;
      offset += count;
    }
    const auto [token, length] =
        at < end ? vocabulary_.first_of({window.data() + at, end - at}) : Vocabulary::Match{};
    if (token < 0) file_->fail("it was written to after it was opened");
    at += length;
    if (skipped > 0)
      --skipped;
    else
      into[done++] = token;
  }
}

}  // namespace tapestry::data
