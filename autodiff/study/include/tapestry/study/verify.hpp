// SPDX-License-Identifier: MIT
// The study tools checked on a graph of yours: independent ways to the same numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/variable.hpp"
#include "tapestry/study/source.hpp"

namespace tapestry {

struct VerifyOptions {
  /// Differences above this, relative to the larger side, count as failures; 0 stands for 1e-9 in
  /// double precision and 1e-3 in single. Finite differences are given more: see `Identity`.
  double tolerance = 0;

  /// Beyond so many paths their contributions are not summed one by one.
  std::size_t most_paths = 2'000;

  /// Seed of the vectors with which partial derivatives are tested.
  std::uint64_t seed = 1;
};

/// Something that must hold, and how closely it does.
struct Identity {
  std::string name;       ///< "paths sum to the gradient"
  bool applies = true;    ///< whether it could be tested
  double difference = 0;  ///< relative; NaN, which does not hold, where numbers are not finite
  double tolerance = 0;
  std::string note;  ///< how much was tested, or why it does not apply

  [[nodiscard]] bool holds() const { return !applies || difference <= tolerance; }
};

class Verification {
 public:
  explicit Verification(std::vector<Identity> identities) : identities_(std::move(identities)) {}

  [[nodiscard]] const std::vector<Identity>& identities() const { return identities_; }

  /// Whether all that could be tested hold.
  [[nodiscard]] bool holds() const;

  /// A line for each.
  [[nodiscard]] std::string str() const;

 private:
  std::vector<Identity> identities_;
};

std::ostream& operator<<(std::ostream& out, const Verification& verification);

/// Tests, for the scalar `to` and what it was computed from, a variable or a parameter with all its
/// uses:
/// - the sweep over all paths gives what backward gives;
/// - the contributions of all paths, one by one, sum to the gradient;
/// - as many paths of each length as paths in all;
/// - what flows into a value flows out of it, and every cut carries the same;
/// - the gradient split by crossings of time steps adds up;
/// - D of each op is the transpose of Dᵀ: <D x, y> = <x, Dᵀ y> for random x and y;
/// - a step along the gradient changes `to` by what the gradient says (needs the values of all
///   inputs: where backward has given some back, it does not apply).
/// Values, gradients and the length of the tape are afterwards what they were. Throws
/// StaleVariable; GradientError when `to` is no scalar or one of them needs no gradient.
template <class T>
[[nodiscard]] Verification verify(const Source<std::type_identity_t<T>>& from,
                                  const Variable<T>& to, const VerifyOptions& options = {});

}  // namespace tapestry
