// SPDX-License-Identifier: MIT
#include <algorithm>
#include <functional>

#include "tapestry/autodiff/detail/scopes.hpp"

namespace tapestry::detail {

namespace {

/// Lists the free places of `items` anew, after those at its end have been given back.
template <class Item, class IsFree>
void renumber_free(std::vector<Item>& items, std::vector<std::uint32_t>& free,
                   const IsFree& is_free) {
  while (!items.empty() && is_free(items.back())) items.pop_back();
  items.shrink_to_fit();
  free.clear();
  for (std::uint32_t id = 0; id < items.size(); ++id)
    if (is_free(items[id])) free.push_back(id);
  free.shrink_to_fit();
}

}  // namespace

std::uint32_t Names::intern(std::string_view text) {
  if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
  const bool reuses = !free_.empty();
  if (!reuses) texts_.push_back(nullptr);
  const auto id = reuses ? free_.back() : static_cast<std::uint32_t>(texts_.size() - 1);
  texts_[id] = &ids_.emplace(text, id).first->first;  // nodes of the map never move
  if (reuses) free_.pop_back();
  return id;
}

void Names::keep_only(const std::vector<bool>& used) {
  std::erase_if(ids_, [&](const auto& known) { return !used[known.second]; });
  ids_.rehash(0);
  for (std::uint32_t id = 0; id < texts_.size(); ++id)
    if (!used[id]) texts_[id] = nullptr;
  renumber_free(texts_, free_, [](const std::string* text) { return text == nullptr; });
}

Scopes::Scopes(Names& names) : names_(&names) { entries_.push_back({}); }

std::size_t Scopes::Hash::operator()(const Key& k) const {
  const std::uint64_t ids = (std::uint64_t{k.parent} << 32) | k.name;
  return std::hash<std::uint64_t>{}(ids * 0x9E3779B97F4A7C15u +
                                    static_cast<std::uint64_t>(k.number));
}

std::uint32_t Scopes::open(std::uint32_t parent, std::string_view name, ScopeKind kind,
                           std::int64_t number) {
  const Key key{parent, names_->intern(name), number};
  if (const auto found = ids_.find(key); found != ids_.end()) return found->second;
  const bool reuses = !free_.empty();
  if (!reuses) entries_.emplace_back();
  const auto id = reuses ? free_.back() : static_cast<std::uint32_t>(entries_.size() - 1);
  ids_.emplace(key, id);
  entries_[id] = {parent, key.name, kind, number};
  if (reuses) free_.pop_back();
  return id;
}

void Scopes::keep_only(const std::vector<bool>& used) {
  std::erase_if(ids_, [&](const auto& known) { return !used[known.second]; });
  ids_.rehash(0);
  for (std::uint32_t id = 1; id < entries_.size(); ++id)
    if (!used[id]) entries_[id] = {};
  entries_[0].name = 0;  // so that the outermost one, which has no name, does not count as free
  renumber_free(entries_, free_, [](const ScopeEntry& entry) { return entry.name == none; });
  entries_[0].name = none;
}

std::string Scopes::label(std::uint32_t id) const {
  const ScopeEntry& entry = entries_[id];
  if (entry.name == none) return {};
  const std::string& name = (*names_)[entry.name];
  return entry.number < 0 ? name : name + ' ' + std::to_string(entry.number);
}

std::string Scopes::path(std::uint32_t id) const {
  std::vector<std::string> labels;
  for (; id != 0; id = entries_[id].parent) labels.push_back(label(id));
  std::ranges::reverse(labels);
  return join_labels(labels, ", ");
}

std::string join_labels(const std::vector<std::string>& labels, std::string_view between) {
  constexpr std::size_t first = 8, last = 24;
  std::string text;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) text += between;
    if (labels.size() > first + last && i == first) {
      i = labels.size() - last;
      text += "… " + std::to_string(i - first) + " more …";
      text += between;
    }
    text += labels[i];
  }
  return text;
}

}  // namespace tapestry::detail
