// SPDX-License-Identifier: MIT
// The names that values have and the regions of the model that they are in, by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tapestry {

/// What kind of region a scope marks; drawings group by it.
enum class ScopeKind : std::uint8_t { module, layer, step };

namespace detail {

inline constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

struct ScopeEntry {
  std::uint32_t parent = 0;
  std::uint32_t name = none;
  ScopeKind kind = ScopeKind::module;
  std::int64_t number = -1;  // of a layer or step
};

/// Texts by number, each stored once.
class Names {
 public:
  std::uint32_t intern(std::string_view text);
  [[nodiscard]] const std::string& operator[](std::uint32_t id) const { return *texts_[id]; }

  /// How many there are; numbers are less than `end()`.
  [[nodiscard]] std::size_t size() const { return ids_.size(); }
  [[nodiscard]] std::size_t end() const { return texts_.size(); }

  /// Forgets those whose number is not marked; the numbers of the others stay.
  void keep_only(const std::vector<bool>& used);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> ids_;
  std::vector<const std::string*> texts_;  // null for numbers that are free
  std::vector<std::uint32_t> free_;
};

/// Regions of the model. Like names, they stay known when the tape is cleared, so that the second
/// step allocates nothing for them, unless there are very many.
class Scopes {
 public:
  explicit Scopes(Names& names);
  std::uint32_t open(std::uint32_t parent, std::string_view name, ScopeKind kind,
                     std::int64_t number);
  [[nodiscard]] const ScopeEntry& operator[](std::uint32_t id) const { return entries_[id]; }

  /// How many there are; numbers are less than `end()`.
  [[nodiscard]] std::size_t size() const { return ids_.size(); }
  [[nodiscard]] std::size_t end() const { return entries_.size(); }

  /// Forgets those whose number is not marked; the numbers of the others stay. Marks must include
  /// those of the scopes around.
  void keep_only(const std::vector<bool>& used);

  /// "step 3", "lstm".
  [[nodiscard]] std::string label(std::uint32_t id) const;

  /// The labels from the outermost scope inwards, joined by ", "; of very many the first and the
  /// last.
  [[nodiscard]] std::string path(std::uint32_t id) const;

 private:
  struct Key {
    std::uint32_t parent;
    std::uint32_t name;
    std::int64_t number;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& k) const;
  };
  Names* names_;
  std::vector<ScopeEntry> entries_;
  std::unordered_map<Key, std::uint32_t, Hash> ids_;
  std::vector<std::uint32_t> free_;
};

/// Joins labels, outermost first, by `between`; of very many it shows the first and the last.
std::string join_labels(const std::vector<std::string>& labels, std::string_view between);

}  // namespace detail
}  // namespace tapestry
