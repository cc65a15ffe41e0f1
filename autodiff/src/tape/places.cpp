// SPDX-License-Identifier: MIT
// Values that are not recorded: they go when no variable refers to them any more, and others take
// their places. Nothing of this happens while ops are recorded.
#include <algorithm>
#include <utility>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// Adds so many copies of `entry`, numbered by `output`. Those that are not recorded take the
/// places of such as nobody refers to any more.
template <class T>
std::uint32_t TapeState<T>::add_entries(const Entry<T>& entry, std::uint32_t count) {
  auto first = static_cast<std::uint32_t>(entries.size());
  const bool passing = are_passing();
  if (!passing && count == 1) {
    entries.push_back(entry);
    return first;
  }
  if (passing) {
    std::uint32_t& vacant = vacant_.try_emplace(count, none).first->second;
    if (vacant != none) {
      first = vacant;
      vacant = entries[first].source;
    }
  }
  if (first == entries.size()) entries.resize(first + count);
  for (std::uint32_t j = 0; j < count; ++j) {
    Entry<T>& place = entries[first + j];
    place = entry;
    place.output = j;
    place.passing = passing;
    place.group = count;
  }
  return first;
}

template <class T>
std::uint32_t TapeState<T>::add_watched(Watched watched) {
  if (!are_passing() || vacant_watched_ == none) {
    watched_.push_back(std::move(watched));
    return static_cast<std::uint32_t>(watched_.size() - 1);
  }
  const std::uint32_t place = vacant_watched_;
  vacant_watched_ = watched_[place].entry;
  watched_[place] = std::move(watched);
  return place;
}

/// Gives back a value to which nobody refers, and then those that were only kept for it.
template <class T>
void TapeState<T>::vacate(std::uint32_t index) noexcept {
  for (;;) {
    const std::uint32_t lender = entries[index].holds ? entries[index].source : none;
    vacate_one(index);
    if (lender == none || --entries[lender].handles > 0 || !entries[lender].passing) return;
    index = lender;
  }
}

template <class T>
void TapeState<T>::vacate_one(std::uint32_t index) noexcept {
  Entry<T>& entry = entries[index];
  release_grad(entry);
  release_data(entry);
  if (entry.hooked) hooks.erase(index);
  if (entry.role == Role::parameter) {
    watched_[entry.source] = {};
    watched_[entry.source].entry = std::exchange(vacant_watched_, entry.source);
    vacant_watched_end_ = std::max(vacant_watched_end_, entry.source + 1);
  }
  const std::uint32_t first = index - entry.output, count = entry.group;
  const std::uint32_t output = entry.output, generation = entry.generation;
  entry = {};
  entry.generation = generation;
  entry.output = output;
  entry.group = count;
  entry.vacant = true;
  if (first < marked_) return;  // must stay free until the tape is rewound or cleared
  for (std::uint32_t j = 0; j < count; ++j)
    if (!entries[first + j].vacant) return;
  const auto list = vacant_.find(count);  // exists since the group was made
  entries[first].source = std::exchange(list->second, first);
  vacant_end_ = std::max(vacant_end_, first + count);
}

template <class T>
void TapeState<T>::drop_unused(std::uint32_t first) {
  const std::uint32_t count = entries[first].group;
  for (std::uint32_t j = 0; j < count; ++j)
    if (entries[first + j].passing && entries[first + j].handles == 0) vacate(first + j);
}

/// Entries from there on are dropped: no list of vacant places must lead to them.
template <class T>
void TapeState<T>::forget_vacant(const Position& from) {
  const auto drop = [](std::uint32_t& list, std::uint32_t end, const auto& next_of) {
    for (std::uint32_t* place = &list; *place != none;)
      if (*place >= end)
        *place = next_of(*place);
      else
        place = &next_of(*place);
  };
  const auto next_entry = [&](std::uint32_t i) -> std::uint32_t& { return entries[i].source; };
  const auto next_watched = [&](std::uint32_t i) -> std::uint32_t& { return watched_[i].entry; };
  for (auto& [count, list] : vacant_) drop(list, from.entries, next_entry);
  drop(vacant_watched_, from.watched, next_watched);
  vacant_end_ = std::min(vacant_end_, from.entries);
  vacant_watched_end_ = std::min(vacant_watched_end_, from.watched);
}

/// What is dropped from `to` on, and what stays, may refer to each other where values took the
/// places of earlier ones: lets go of what stays, and makes stale what could not be read any more.
template <class T>
void TapeState<T>::cut_ties(const Position& to) {
  bool has_borrowers = false;
  for (std::size_t i = to.entries; i < entries.size(); ++i) {
    Entry<T>& entry = entries[i];
    has_borrowers |= entry.lent && entry.passing && entry.handles > 0;
    if (entry.holds && entry.source < to.entries) let_go_of(entry.source);
    if (entry.role == Role::parameter && entry.source < to.watched) watched_[entry.source] = {};
    entry.holds = entry.passing = false;
  }
  const auto make_stale = [&](Entry<T>& entry) {
    entry = {};
    entry.generation = generation + 1;
    entry.vacant = true;
  };
  for (std::size_t k = to.watched; k < watched_.size(); ++k)
    if (watched_[k].parameter.is_set() && watched_[k].entry < to.entries)
      make_stale(entries[watched_[k].entry]);
  for (std::size_t i = 0; has_borrowers && i < to.entries; ++i)
    if (entries[i].holds && entries[i].source >= to.entries) make_stale(entries[i]);
}

template <class T>
Position TapeState<T>::mark() {
  marked_ = static_cast<std::uint32_t>(entries.size());
  for (auto& [count, list] : vacant_) list = none;
  vacant_watched_ = none;
  vacant_end_ = vacant_watched_end_ = 0;
  return position();
}

/// The tape as it was before the entries from `first` on were added, maybe in places from before.
template <class T>
void TapeState<T>::undo_apply(const Position& before, std::uint32_t first) {
  if (first != none && first < before.entries) drop_unused(first);
  truncate(before, false);
}

template <class T>
void TapeState<T>::drop_attachments() {
  for (std::size_t i = attached_; i < attachments_.size(); ++i)
    arena.release(attachments_[i].data, attachments_[i].bytes);
  attachments_.resize(attached_);
}

/// `to` reads memory of entry `from`, which must not be given back before it.
template <class T>
void TapeState<T>::lend(std::uint32_t from, Entry<T>& to) {
  Entry<T>& lender = entries[from];
  const bool owns = lender.role == Role::parameter || lender.source == none;
  to.borrowed = true;
  to.watches = lender.watches;
  to.source = owns ? from : lender.source;
  lender.lent = true;
  to.holds = to.passing && entries[to.source].passing;
  if (to.holds) ++entries[to.source].handles;
}

/// What is recorded refers to the value: it stays, and what it borrows from stays with it.
template <class T>
void TapeState<T>::keep(std::uint32_t index) {
  entries[index].passing = false;
}

TAPESTRY_INSTANTIATE_MEMBERS(TapeState, vacate_one, add_entries, add_watched, vacate, drop_unused,
                             forget_vacant, cut_ties, mark, undo_apply, drop_attachments, lend,
                             keep)

}  // namespace tapestry::detail
