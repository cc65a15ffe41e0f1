// SPDX-License-Identifier: MIT
// Backward passes that are read on the way, value by value, instead of at the end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "tape/backward.hpp"
#include "tape/captured.hpp"
#include "tapestry/autodiff/detail/state.hpp"

namespace tapestry::detail {

/// What a sweep starts from: the gradient at `entry` is `seed`, row-major, or 1 when it is empty.
template <class T>
struct SweepSeed {
  std::uint32_t entry = 0;
  std::vector<T> seed;
};

/// x * 2^exponent.
inline double times_power(double x, std::int64_t exponent) {
  constexpr std::int64_t beyond = 5'000;  // all numbers are 0 or infinite there
  return std::ldexp(x, static_cast<int>(std::clamp(exponent, -beyond, beyond)));
}

/// What happens at a target once its gradient has been read.
enum class AtTarget : std::uint8_t { go_on, stop };

/// Passes over one tape that end in the same `targets`, leaves or results. While it lives, the
/// tape's own gradients are put aside; afterwards the tape is as it was.
///
/// Gradients far from the loss may be too small, or too large, for T: where that shows at a target,
/// all gradients on the way are multiplied by a power of two, and the ones read from then on come
/// with its exponent.
template <class T>
class Sweep final : private PassObserver {
 public:
  /// gradient by target `number` = `gradient` (as large as the target) * 2^exponent.
  using Read =
      std::function<void(std::size_t number, std::span<const T> gradient, std::int64_t exponent)>;

  Sweep(TapeState<T>& state, std::string_view op, std::vector<std::uint32_t> targets,
        AtTarget at_target = AtTarget::go_on);
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;
  ~Sweep() override { drop_gradients(); }

  /// Calls `read` for each target that gradients reach, once, in the order in which they are
  /// complete: from the end of the tape. Ends after the target that is last in that order among
  /// those numbered true in `wanted`, if that is given. Throws what a backward pass throws.
  void run(std::span<const SweepSeed<T>> seeds, const Read& read,
           const std::vector<bool>& wanted = {});

  /// Whether gradients flow from `entry` to one of the targets.
  [[nodiscard]] bool reaches(std::uint32_t entry) const { return reached_[entry]; }

 private:
  /// A target is complete before the node that computes it runs, a leaf after the first node that
  /// uses it has.
  struct Event {
    std::uint32_t node;
    bool after;
    std::uint32_t number;
  };

  void before_node(std::uint32_t node) override;
  void after_node(std::uint32_t node) override;
  void handle(const Event& event);
  void watch_scale(const T* gradient, std::size_t size);
  void rescale();
  void drop_gradients();

  TapeState<T>& state_;
  std::string op_;
  std::vector<std::uint32_t> targets_;
  AtTarget at_target_;
  std::vector<Variable<T>> handles_;
  Captured<T> captured_;
  std::vector<bool> reached_;
  std::vector<Event> events_;  // in the order of a pass
  std::uint32_t low_ = none;   // all gradients of a pass are of entries from here ...
  std::uint32_t high_ = 0;     // ... to before here
  std::size_t next_ = 0;
  const Read* read_ = nullptr;
  std::int64_t exponent_ = 0;
  double quiet_ = 0;  // do not look again before a gradient is smaller than this
};

extern template class Sweep<float>;
extern template class Sweep<double>;

}  // namespace tapestry::detail
