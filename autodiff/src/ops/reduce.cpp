// SPDX-License-Identifier: MIT
// Sums and the like over axes, and their transpose, broadcasting.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "ops/reduction.hpp"
#include "ops/thread_list.hpp"

namespace tapestry {
namespace detail {

namespace {

/// Adds `n` numbers to as many, or all of them to one.
template <class T>
void add_run(T* to, bool moves, const T* from, std::size_t n) {
  using Lane = Pack<T>;
  GradientSink<Lane, T> sink(to, moves, true);
  std::size_t i = 0;
  for (; i + Lane::width <= n; i += Lane::width) sink.put(i, Lane::load(from + i));
  if (i < n) sink.put_some(i, load_some<Lane>(from + i, true, n - i), n - i);
  sink.finish();
}

constexpr std::size_t few = 256;  // addends that a float can take

/// Sums in double: a float that adds up many numbers stops growing at 2^24.
class SumsInDouble {
 public:
  explicit SumsInDouble(std::size_t size) {
    total_.assign(size, 0);
    partial_.assign(size, 0);
  }

  /// Adds `n` numbers to as many sums from `to` on, or all of them to one.
  void add(std::size_t to, bool moves, const float* from, std::size_t n) {
    if (!moves) {
      float sum = 0;
      add_run(&sum, false, from, n);
      total_[to] += static_cast<double>(sum);
    } else if (n == total_.size()) {  // whole rows: short sums as floats
      add_run(partial_.data(), true, from, n);
      if (++pending_ == few) flush();
    } else {
      for (std::size_t i = 0; i < n; ++i) total_[to + i] += static_cast<double>(from[i]);
    }
  }

  void add_to(float* target) {
    flush();
    for (std::size_t i = 0; i < total_.size(); ++i) target[i] += static_cast<float>(total_[i]);
  }

 private:
  void flush() {
    for (std::size_t i = 0; i < total_.size(); ++i) total_[i] += static_cast<double>(partial_[i]);
    std::fill(partial_.begin(), partial_.end(), 0.0F);
    pending_ = 0;
  }

  std::vector<double>& total_ = thread_list<SumsInDouble, double>();
  std::vector<float>& partial_ = thread_list<SumsInDouble, float>();
  std::size_t pending_ = 0;
};

}  // namespace

template <class T>
void reduce_add(const Out<T>& target, const In<T>& x) {
  if (!target.accumulate) std::fill_n(target.data, target.size(), T{0});
  Runs<2> run(x.shape(), {&target.shape(), &x.shape()});
  if constexpr (std::is_same_v<T, float>) {
    if (run.several() && x.size() / few > target.size()) {
      SumsInDouble sums(target.size());
      for (; run; run.next())
        sums.add(run.offsets[0], run.strides[0] != 0, x.data + run.offsets[1], run.count);
      return sums.add_to(target.data);
    }
  }
  for (; run; run.next())
    add_run(target.data + run.offsets[0], run.strides[0] != 0 || run.count == 1,
            x.data + run.offsets[1], run.count);
}

}  // namespace detail

namespace {

using detail::apply_reduction;
using detail::for_each_pair;
using detail::Reduce;

struct Sum : Reduce {
  static constexpr auto name = "sum";
  static constexpr auto formula = "y = sum of x";
  static constexpr Saves saves = save_nothing;

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape shape = kept(x.shape());
    detail::reduce_add<T>({y.data, &shape}, x);
  }
  auto backward(const auto& g, const auto&, const auto& x) const { return expanded(g, x.shape()); }
};

struct Mean : Reduce {
  static constexpr auto name = "mean";
  static constexpr auto formula = "y = sum of x / n";
  static constexpr Saves saves = save_nothing;

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape shape = kept(x.shape());
    detail::reduce_add<T>({y.data, &shape}, x);
    const T n = static_cast<T>(count(x.shape()));
    for (std::size_t i = 0; i < y.size(); ++i) y.data[i] /= n;
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    return expanded(g / count(x.shape()), x.shape());
  }
};

struct LogSumExp : Reduce {
  static constexpr auto name = "logsumexp";
  static constexpr auto formula = "y = log(sum of exp(x))";

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape shape = kept(x.shape());
    std::vector<T>& largest = detail::thread_list<struct Largest, T>();
    std::vector<double>& total = detail::thread_list<struct Exponentials, double>();
    largest.assign(y.size(), -std::numeric_limits<T>::infinity());
    for_each_pair(shape, x.shape(), [&](std::size_t to, std::size_t from) {
      largest[to] = std::max(largest[to], x.data[from]);
    });
    for (T& m : largest)
      if (!std::isfinite(m)) m = T{0};  // all -inf, or an inf: no shift helps
    total.assign(y.size(), 0);
    for_each_pair(shape, x.shape(), [&](std::size_t to, std::size_t from) {
      total[to] += static_cast<double>(std::exp(x.data[from] - largest[to]));
    });
    for (std::size_t i = 0; i < y.size(); ++i)
      y.data[i] = static_cast<T>(std::log(total[i])) + largest[i];
  }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    using T = typename std::remove_cvref_t<decltype(y)>::value_type;
    // A y of -inf, where all x are, is taken for a finite one: then w is 0, and so is the gradient.
    const bool is_some_empty = has_empty(y.value());
    const auto w = exp(x - expanded(is_some_empty ? maximum(y, lowest<T>) : y, x.shape()));
    const auto total = detail::sum_over(w, axes);  // not quite 1, since y is rounded
    return expanded(g, x.shape()) *
           (w / (is_some_empty ? maximum(total, std::numeric_limits<T>::min()) : total));
  }

 private:
  template <class T>
  static constexpr T lowest = std::numeric_limits<T>::lowest();

  static bool has_empty(const auto& y) {
    return std::any_of(y.data(), y.data() + y.size(),
                       [](auto v) { return v < 0 && std::isinf(v); });
  }
};

/// Throws unless `from` broadcasts to exactly `to`.
void check_broadcast(const char* op, const Shape& from, const Shape& to) {
  if (from.rank() > to.rank() || !(broadcast_shapes(op, from, to) == to))
    throw ShapeError(op, from.str() + " does not broadcast to " + to.str());
}

/// `shape` with leading ones up to `rank`.
Shape with_rank(const Shape& shape, std::size_t rank) {
  Shape result;
  for (std::size_t i = shape.rank(); i < rank; ++i) result.push_back(1);
  for (const std::size_t n : shape) result.push_back(n);
  return result;
}

struct BroadcastTo {
  static constexpr auto name = "broadcast_to";
  static constexpr auto formula = "y = x repeated along axes of extent 1";
  static constexpr auto shapes = "(...) -> any shape that it broadcasts to";
  static constexpr Saves saves = save_nothing;
  Shape shape;

  [[nodiscard]] Shape infer(const Shape& x) const {
    check_broadcast(name, x, shape);
    return shape;
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape from = with_rank(x.shape(), shape.rank());
    T* to = y.data;
    for (detail::Runs<1> run(shape, {&from}); run; run.next()) {
      if (run.strides[0] == 0)
        std::fill_n(to, run.count, x.data[run.offsets[0]]);
      else
        std::copy_n(x.data + run.offsets[0], run.count, to);
      to += run.count;
    }
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    return detail::sum_to(g, x.shape());
  }
};

struct SumTo {
  static constexpr auto name = "sum_to";
  static constexpr auto formula =
      "y = x summed over the axes along which y's shape broadcasts to x's";
  static constexpr auto shapes = "(...) -> any shape that broadcasts to it";
  static constexpr Saves saves = save_nothing;
  static constexpr bool accumulates = true;
  Shape shape;

  [[nodiscard]] Shape infer(const Shape& x) const {
    check_broadcast(name, shape, x);
    return shape;
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape padded = with_rank(shape, x.shape().rank());
    detail::reduce_add<T>({y.data, &padded, y.accumulate}, x);
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    return broadcast_to(g, x.shape());
  }
};

}  // namespace

using detail::apply_op;

template <class T>
Variable<T> sum(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return apply_reduction<Sum>(x, axes, keepdims);
}
template <class T>
Variable<T> mean(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return apply_reduction<Mean>(x, axes, keepdims);
}
template <class T>
Variable<T> logsumexp(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return apply_reduction<LogSumExp>(x, axes, keepdims);
}
template <class T>
Variable<T> detail::sum_over(const Variable<T>& x, std::uint32_t axes) {
  return apply_op(Sum{{axes, true}}, x);
}
template <class T>
Variable<T> detail::mean_over(const Variable<T>& x, std::uint32_t axes) {
  return apply_op(Mean{{axes, true}}, x);
}
template <class T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape) {
  return apply_op(BroadcastTo{shape}, x);
}
template <class T>
Variable<T> detail::sum_to(const Variable<T>& x, const Shape& shape) {
  return apply_op(SumTo{shape}, x);
}

TAPESTRY_INSTANTIATE(sum, mean, logsumexp, broadcast_to, detail::sum_over, detail::mean_over,
                     detail::sum_to, detail::reduce_add)

}  // namespace tapestry
