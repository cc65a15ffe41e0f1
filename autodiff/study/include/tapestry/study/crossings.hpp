// SPDX-License-Identifier: MIT
// A gradient split by how often its paths run along marked arrows.
//
// With a factor z on each marked arrow the gradient becomes a polynomial in z, whose coefficient m
// is what the paths with m marked arrows contribute; at z = 1 it is the gradient. Mark the arrows
// that leave h in an LSTM and term 0 is what comes along the cells alone, the product of the forget
// gates; at z < 1 it is what h-detach expects of its gradient (Arpit et al. 2019, arXiv
// 1810.03023). Mark the arrows into the next time step and the terms are those by path length.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/study/source.hpp"
#include "tapestry/study/study_value.hpp"

namespace tapestry {

/// Says which arrows, from an input of an op to a result, are marked.
using ArrowMark = std::function<bool(const StudyValue& from, const StudyValue& to)>;

/// Arrows that leave values with this name.
[[nodiscard]] ArrowMark leaving(std::string name);

/// Arrows that lead from one time step into another; with a name, those that leave values with it.
[[nodiscard]] ArrowMark into_other_steps(std::string name = {});

struct CrossingOptions {
  /// Terms 0 to `most` are told apart; those beyond it make up the rest. Each costs a backward.
  std::size_t most = 8;
};

template <class T>
class CrossingSpectrum {
 public:
  /// How many terms are told apart.
  [[nodiscard]] std::size_t size() const;

  /// What the paths with `m` marked arrows contribute, shaped like `from`. IndexError.
  [[nodiscard]] const Array<T>& operator[](std::size_t m) const;

  /// What the paths with more contribute.
  [[nodiscard]] const Array<T>& rest() const;

  /// All of it: the gradient.
  [[nodiscard]] const Array<T>& gradient() const;

  /// The signed part of the gradient that term `m` is: shares and that of the rest sum to 1.
  /// IndexError.
  [[nodiscard]] double share(std::size_t m) const;
  [[nodiscard]] double rest_share() const;

  /// The polynomial at `z`, all terms included, by one more sweep over the tape. Throws
  /// StaleVariable, GradientError.
  [[nodiscard]] Array<T> at(double z) const;

  /// A line for each term: its norm and share.
  [[nodiscard]] std::string str() const;

  /// For the engine.
  struct Data;
  explicit CrossingSpectrum(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

 private:
  std::shared_ptr<const Data> data_;
};

/// The gradient of the scalar `to` with respect to `from`, split. Throws StaleVariable;
/// GradientError when `to` is no scalar, or one of them needs no gradient; ArgumentError when there
/// is no mark.
template <class T>
[[nodiscard]] CrossingSpectrum<T> crossings(const Source<std::type_identity_t<T>>& from,
                                            const Variable<T>& to, const ArrowMark& marked,
                                            const CrossingOptions& options = {});

template <class T>
std::ostream& operator<<(std::ostream& out, const CrossingSpectrum<T>& spectrum);

TAPESTRY_EXTERN_TYPES(class CrossingSpectrum)

}  // namespace tapestry
