// SPDX-License-Identifier: MIT
// Gradient paths: the ways on which one value influences another, counted, listed and weighed.
//
// A gradient is the sum over all paths of the product of the partial derivatives along each (Bauer
// 1974, SIAM J. Numer. Anal. 11). The tools read the record of a tape and leave it, and all
// gradients on it, as they are; hooks are not called. Fused ops, such as a recurrent layer over a
// whole sequence, are looked into: paths run along the steps of their definition, which is computed
// again once. What is said here needs the tape until the last contribution is asked for:
// StaleVariable when it was cleared, GradientError when a parameter has changed since or a value
// was given back by backward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/dot_overlay.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/study/path_count.hpp"
#include "tapestry/study/source.hpp"
#include "tapestry/study/study_value.hpp"

namespace tapestry {

struct PathOptions {
  /// Show each value of the tape. By default paths run over values that have names, and what lies
  /// between two of them is folded into one arrow; where nothing has a name, all are shown.
  bool primitives = false;

  /// Show the values with these names only, such as {"h", "c"}. Unless empty.
  std::vector<std::string> names = {};

  /// How many paths are listed at most.
  std::size_t cap = 10'000;

  /// How many steps the search for the strongest paths between arrays may take.
  std::size_t search_limit = 100'000;
};

namespace detail {
template <class T>
struct PathSet;
}  // namespace detail

/// One path. Its arrows go with the computation, from `from` to `to`.
template <class T>
class Path {
 public:
  /// The number of arrows.
  [[nodiscard]] std::size_t length() const { return edges_.size(); }

  /// The values along it, ends included.
  [[nodiscard]] std::vector<StudyValue> values() const;
  [[nodiscard]] std::vector<std::string> labels() const;

  /// "U -> h1 -> o1 -> L".
  [[nodiscard]] std::string str() const;

  /// What the path contributes to the gradient: the cotangent of `to` taken back along it, shaped
  /// like `from`.
  [[nodiscard]] Array<T> contribution() const;

  /// The part of the whole gradient g that this is, <contribution, g> / <g, g>: the shares of all
  /// paths sum to 1. Not a number when the gradient is zero.
  [[nodiscard]] double share() const;

  /// The partial derivatives along the path, the last one first, as in the chain rule: of each
  /// value by the one before it, other values that are shown held constant. Shaped like
  /// `jacobian`'s.
  [[nodiscard]] std::vector<Array<T>> partials() const;

  /// "∂L/∂o1 · ∂o1/∂h1 · ∂h1/∂U = -1.17 · 0.3 · 0.5 = -0.1755". Between arrays, the shapes of the
  /// Jacobian matrices and the norm of the contribution.
  [[nodiscard]] std::string formula() const;

  /// The product of partial derivatives in LaTeX, as course notes write it.
  [[nodiscard]] std::string latex() const;

  /// Marks the path in a drawing: `to_dot(loss, {.overlay = path.overlay()})`.
  [[nodiscard]] DotOverlay overlay() const;

  /// For the engine: edges of the set's view, the first one first.
  Path(std::shared_ptr<const detail::PathSet<T>> set, std::uint32_t start,
       std::vector<std::uint32_t> edges)
      : set_(std::move(set)), start_(start), edges_(std::move(edges)) {}

 private:
  [[nodiscard]] std::vector<std::uint32_t> places() const;  // nodes of the view

  std::shared_ptr<const detail::PathSet<T>> set_;
  std::uint32_t start_;
  std::vector<std::uint32_t> edges_;
};

/// Some paths of a set, and how much of the gradient they are.
template <class T>
class PathList {
 public:
  [[nodiscard]] std::size_t size() const { return paths_.size(); }
  [[nodiscard]] bool empty() const { return paths_.empty(); }
  [[nodiscard]] const Path<T>& operator[](std::size_t i) const { return paths_[i]; }
  [[nodiscard]] auto begin() const { return paths_.begin(); }
  [[nodiscard]] auto end() const { return paths_.end(); }

  /// The paths of the set that are not in the list.
  [[nodiscard]] PathCount left_out() const;

  /// The contributions of the listed paths together, those of all paths of the set, and the
  /// difference.
  [[nodiscard]] Array<T> sum() const;
  [[nodiscard]] Array<T> total() const;
  [[nodiscard]] Array<T> remainder() const;

  /// The part of the whole gradient that the list sums to; see `Path::share`.
  [[nodiscard]] double share() const;

  /// Why the list ends where it does: empty if it holds what was asked for.
  [[nodiscard]] const std::string& stopped() const { return stopped_; }

  /// A line for each path, and one for the coverage.
  [[nodiscard]] std::string str() const;

  /// For the engine.
  PathList(std::shared_ptr<const detail::PathSet<T>> set, std::vector<Path<T>> paths,
           std::string stopped)
      : set_(std::move(set)), paths_(std::move(paths)), stopped_(std::move(stopped)) {}

 private:
  std::shared_ptr<const detail::PathSet<T>> set_;
  std::vector<Path<T>> paths_;
  std::string stopped_;
};

/// All paths from one value to another, none of which is listed before it is asked for.
template <class T>
class Paths {
 public:
  class Iterator {
   public:
    using value_type = Path<T>;
    using difference_type = std::ptrdiff_t;
    [[nodiscard]] Path<T> operator*() const;
    Iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.done_; }

   private:
    friend class Paths;
    explicit Iterator(std::shared_ptr<const detail::PathSet<T>> set);
    void descend();
    std::shared_ptr<const detail::PathSet<T>> set_;
    std::vector<std::size_t> turns_;    // which way out of each node is taken
    std::vector<std::uint32_t> edges_;  // those ways
    std::size_t source_ = 0;
    std::size_t listed_ = 0;
    bool done_ = false;
  };

  /// Exactly how many there are, as they are shown, in one sweep. It depends on how the computation
  /// is written, (1 - z) n + z h or n + z (h - n); gradients do not.
  [[nodiscard]] const PathCount& count() const;
  [[nodiscard]] double log_count() const { return count().log(); }

  /// The number of paths along single ops, as `primitives` shows them.
  [[nodiscard]] PathCount primitive_count() const;

  /// Element n: how many have n arrows. ArgumentError where that takes more than 10^8 additions.
  [[nodiscard]] std::vector<PathCount> counts_by_length() const;

  /// A path with the fewest and one with the most arrows. ArgumentError when there is no path.
  [[nodiscard]] Path<T> shortest() const;
  [[nodiscard]] Path<T> longest() const;

  /// Every path, in the order of the tape, one at a time. At `PathOptions::cap` it stops with
  /// ArgumentError if there are more.
  [[nodiscard]] Iterator begin() const { return Iterator(set_); }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }

  /// The first `n`, or as many as there are.
  [[nodiscard]] PathList<T> first(std::size_t n) const;

  /// The `k` that contribute most, by absolute value or norm, the strongest one first. Paths that
  /// contribute nothing are left out. Between scalars by dynamic programming, exactly; between
  /// arrays by best-first search with bounds, which finds them in their true order, and ends at
  /// `PathOptions::search_limit` with fewer. ArgumentError when `k` is 0, GradientError when a
  /// contribution is not finite.
  [[nodiscard]] PathList<T> strongest(std::size_t k) const;

  /// The `k` largest contributions above zero, and below. Between scalars only: ShapeError.
  [[nodiscard]] PathList<T> strongest_positive(std::size_t k) const;
  [[nodiscard]] PathList<T> strongest_negative(std::size_t k) const;

  /// The paths that pass through a value, and those that do not. `v` is shown from then on. None
  /// and all, when it is not between.
  [[nodiscard]] Paths through(const Variable<T>& v) const;
  [[nodiscard]] Paths avoiding(const Variable<T>& v) const;

  /// The same paths for another weighting of `to`, an array shaped like it: what flows back is the
  /// gradient of sum(seed * to). Needed where `to` is not a scalar. ShapeError.
  [[nodiscard]] Paths seeded(const Array<T>& seed) const;

  /// The contributions of all paths together, by one sweep; of all paths there are: the gradient.
  [[nodiscard]] Array<T> total() const;

  /// The gradient as a sum over paths in LaTeX, a line for each, as far as `PathOptions::cap`.
  [[nodiscard]] std::string latex() const;

  /// "6 paths from U to L".
  [[nodiscard]] std::string str() const;

  /// For the engine.
  explicit Paths(std::shared_ptr<const detail::PathSet<T>> set) : set_(std::move(set)) {}

 private:
  [[nodiscard]] PathList<T> strongest_signed(std::size_t k, int sign) const;
  [[nodiscard]] Paths restricted(const Variable<T>& v, bool through) const;

  std::shared_ptr<const detail::PathSet<T>> set_;
};

/// The gradient paths from `from` to what was computed from it. From a parameter, each of its uses
/// is where some paths begin. Throws StaleVariable; GradientError when one of them needs no
/// gradient, or the parameter is not used before `to`; ArgumentError when no value has one of
/// `PathOptions::names`.
template <class T>
[[nodiscard]] Paths<T> paths(const Source<std::type_identity_t<T>>& from, const Variable<T>& to,
                             const PathOptions& options = {});

template <class T>
std::ostream& operator<<(std::ostream& out, const Path<T>& path);
template <class T>
std::ostream& operator<<(std::ostream& out, const PathList<T>& list);
template <class T>
std::ostream& operator<<(std::ostream& out, const Paths<T>& paths);

TAPESTRY_EXTERN_TYPES(class Path, class PathList, class Paths)

}  // namespace tapestry
