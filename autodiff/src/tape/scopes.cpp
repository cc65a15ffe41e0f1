// SPDX-License-Identifier: MIT
#include <functional>

#include "tapestry/autodiff/detail/state.hpp"

namespace tapestry::detail {

std::uint32_t Names::intern(std::string_view text) {
  if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
  const auto id = static_cast<std::uint32_t>(texts_.size());
  texts_.reserve(texts_.size() + 1);
  texts_.push_back(&ids_.emplace(text, id).first->first);  // nodes of the map never move
  return id;
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
  const auto [found, added] = ids_.try_emplace(key, static_cast<std::uint32_t>(entries_.size()));
  if (added) entries_.push_back({parent, key.name, kind, number});
  return found->second;
}

std::string Scopes::label(std::uint32_t id) const {
  const ScopeEntry& entry = entries_[id];
  if (entry.name == none) return {};
  const std::string& name = (*names_)[entry.name];
  return entry.number < 0 ? name : name + ' ' + std::to_string(entry.number);
}

std::string Scopes::path(std::uint32_t id) const {
  std::string text;
  for (; id != 0; id = entries_[id].parent)
    text = text.empty() ? label(id) : label(id) + ", " + text;
  return text;
}

}  // namespace tapestry::detail
