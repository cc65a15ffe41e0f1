// SPDX-License-Identifier: MIT
// What paths share.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "counting.hpp"
#include "tapestry/study/paths.hpp"
#include "view.hpp"

namespace tapestry::detail {

template <class T>
struct PathSet {
  PathSet(View<T> paths, PathOptions path_options, Numbers<T> weighting)
      : view(std::move(paths)), options(std::move(path_options)), seed(std::move(weighting)) {}

  View<T> view;
  PathOptions options;
  Numbers<T> seed;  // cotangent of the sink; empty when it is not a scalar and none was given

  [[nodiscard]] const Record<T>& record() const { return view.record(); }

  /// The same, after checking that contributions can be computed.
  [[nodiscard]] const Numbers<T>& checked_seed(std::string_view op) const;

  [[nodiscard]] Arrows arrows() const;
  [[nodiscard]] const PathCount& count() const;

  /// The gradient from all paths there are, and from those of this set.
  [[nodiscard]] const Numbers<T>& gradient() const;
  [[nodiscard]] const Numbers<T>& total() const;

  /// <x, gradient> / <gradient, gradient>.
  [[nodiscard]] double share(const Numbers<T>& x) const;

  /// The partial derivative that belongs to each edge of the view, between scalars.
  [[nodiscard]] const std::vector<double>& weights() const;

  /// The cotangent of the sink taken back along edges of the view, the first one first.
  [[nodiscard]] Numbers<T> transport(std::span<const std::uint32_t> edges) const;

 private:
  mutable std::optional<PathCount> count_;
  mutable std::optional<Numbers<T>> gradient_;
  mutable std::optional<Numbers<T>> total_;
  mutable std::vector<double> weights_;
};

/// Paths of the view by the absolute value of their contribution, the largest first: of any sign
/// (0), or of one (1, -1). Everything must be scalar.
template <class T>
std::vector<Path<T>> strongest_scalar_paths(const std::shared_ptr<const PathSet<T>>& set,
                                            std::size_t k, int sign);

/// The same by the norm of the contribution, between arrays; says in `stopped` why there are fewer.
template <class T>
std::vector<Path<T>> strongest_array_paths(const std::shared_ptr<const PathSet<T>>& set,
                                           std::size_t k, std::string& stopped);

/// The partial derivative along an edge of a view as a matrix, shaped like `to` and then `from`.
template <class T>
Array<T> edge_jacobian(const View<T>& view, std::uint32_t edge);

TAPESTRY_EXTERN_TYPES(struct PathSet)

}  // namespace tapestry::detail
