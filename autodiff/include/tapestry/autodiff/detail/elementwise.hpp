// SPDX-License-Identifier: MIT
// Loops that apply an elementwise op and its gradient rule, with broadcasting. `Lane` is what they
// compute with: a number or a SIMD pack. A remainder shorter than a pack goes through a padded
// copy, so every element is computed by the same instructions wherever it stands.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "tapestry/autodiff/detail/op_info.hpp"
#include "tapestry/autodiff/detail/op_rules.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::detail {

/// Nested loops over a broadcast shape: `counts` from the outside in, and for each of `N` operands
/// its stride at each level. Levels that can be run through as one are merged.
template <std::size_t N>
struct Loops {
  std::size_t rank = 0;
  std::array<std::size_t, Shape::max_rank + 1> counts{};
  std::array<std::array<std::size_t, N>, Shape::max_rank + 1> strides{};
  std::array<std::size_t, Shape::max_rank + 1> position{};

  Loops(const Shape& full, const std::array<const Shape*, N>& operands) {
    std::array<std::array<std::size_t, Shape::max_rank>, N> of{};
    for (std::size_t k = 0; k < N; ++k) of[k] = strides_of(*operands[k]);
    for (std::size_t axis = 0; axis < full.rank(); ++axis) {
      if (full[axis] == 1) continue;
      std::array<std::size_t, N> step{};
      for (std::size_t k = 0; k < N; ++k) {
        const std::size_t lead = full.rank() - operands[k]->rank();
        if (axis >= lead && (*operands[k])[axis - lead] != 1) step[k] = of[k][axis - lead];
      }
      push(full[axis], step);
    }
    if (rank == 0) push(1, {});
    // The innermost stride is 0 or 1: the operands are contiguous.
  }

 private:
  void push(std::size_t count, const std::array<std::size_t, N>& step) {
    if (rank > 0) {
      bool merge = true;
      for (std::size_t k = 0; k < N; ++k) merge &= strides[rank - 1][k] == step[k] * count;
      if (merge) {
        counts[rank - 1] *= count;
        strides[rank - 1] = step;
        return;
      }
    }
    counts[rank] = count;
    strides[rank++] = step;
  }
};

/// The runs over a broadcast shape, one after the other: `for (Runs<N> run(...); run; run.next())`.
/// Where each operand has all elements, or one, a single run does, and no loops are built.
template <std::size_t N>
class Runs {
 public:
  std::size_t count = 0;  // elements of this run
  std::array<std::size_t, N> offsets{};
  std::array<std::size_t, N> strides{};  // 0 or 1: operands are contiguous

  Runs(const Shape& full, const std::array<const Shape*, N>& operands) : count(full.size()) {
    for (std::size_t k = 0; k < N; ++k) {
      const std::size_t size = count == 1 ? 1 : operands[k]->size();
      if (size == count) {
        strides[k] = 1;
      } else if (size != 1) {
        start_loops(full, operands);
        return;
      }
    }
  }

  explicit operator bool() const { return count > 0; }

  /// Whether there is more than one.
  [[nodiscard]] bool several() const { return loops_ && loops_->rank > 1; }

  void next() {
    if (loops_)
      advance();
    else
      count = 0;
  }

 private:
  // Not inlined: they would stand in each op anew.
  [[gnu::noinline]] void start_loops(const Shape& full,
                                     const std::array<const Shape*, N>& operands) {
    loops_.emplace(full, operands);
    const std::size_t inner = loops_->rank - 1;
    strides = loops_->strides[inner];
    if (count > 0) count = loops_->counts[inner];
  }

  [[gnu::noinline]] void advance() {
    for (std::size_t level = loops_->rank - 1; level-- > 0;) {
      const std::array<std::size_t, N>& step = loops_->strides[level];
      for (std::size_t k = 0; k < N; ++k) offsets[k] += step[k];
      if (++loops_->position[level] < loops_->counts[level]) return;
      for (std::size_t k = 0; k < N; ++k) offsets[k] -= step[k] * loops_->counts[level];
      loops_->position[level] = 0;
    }
    count = 0;
  }

  std::optional<Loops<N>> loops_;
};

template <class Lane, class T>
Lane load(const T* p, bool moves) {
  return moves ? Lane::load(p) : Lane::fill(*p);
}

template <class Lane, class T>
Lane load_some(const T* p, bool moves, std::size_t count) {
  if constexpr (Lane::width == 1) {
    return Lane::fill(*p);
  } else {
    if (!moves) return Lane::fill(*p);
    std::array<T, Lane::width> padded;
    for (std::size_t i = 0; i < Lane::width; ++i) padded[i] = p[i < count ? i : 0];
    return Lane::load(padded.data());
  }
}

template <class Lane, class T>
void store_some(const Lane& lane, T* p, std::size_t count) {
  if constexpr (Lane::width == 1) {
    lane.store(p);
  } else {
    std::array<T, Lane::width> padded;
    lane.store(padded.data());
    for (std::size_t i = 0; i < count; ++i) p[i] = padded[i];
  }
}

/// y = op(x...), elementwise with broadcasting. `y` has the broadcast shape.
template <class Lane, std::size_t N, class T, class Op>
void elementwise_forward(const Op& op, const Out<T>& y, std::span<const In<T>> x) {
  with_indices<N>([&](auto... k) {
    if (y.size() == 1)  // no loops: scalars are many
      return store_some(Lane(op.forward(Lane::fill(*x[k].data)...)), y.data, 1);
    T* out = y.data;
    const auto body = [&](const auto& offset, std::size_t n, const auto& stride)
        __attribute__((noinline)) {
      std::size_t i = 0;
      for (; i + Lane::width <= n; i += Lane::width)
        Lane(op.forward(load<Lane>(x[k].data + offset[k] + i * stride[k], stride[k] != 0)...))
            .store(out + i);
      if (i < n)
        store_some(Lane(op.forward(load_some<Lane>(x[k].data + offset[k] + i * stride[k],
                                                   stride[k] != 0, n - i)...)),
                   out + i, n - i);
      out += n;
    };
    for (Runs<N> run(y.shape(), {&x[k].shape()...}); run; run.next())
      body(run.offsets, run.count, run.strides);
  });
}

/// Where a run of gradients goes: into `n` elements, or summed into one.
template <class Lane, class T>
class GradientSink {
 public:
  GradientSink(T* target, bool moves, bool accumulate)
      : target_(target), moves_(moves), accumulate_(accumulate) {}

  void put(std::size_t i, const Lane& gradient) {
    if (!moves_) {
      partial_ = partial_ + gradient;
      if (++pending_ == block) flush();
    } else if (accumulate_) {
      (Lane::load(target_ + i) + gradient).store(target_ + i);
    } else {
      gradient.store(target_ + i);
    }
  }

  void put_some(std::size_t i, const Lane& gradient, std::size_t count) {
    std::array<T, Lane::width> lanes;
    gradient.store(lanes.data());
    for (std::size_t j = 0; j < count; ++j) {
      if (!moves_)
        total_ += static_cast<double>(lanes[j]);
      else if (accumulate_)
        target_[i + j] += lanes[j];
      else
        target_[i + j] = lanes[j];
    }
  }

  void finish() {
    if (moves_) return;
    flush();
    *target_ += static_cast<T>(total_);
  }

 private:
  static constexpr std::size_t block = 256;  // short sums in T, the long one in double

  void flush() {
    total_ += static_cast<double>(partial_.sum());
    partial_ = Lane::fill(T{0});
    pending_ = 0;
  }

  T* target_;
  bool moves_;
  bool accumulate_;
  Lane partial_ = Lane::fill(T{0});
  std::size_t pending_ = 0;
  double total_ = 0;
};

/// Adds the gradient with respect to input `i` to `target`, summing over the axes along which it
/// was broadcast. `operands` are g, y and the inputs; those that the rule does not read may have no
/// data any more.
template <class Lane, std::size_t i, class T, class Op, std::size_t N>
void elementwise_gradient(const Op& op, const Out<T>& target,
                          const std::array<In<T>, N>& operands) {
  const In<T>& g = operands[0];
  const auto rule = [&](const auto& lane_of) {
    return with_indices<N>([&](auto... k) { return Lane(call_rule<i>(op, lane_of(k)...)); });
  };
  const auto reads = [](auto k) { return k == 0 || rule_reads<Op>(k - 1); };
  if (g.size() == 1) {
    const Lane gradient = rule([&](auto k) {
      if constexpr (reads(k))
        return Lane::fill(*operands[k].data);
      else
        return NotSaved{};
    });
    std::array<T, Lane::width> lanes;
    gradient.store(lanes.data());
    *target.data = target.accumulate ? *target.data + lanes[0] : lanes[0];
    return;
  }
  const bool reduces = target.size() != g.size();
  if (reduces && !target.accumulate) std::fill_n(target.data, target.size(), T{0});
  const auto body = [&](const auto& offset, std::size_t n, const auto& stride)
      __attribute__((noinline)) {
    const auto gradient = [&](std::size_t at, std::size_t count) {
      return rule([&](auto k) {
        if constexpr (reads(k)) {
          const T* p = operands[k].data + offset[k + 1] + at * stride[k + 1];
          return count == Lane::width ? load<Lane>(p, stride[k + 1] != 0)
                                      : load_some<Lane>(p, stride[k + 1] != 0, count);
        } else {
          return NotSaved{};
        }
      });
    };
    GradientSink<Lane, T> sink(target.data + offset[0], stride[0] != 0 || n == 1,
                               target.accumulate || reduces);
    std::size_t at = 0;
    for (; at + Lane::width <= n; at += Lane::width) sink.put(at, gradient(at, Lane::width));
    if (at < n) sink.put_some(at, gradient(at, n - at), n - at);
    sink.finish();
  };
  with_indices<N>([&](auto... k) {
    for (Runs<N + 1> run(g.shape(), {&target.shape(), &operands[k].shape()...}); run; run.next())
      body(run.offsets, run.count, run.strides);
  });
}

}  // namespace tapestry::detail
