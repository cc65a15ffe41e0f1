// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "pieces.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/data/vocabulary.hpp"
#include "utf8.hpp"

namespace tapestry::data {
namespace {

constexpr const char* op = "Vocabulary";
constexpr std::size_t ascii = 128;
constexpr std::size_t slice_size = 1 << 16;

using Count = std::pair<std::string_view, std::uint64_t>;

void raise_if(const std::optional<utf8::Fault>& fault) {
  if (fault) throw ArgumentError(op, "the text is not valid UTF-8 at " + utf8::str(*fault));
}

const char* name_of(Unit unit) { return unit == Unit::word ? "word" : "character"; }

std::string_view ascii_character(std::size_t code) {
  static const auto all = [] {
    std::array<char, ascii> characters{};
    for (std::size_t i = 0; i < ascii; ++i) characters[i] = static_cast<char>(i);
    return characters;
  }();
  return {&all[code], 1};
}

/// Symbols besides those of the text.
std::size_t extra_count(const VocabularyOptions& options) {
  return options.special.size() + (options.unknown.empty() ? 0 : 1);
}

void check_options(const VocabularyOptions& options) {
  if (options.min_count == 0) throw ArgumentError(op, "min_count must be at least 1, got 0");
  if (options.max_size > 0 && options.max_size <= extra_count(options))
    throw ArgumentError(op, "max_size " + std::to_string(options.max_size) +
                                " leaves no room beside the " +
                                std::to_string(extra_count(options)) + " special symbols");
}

/// The symbols of the text that the options leave.
std::vector<Count> chosen(std::vector<Count> counts, Unit unit, const VocabularyOptions& options) {
  for (const std::string& special : options.special)
    for (const auto& [symbol, times] : counts)
      if (symbol == special)
        throw ArgumentError(op, "the special symbol " + utf8::quote(special) + " is a " +
                                    name_of(unit) + " of the text");
  std::erase_if(counts, [&](const Count& count) {
    return count.second < options.min_count || count.first == options.unknown;
  });
  std::sort(counts.begin(), counts.end(), [](const Count& a, const Count& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (options.max_size > 0)
    counts.resize(std::min(counts.size(), options.max_size - extra_count(options)));
  if (unit == Unit::character) std::sort(counts.begin(), counts.end());  // by code point
  return counts;
}

}  // namespace

VocabularyBuilder::VocabularyBuilder(Unit unit) : unit_(unit), ascii_counts_(ascii) {}

void VocabularyBuilder::count(std::string_view symbol) {
  const auto first = static_cast<unsigned char>(symbol[0]);
  if (symbol.size() == 1 && first < ascii) {
    ++ascii_counts_[first];
    return;
  }
  const auto found = counts_.find(symbol);
  if (found != counts_.end())
    ++found->second;
  else
    counts_.emplace(symbol, 1);
}

void VocabularyBuilder::add(std::string_view piece) {
  detail::Utf8State checked = checked_;
  raise_if(utf8::check_part(checked, piece));
  checked_ = std::move(checked);
  const std::size_t lookahead = detail::piece_lookahead(unit_);
  while (!piece.empty()) {
    const std::string_view slice = piece.substr(0, slice_size);
    rest_ += slice;
    piece.remove_prefix(slice.size());
    std::size_t at = 0;
    if (!begun_ && rest_.size() >= utf8::byte_order_mark.size()) {
      if (rest_.starts_with(utf8::byte_order_mark)) at = utf8::byte_order_mark.size();
      begun_ = true;
    }
    while (at + lookahead <= rest_.size()) {
      const std::string_view text = std::string_view(rest_).substr(at);
      const std::size_t length = detail::piece_length(text, unit_);
      count(text.substr(0, length));
      at += length;
    }
    rest_.erase(0, at);
  }
}

std::vector<VocabularyBuilder::Count> VocabularyBuilder::counts() const {
  std::unordered_map<std::string_view, std::uint64_t> last;  // of what is left of the text
  const std::string_view rest = rest_;
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t length = detail::piece_length(rest.substr(at), unit_);
    ++last[rest.substr(at, length)];
    at += length;
  }
  std::vector<Count> all;
  const auto take = [&](std::string_view symbol, std::uint64_t times) {
    const auto found = last.find(symbol);
    if (found != last.end()) {
      times += found->second;
      last.erase(found);
    }
    if (times > 0) all.emplace_back(symbol, times);
  };
  all.reserve(counts_.size() + ascii);
  for (std::size_t i = 0; i < ascii; ++i) take(ascii_character(i), ascii_counts_[i]);
  for (const auto& [symbol, times] : counts_) take(symbol, times);
  all.insert(all.end(), last.begin(), last.end());
  return all;
}

Vocabulary VocabularyBuilder::build(const VocabularyOptions& options) const {
  check_options(options);
  raise_if(utf8::check_end(checked_));
  std::vector<Count> found = counts();
  if (found.empty()) throw ArgumentError(op, "the text is empty");
  found = chosen(std::move(found), unit_, options);
  std::vector<std::string> symbols = options.special;
  std::optional<std::int64_t> unknown;
  if (!options.unknown.empty()) {
    unknown = static_cast<std::int64_t>(symbols.size());
    symbols.push_back(options.unknown);
  }
  for (const Count& count : found) symbols.emplace_back(count.first);
  if (symbols.empty())
    throw ArgumentError(op, std::string("no ") + name_of(unit_) + " is there " +
                                std::to_string(options.min_count) + " times");
  const auto matching = unit_ == Unit::word ? Vocabulary::Matching::word  //
                                            : Vocabulary::Matching::character;
  return {matching, std::move(symbols), options.special.size(), unknown};
}

}  // namespace tapestry::data
