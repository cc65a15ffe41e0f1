// SPDX-License-Identifier: MIT
#include "tapestry/study/paths.hpp"

#include <algorithm>
#include <limits>
#include <ostream>
#include <utility>

#include "path_set.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {

using detail::PathSet;

template <class T>
Paths<T>::Iterator::Iterator(std::shared_ptr<const PathSet<T>> set) : set_(std::move(set)) {
  done_ = set_->view.sources().empty();
  if (!done_ && set_->options.cap == 0)
    throw ArgumentError("paths", "PathOptions::cap is 0: no path can be listed");
  if (!done_) descend();
}

/// Goes on to the sink by the first way out of each node.
template <class T>
void Paths<T>::Iterator::descend() {
  const detail::View<T>& view = set_->view;
  std::uint32_t place = edges_.empty() ? view.sources()[source_] : view.edges()[edges_.back()].to;
  while (place != view.sink()) {
    turns_.push_back(0);
    edges_.push_back(view.out(place)[0]);
    place = view.edges()[edges_.back()].to;
  }
  ++listed_;
}

template <class T>
auto Paths<T>::Iterator::operator++() -> Iterator& {
  const detail::View<T>& view = set_->view;
  while (!edges_.empty()) {
    const auto ways = view.out(view.edges()[edges_.back()].from);
    const std::size_t turn = turns_.back() + 1;
    edges_.pop_back();
    turns_.pop_back();
    if (turn == ways.size()) continue;
    turns_.push_back(turn);
    edges_.push_back(ways[turn]);
    break;
  }
  if (edges_.empty() && ++source_ == view.sources().size()) {
    done_ = true;
    return *this;
  }
  done_ = listed_ == set_->options.cap;
  if (done_)
    throw ArgumentError("paths", "stopped after " + std::to_string(listed_) + " of " +
                                     set_->count().brief() +
                                     " paths: raise PathOptions::cap, or ask for the strongest");
  descend();
  return *this;
}

template <class T>
Path<T> Paths<T>::Iterator::operator*() const {
  return Path<T>(set_, set_->view.sources()[source_], edges_);
}

template <class T>
const PathCount& Paths<T>::count() const {
  return set_->count();
}

template <class T>
PathCount Paths<T>::primitive_count() const {
  detail::Arrows arrows;
  const detail::Record<T>& record = set_->record();
  arrows.size = record.size();
  arrows.sink = record.sink();
  arrows.sources.assign(record.sources().begin(), record.sources().end());
  for (std::size_t e = 0; e < record.edges().size(); ++e)
    if (set_->view.kept()[e]) arrows.ends.push_back({record.edges()[e].from, record.edges()[e].to});
  return set_->view.sources().empty() ? PathCount() : detail::count_paths(arrows);
}

template <class T>
std::vector<PathCount> Paths<T>::counts_by_length() const {
  const detail::Arrows arrows = set_->arrows();
  const double work = static_cast<double>(arrows.ends.size()) *
                      static_cast<double>(detail::path_lengths(arrows).longest + 1);
  if (work > 1e8)
    throw ArgumentError("counts_by_length",
                        std::to_string(arrows.ends.size()) + " arrows and paths of up to " +
                            std::to_string(detail::path_lengths(arrows).longest) +
                            " would take more than 10^8 additions; show fewer values, by "
                            "PathOptions::names");
  return detail::count_by_length(arrows);
}

namespace {

/// The path that takes, at each node, the first way that leads to the sink in `lengths[node]`.
template <class T>
Path<T> path_of_length(const std::shared_ptr<const PathSet<T>>& set,
                       const std::vector<std::size_t>& lengths, std::size_t length) {
  const detail::View<T>& view = set->view;
  const auto start =
      *std::ranges::find(view.sources(), length, [&](std::uint32_t node) { return lengths[node]; });
  std::vector<std::uint32_t> edges;
  for (std::uint32_t place = start; place != view.sink();) {
    const auto way = std::ranges::find(view.out(place), lengths[place] - 1, [&](std::uint32_t e) {
      return lengths[view.edges()[e].to];
    });
    edges.push_back(*way);
    place = view.edges()[*way].to;
  }
  return Path<T>(set, start, std::move(edges));
}

template <class T>
void check_any(const PathSet<T>& set, const char* op) {
  if (!set.view.sources().empty()) return;
  throw ArgumentError(op, "there is no path from '" + set.record().from_label() + "' to '" +
                              set.record().to_label() + "'");
}

}  // namespace

template <class T>
Path<T> Paths<T>::shortest() const {
  check_any(*set_, "shortest");
  const detail::PathLengths lengths = detail::path_lengths(set_->arrows());
  return path_of_length(set_, lengths.to_sink_shortest, lengths.shortest);
}

template <class T>
Path<T> Paths<T>::longest() const {
  check_any(*set_, "longest");
  const detail::PathLengths lengths = detail::path_lengths(set_->arrows());
  return path_of_length(set_, lengths.to_sink_longest, lengths.longest);
}

template <class T>
PathList<T> Paths<T>::first(std::size_t n) const {
  std::vector<Path<T>> list;
  const std::size_t most = std::min(n, set_->options.cap);
  if (most > 0)
    for (Iterator it = begin(); it != end(); ++it) {
      list.push_back(*it);
      if (list.size() == most) break;
    }
  const bool capped = list.size() < n && PathCount(list.size()) < count();
  return PathList<T>(set_, std::move(list),
                     capped ? "PathOptions::cap is " + std::to_string(most) : "");
}

template <class T>
PathList<T> Paths<T>::strongest_signed(std::size_t k, int sign) const {
  if (k == 0) throw ArgumentError("strongest", "k must be at least 1, not 0");
  static_cast<void>(set_->checked_seed("strongest"));
  if (set_->view.is_scalar())
    return PathList<T>(set_, detail::strongest_scalar_paths(set_, k, sign), "");
  if (sign != 0)
    throw ShapeError("strongest", "values between '" + set_->record().from_label() + "' and '" +
                                      set_->record().to_label() +
                                      "' are arrays: their contributions have no sign; "
                                      "strongest(k) goes by their norms");
  std::string stopped;
  std::vector<Path<T>> list = detail::strongest_array_paths(set_, k, stopped);
  return PathList<T>(set_, std::move(list), std::move(stopped));
}

template <class T>
PathList<T> Paths<T>::strongest(std::size_t k) const {
  return strongest_signed(k, 0);
}

template <class T>
PathList<T> Paths<T>::strongest_positive(std::size_t k) const {
  return strongest_signed(k, 1);
}

template <class T>
PathList<T> Paths<T>::strongest_negative(std::size_t k) const {
  return strongest_signed(k, -1);
}

template <class T>
Paths<T> Paths<T>::restricted(const Variable<T>& v, bool through) const {
  const detail::Record<T>& record = set_->record();
  record.check("paths");
  const std::uint32_t node = record.find("paths", v);
  std::vector<bool> kept = set_->view.kept();
  std::vector<std::uint32_t> seen = set_->view.seen();
  if (node == detail::none) {
    if (through) kept.assign(kept.size(), false);
  } else {
    seen.push_back(node);
    const std::vector<bool> before = record.before(std::span(&node, 1), kept);
    const std::vector<bool> after = record.after(std::span(&node, 1), kept);
    const auto edges = record.edges();
    for (std::size_t e = 0; e < edges.size(); ++e)
      if (through ? !before[edges[e].to] && !after[edges[e].from]
                  : edges[e].from == node || edges[e].to == node)
        kept[e] = false;
  }
  detail::View<T> view(set_->view.shared_record(), std::move(kept), set_->view.options(),
                       std::move(seen));
  return Paths(std::make_shared<PathSet<T>>(std::move(view), set_->options, set_->seed));
}

template <class T>
Paths<T> Paths<T>::through(const Variable<T>& v) const {
  return restricted(v, true);
}

template <class T>
Paths<T> Paths<T>::avoiding(const Variable<T>& v) const {
  return restricted(v, false);
}

template <class T>
Paths<T> Paths<T>::seeded(const Array<T>& seed) const {
  return Paths(std::make_shared<PathSet<T>>(
      set_->view, set_->options,
      detail::to_numbers("paths", "the seed", seed, set_->record().to_shape())));
}

template <class T>
Array<T> Paths<T>::total() const {
  return detail::to_array(set_->total(), set_->record().from_shape());
}

template <class T>
std::string Paths<T>::str() const {
  const bool one = count() == 1;
  return count().brief() + (one ? " path" : " paths") + " from " + set_->record().from_label() +
         " to " + set_->record().to_label();
}

namespace {

/// A name that nothing has would hide everything.
template <class T>
void check_names(const detail::Record<T>& record, const std::vector<std::string>& names) {
  if (names.empty() || record.sink() == detail::none) return;
  for (std::uint32_t node = 0; node < record.size(); ++node)
    if (std::ranges::find(names, record.at(node).name) != names.end()) return;
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "'" : ", '") + name + "'";
  throw ArgumentError("paths", "no value between '" + record.from_label() + "' and '" +
                                   record.to_label() + "' is named " + list);
}

}  // namespace

template <class T>
Paths<T> paths(const Source<std::type_identity_t<T>>& from, const Variable<T>& to,
               const PathOptions& options) {
  auto record = std::make_shared<const detail::Record<T>>("paths", from, to);
  check_names(*record, options.names);
  detail::View<T> view(record, record->everything(), {options.primitives, options.names}, {});
  detail::Numbers<T> seed;
  if (record->to_shape().size() == 1) seed = {T{1}};
  return Paths<T>(std::make_shared<PathSet<T>>(std::move(view), options, std::move(seed)));
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Paths<T>& paths) {
  return out << paths.str();
}

TAPESTRY_INSTANTIATE_TYPES(class Paths)
TAPESTRY_INSTANTIATE(paths)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const Paths<T>&)), operator<<)

}  // namespace tapestry
