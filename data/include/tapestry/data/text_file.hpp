// SPDX-License-Identifier: MIT
// Text files as tokens, in bounded memory whatever their size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapestry/data/token_source.hpp"
#include "tapestry/data/vocabulary.hpp"

namespace tapestry::data {

namespace detail {
class TextInput;
}

/// A number that tells texts apart, to find out whether a text is the one that a model was trained
/// on: the FNV-1a hash (Fowler, Noll and Vo) of its bytes followed by their number, as 8 bytes with
/// the lowest first. It is not meant against forgery.
[[nodiscard]] std::uint64_t fingerprint(std::string_view text);

/// The vocabulary of the characters or words of a file, read in parts.
///
/// Throws FileError with the path when the file cannot be opened or read, is not a regular file, is
/// empty, changes while it is read, is not text (it has a zero byte) or not UTF-8; the last two
/// name the byte. A byte order mark at its start is not a character of it. Throws ArgumentError for
/// options that make no sense.
[[nodiscard]] Vocabulary vocabulary_of_file(const std::string& path, Unit unit,
                                            const VocabularyOptions& options = {});

/// The tokens of a text file, read from it as needed.
///
/// When it is made it goes through the file once: it checks it, counts the tokens and notes where
/// some of them start, in at most 4 MB. The file stays open; replacing it by another of its name
/// does no harm. Several threads may read at the same time.
class TextTokens final : public TokenSource {
 public:
  /// Throws what `vocabulary_of_file` does, and IndexError for what is not in the vocabulary, with
  /// its byte, unless that has a token for it.
  TextTokens(const std::string& path, Vocabulary vocabulary);
  TextTokens(const TextTokens&) = delete;
  TextTokens(TextTokens&&) noexcept;
  TextTokens& operator=(const TextTokens&) = delete;
  TextTokens& operator=(TextTokens&&) noexcept;
  ~TextTokens() override;

  [[nodiscard]] std::size_t size() const override { return size_; }

  /// Throws IndexError outside the tokens, FileError when the file has been written to since.
  void read(std::size_t first, std::span<std::int64_t> into) const override;

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Size of the file in bytes.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// That of the whole file's text.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  void index();
  void note(std::uint64_t start);
  [[noreturn]] void throw_unknown(std::string_view text, std::size_t length,
                                  std::uint64_t start) const;

  Vocabulary vocabulary_;
  std::unique_ptr<const detail::TextInput> file_;
  std::size_t size_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t fingerprint_ = 0;
  std::size_t stride_ = 16;            // every so many tokens, one has its place noted
  std::vector<std::uint64_t> starts_;  // the byte where it starts
};

}  // namespace tapestry::data
