// SPDX-License-Identifier: MIT
// Reads text files of any size as tokens, in bounded memory.
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

/// A number that tells texts apart: with it a program finds out whether a text is the one on which
/// a model was trained. It is the FNV-1a hash (Fowler, Noll and Vo) of the text's bytes followed by
/// their number, as 8 bytes with the lowest first. It does not protect against forgery.
[[nodiscard]] std::uint64_t fingerprint(std::string_view text);

/// The vocabulary of the characters or words of a file, read in parts.
///
/// Throws a FileError with the path when the file cannot be opened or read, is not a regular file,
/// is empty, changes while it is read, is not text (it has a zero byte) or is not UTF-8; in the
/// last two cases the error names the byte. A byte order mark at the start of the file is not one
/// of its characters. Throws ArgumentError for options that make no sense.
[[nodiscard]] Vocabulary vocabulary_of_file(const std::string& path, Unit unit,
                                            const VocabularyOptions& options = {});

/// The tokens of a text file, which are read when they are needed.
///
/// The constructor goes through the file once: it checks the text, counts the tokens and notes
/// where some of them start, in at most 4 MB of memory. The file stays open, so it does no harm
/// when another file takes its name. Several threads may read at the same time.
class TextTokens final : public TokenSource {
 public:
  /// Throws what `vocabulary_of_file` throws. A character or word that is not in the vocabulary is
  /// an IndexError that names the byte, unless the vocabulary has a token for unknown symbols.
  TextTokens(const std::string& path, Vocabulary vocabulary);
  TextTokens(const TextTokens&) = delete;
  TextTokens(TextTokens&&) noexcept;
  TextTokens& operator=(const TextTokens&) = delete;
  TextTokens& operator=(TextTokens&&) noexcept;
  ~TextTokens() override;

  [[nodiscard]] std::size_t size() const override { return size_; }

  /// Throws IndexError for tokens that do not exist, and FileError when the file was changed after
  /// the constructor read it.
  void read(std::size_t first, std::span<std::int64_t> into) const override;

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

  /// The size of the file in bytes.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// The fingerprint of the whole text.
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
