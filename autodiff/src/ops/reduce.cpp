// SPDX-License-Identifier: MIT
// Sums and the like over axes, and their transpose, broadcasting.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ops/vocabulary.hpp"

namespace tapestry {
namespace detail {

template <class T>
void reduce_add(const Out<T>& target, const In<T>& x) {
  if (!target.accumulate) std::fill_n(target.data, target.size(), T{0});
  const Loops<2> loops(x.shape(), {&target.shape(), &x.shape()});
  for_each_run(loops, [&](const auto& offset, std::size_t n, const auto& stride) {
    using Lane = Pack<T>;
    const T* from = x.data + offset[1];
    GradientSink<Lane, T> sink(target.data + offset[0], stride[0] != 0 || n == 1, true);
    std::size_t i = 0;
    for (; i + Lane::width <= n; i += Lane::width) sink.put(i, Lane::load(from + i));
    if (i < n) sink.put_some(i, load_some<Lane>(from + i, true, n - i), n - i);
    sink.finish();
  });
}

}  // namespace detail

namespace {

using detail::Loops;

/// Calls `body(target index, x index)` for each element of `x`; `kept` has its rank.
template <class Body>
void for_each_pair(const Shape& kept, const Shape& full, const Body& body) {
  for_each_run(Loops<2>(full, {&kept, &full}),
               [&](const auto& offset, std::size_t n, const auto& stride) {
                 for (std::size_t i = 0; i < n; ++i)
                   body(offset[0] + i * stride[0], offset[1] + i * stride[1]);
               });
}

std::string axes_text(std::uint32_t set) {
  std::string text = "axis=";
  for (int i = 0; i < 32; ++i)
    if ((set >> i & 1) != 0) text += (text.back() == '=' ? "" : ",") + std::to_string(i);
  return text;
}

/// What reductions have in common: which axes, and whether they stay.
struct Reduce {
  std::uint32_t axes;
  bool keepdims;

  [[nodiscard]] Shape infer(const Shape& x) const { return reduced_shape(x, axes, keepdims); }
  [[nodiscard]] Shape kept(const Shape& x) const { return reduced_shape(x, axes, true); }
  [[nodiscard]] std::string attributes() const { return axes_text(axes); }

  /// A value shaped like the result, back in the shape of `x`.
  auto expanded(const auto& y, const Shape& x) const {
    return broadcast_to(reshape(y, kept(x)), x);
  }
};

struct Sum : Reduce {  // y = sum of x
  static constexpr auto name = "sum";
  static constexpr Saves saves = save_nothing;

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape shape = kept(x.shape());
    detail::reduce_add<T>({y.data, &shape}, x);
  }
  auto backward(const auto& g, const auto&, const auto& x) const { return expanded(g, x.shape()); }
};

struct Mean : Reduce {  // y = sum of x / n
  static constexpr auto name = "mean";
  static constexpr Saves saves = save_nothing;

  [[nodiscard]] double count(const Shape& x) const {
    double n = 1;
    for (std::size_t i = 0; i < x.rank(); ++i)
      if ((axes >> i & 1) != 0) n *= static_cast<double>(x[i]);
    return n;
  }
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

struct Max : Reduce {  // y = largest of x
  static constexpr auto name = "max";

  [[nodiscard]] Shape infer(const Shape& x) const {
    for (std::size_t i = 0; i < x.rank(); ++i)
      if ((axes >> i & 1) != 0 && x[i] == 0)
        throw ShapeError(name, "no elements along axis " + std::to_string(i) + " of " + x.str());
    return Reduce::infer(x);
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::fill_n(y.data, y.size(), -std::numeric_limits<T>::infinity());
    for_each_pair(kept(x.shape()), x.shape(), [&](std::size_t to, std::size_t from) {
      const T value = x.data[from];
      if (value > y.data[to] || value != value) y.data[to] = value;  // NaN wins and stays
    });
  }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    const auto largest = equal(x, expanded(y, x.shape()));
    return expanded(g, x.shape()) * (largest / sum(largest, *this));
  }

 private:
  static auto sum(const auto& flags, const Max& op) {
    return op.expanded(detail::apply_op(Sum{op.axes, true}, flags), flags.shape());
  }
};

struct LogSumExp : Reduce {  // y = log(sum of exp(x))
  static constexpr auto name = "logsumexp";

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape shape = kept(x.shape());
    static thread_local std::vector<T> largest;  // kept for its capacity
    largest.assign(y.size(), -std::numeric_limits<T>::infinity());
    for_each_pair(shape, x.shape(), [&](std::size_t to, std::size_t from) {
      largest[to] = std::max(largest[to], x.data[from]);
    });
    for (T& m : largest)
      if (!std::isfinite(m)) m = T{0};  // all -inf, or an inf: no shift helps
    std::fill_n(y.data, y.size(), T{0});
    for_each_pair(shape, x.shape(), [&](std::size_t to, std::size_t from) {
      y.data[to] += std::exp(x.data[from] - largest[to]);
    });
    for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = std::log(y.data[i]) + largest[i];
  }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    return expanded(g, x.shape()) * exp(x - expanded(y, x.shape()));
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

struct BroadcastTo {  // y = x repeated along axes of extent 1
  static constexpr auto name = "broadcast_to";
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
    for_each_run(Loops<1>(shape, {&from}),
                 [&](const auto& offset, std::size_t n, const auto& stride) {
                   if (stride[0] == 0)
                     std::fill_n(to, n, x.data[offset[0]]);
                   else
                     std::copy_n(x.data + offset[0], n, to);
                   to += n;
                 });
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    return detail::sum_to(g, x.shape());
  }
};

struct SumTo {  // y = x summed over the axes along which y's shape broadcasts to x's
  static constexpr auto name = "sum_to";
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
using detail::attempt;

template <class T>
Variable<T> sum(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return attempt("sum", x, [&] {
    return apply_op(Sum{axis_set("sum", axes, x.shape().rank()), keepdims}, x);
  });
}
template <class T>
Variable<T> mean(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return attempt("mean", x, [&] {
    return apply_op(Mean{axis_set("mean", axes, x.shape().rank()), keepdims}, x);
  });
}
template <class T>
Variable<T> max(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return attempt("max", x, [&] {
    return apply_op(Max{axis_set("max", axes, x.shape().rank()), keepdims}, x);
  });
}
template <class T>
Variable<T> logsumexp(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return attempt("logsumexp", x, [&] {
    return apply_op(LogSumExp{axis_set("logsumexp", axes, x.shape().rank()), keepdims}, x);
  });
}
template <class T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape) {
  return apply_op(BroadcastTo{shape}, x);
}
template <class T>
Variable<T> detail::sum_to(const Variable<T>& x, const Shape& shape) {
  return apply_op(SumTo{shape}, x);
}

template Variable<float> sum(const Variable<float>&, const Axes&, bool);
template Variable<double> sum(const Variable<double>&, const Axes&, bool);
template Variable<float> mean(const Variable<float>&, const Axes&, bool);
template Variable<double> mean(const Variable<double>&, const Axes&, bool);
template Variable<float> max(const Variable<float>&, const Axes&, bool);
template Variable<double> max(const Variable<double>&, const Axes&, bool);
template Variable<float> logsumexp(const Variable<float>&, const Axes&, bool);
template Variable<double> logsumexp(const Variable<double>&, const Axes&, bool);
template Variable<float> broadcast_to(const Variable<float>&, const Shape&);
template Variable<double> broadcast_to(const Variable<double>&, const Shape&);
template Variable<float> detail::sum_to(const Variable<float>&, const Shape&);
template Variable<double> detail::sum_to(const Variable<double>&, const Shape&);
template void detail::reduce_add(const Out<float>&, const In<float>&);
template void detail::reduce_add(const Out<double>&, const In<double>&);

}  // namespace tapestry
