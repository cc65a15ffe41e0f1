// SPDX-License-Identifier: MIT
// How much of a gradient runs through each value and each arrow, by two sweeps, whatever the number
// of paths.
//
// Let x move along a direction d, and each value v with it, by v' = (dv/dx) d. The flow through the
// arrow from u to v is <dy/dv, D u'>, with D the partial derivative: what all paths through the
// arrow contribute to <dy/dx, d> together. What flows into a value flows out of it again, and every
// cut between x and y carries the same total.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/dot_overlay.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/study/source.hpp"
#include "tapestry/study/study_value.hpp"

namespace tapestry {

template <class T>
struct FlowOptions {
  /// Along which `from` moves, shaped like it. By default 1 for a scalar; for an array its gradient
  /// divided by the norm, so that the total is the norm.
  std::optional<Array<T>> direction = {};

  /// How the elements of `to` are weighted, shaped like it; needed unless it is a scalar.
  std::optional<Array<T>> seed = {};
};

/// A flow that has been computed; it needs the tape no more.
template <class T>
class GradientFlow {
 public:
  /// An input of an op, and what flows along it.
  struct Arrow {
    StudyValue from;
    StudyValue to;
    std::uint32_t slot = 0;
    double flow = 0;
  };

  /// <dy/dx, d>: what leaves the source, and arrives at the sink.
  [[nodiscard]] double total() const;

  /// What flows through a value: in, which is out. 0 when it is not between.
  [[nodiscard]] double of(const Variable<T>& v) const;

  /// All arrows, in the order of the tape.
  [[nodiscard]] std::vector<Arrow> arrows() const;

  /// What crosses the cut between the values up to number `id` of the tape (with the source, where
  /// it comes later) and those after it: always the total, up to rounding.
  [[nodiscard]] double cut(std::uint32_t id) const;

  /// What flows from time steps up to `step` into later ones.
  [[nodiscard]] double across_step(std::int64_t step) const;

  /// The largest difference between what flows into a value between and out of it, relative to the
  /// largest flow; NaN when a flow is not finite.
  [[nodiscard]] double imbalance() const;

  /// For a drawing: width for the amount, green above zero and red below.
  [[nodiscard]] DotOverlay overlay() const;

  /// A line for each value that has a name: flow and share of the total.
  [[nodiscard]] std::string str() const;

  /// For the engine.
  struct Data;
  explicit GradientFlow(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

 private:
  std::shared_ptr<const Data> data_;
};

/// The flow of the gradient of `to` with respect to `from`; all uses of a parameter move alike.
/// Throws StaleVariable; GradientError when one of them needs no gradient, or `to` is no scalar and
/// there is no seed; ShapeError.
template <class T>
[[nodiscard]] GradientFlow<T> gradient_flow(
    const Source<std::type_identity_t<T>>& from, const Variable<T>& to,
    const FlowOptions<std::type_identity_t<T>>& options = {});

template <class T>
std::ostream& operator<<(std::ostream& out, const GradientFlow<T>& flow);

TAPESTRY_EXTERN_TYPES(class GradientFlow)

}  // namespace tapestry
