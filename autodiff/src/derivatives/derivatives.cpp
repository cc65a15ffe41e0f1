// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/derivatives.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "tape/backward.hpp"
#include "tape/gradients.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/ops/shape.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {
namespace {

using detail::Position;
using detail::Roots;
using detail::seeded_gradients;
using detail::TapeState;

template <class T>
using Variables = std::span<const Variable<T>>;

constexpr GradientOptions recorded{.differentiable = true};

template <class T>
Variable<T> leaf(TapeState<T>& state, const Shape& shape, bool requires_grad = false,
                 std::string_view name = {}) {
  const Shape copy = shape;
  const Role role = requires_grad ? Role::input : Role::constant;
  const std::uint32_t index = state.add_leaf(copy, role, requires_grad, name);
  std::fill_n(state.entries[index].data, copy.size(), T{0});
  return {state, index};
}

/// Runs `body`, which records. Unless the results are to be differentiable, all that stays on the
/// tape are their values.
template <class T, class Body>
std::vector<Variable<T>> results_of(TapeState<T>& state, GradientOptions options,
                                    const Body& body) {
  return detail::attempt(state, [&] {
    if (options.differentiable) return body();
    const Position before = state.position();
    std::vector<Array<T>> values;
    {
      const Switched recording(state.recording, true);
      for (const Variable<T>& result : body()) values.emplace_back(result.value());
    }
    state.truncate(before, true);
    std::vector<Variable<T>> results;
    for (const Array<T>& value : values) {
      results.push_back(leaf(state, Shape(value.shape())));
      std::copy_n(value.data(), value.size(), state.entries[results.back().index()].data);
    }
    return results;
  });
}

template <class T>
void check_vectors(const char* op, Variables<T> x, Variables<T> v) {
  if (x.size() != v.size())
    throw ShapeError(
        op, std::to_string(x.size()) + " variables, but " + std::to_string(v.size()) + " vectors");
  for (std::size_t i = 0; i < x.size(); ++i) detail::check_seed(op, x[i], v[i]);
}

template <class T>
void check_scalar(const char* op, const Variable<T>& y) {
  if (y.shape().size() != 1)
    throw GradientError(op, "'" + y.name() + "' has shape " + y.shape().str() +
                                ", but second derivatives are those of a scalar");
  detail::check_depends(y.state(op), op, y.index());
}

/// A row of the Jacobian for each element of y, written into an array.
template <class T>
Variable<T> array_jacobian(TapeState<T>& state, const Variable<T>& y, const Variable<T>& x,
                           const Shape& shape) {
  const Variable<T> result = leaf(state, shape);
  const std::size_t columns = x.size();
  const std::size_t rows = y.size();
  for (std::size_t j = 0; j < rows; ++j) {
    const Position before = state.position();
    {
      const Variable<T> one = leaf(state, y.shape());
      state.entries[one.index()].data[j] = T{1};
      const Roots<T> roots{{y}, {one}};
      const auto row = seeded_gradients<T>(state, "jacobian", roots, Variables<T>(&x, 1), {});
      std::copy_n(state.entries[row[0].index()].data, columns,
                  state.entries[result.index()].data + j * columns);
    }
    state.truncate(before, true);
  }
  return result;
}

template <class T>
Variable<T> recorded_jacobian(TapeState<T>& state, const Variable<T>& y, const Variable<T>& x,
                              const Shape& shape) {
  if (shape.size() == 0) return leaf(state, shape);
  std::vector<Variable<T>> rows;
  for (std::size_t j = 0; j < y.size(); ++j) {
    const Variable<T> one = leaf(state, y.shape());
    state.entries[one.index()].data[j] = T{1};
    const Roots<T> roots{{y}, {one}};
    const auto row = seeded_gradients<T>(state, "jacobian", roots, Variables<T>(&x, 1), recorded);
    rows.push_back(reshape(row[0], {x.size()}));
  }
  return reshape(stack(rows), shape);
}

/// The Jacobian; `y` may also be a constant.
template <class T>
Variable<T> any_jacobian(const char* op, TapeState<T>& state, const Variable<T>& y,
                         const Variable<T>& x, GradientOptions options) {
  Shape shape = y.shape();
  if (shape.rank() + x.shape().rank() > Shape::max_rank)
    throw ShapeError(op, "derivatives of " + y.shape().str() + " by " + x.shape().str() +
                             " would have more than " + std::to_string(Shape::max_rank) + " axes");
  for (const std::size_t extent : x.shape()) shape.push_back(extent);
  if (!y.requires_grad()) return leaf(state, shape);
  return options.differentiable ? recorded_jacobian(state, y, x, shape)
                                : array_jacobian(state, y, x, shape);
}

}  // namespace

template <class T>
std::vector<Variable<T>> vjp(const Variable<T>& y, Variables<T> x, const Variable<T>& u,
                             GradientOptions options) {
  TapeState<T>& state = detail::check_sources("vjp", y, x);
  detail::check_seed("vjp", y, u);
  detail::check_depends(state, "vjp", y.index());
  return detail::attempt(state, [&] {
    return seeded_gradients<T>(state, "vjp", {{y}, {u}}, x, options);
  });
}

template <class T>
Variable<T> vjp(const Variable<T>& y, const Variable<T>& x, const Variable<T>& u,
                GradientOptions options) {
  return vjp(y, Variables<T>(&x, 1), u, options)[0];
}

template <class T>
Variable<T> jvp(const Variable<T>& y, Variables<T> x, Variables<T> v, GradientOptions options) {
  TapeState<T>& state = detail::check_sources("jvp", y, x);
  check_vectors("jvp", x, v);
  detail::check_depends(state, "jvp", y.index());
  const auto product = [&] {
    // The gradient Jᵀ u is linear in u, so u itself does not matter.
    const Variable<T> u = leaf(state, y.shape(), true, "cotangent");
    const auto gradients = seeded_gradients<T>(state, "jvp", {{y}, {u}}, x, recorded);
    return seeded_gradients<T>(state, "jvp", {gradients, {v.begin(), v.end()}}, Variables<T>(&u, 1),
                               options);
  };
  return results_of(state, options, product)[0];
}

template <class T>
Variable<T> jvp(const Variable<T>& y, const Variable<T>& x, const Variable<T>& v,
                GradientOptions options) {
  return jvp(y, Variables<T>(&x, 1), Variables<T>(&v, 1), options);
}

template <class T>
Variable<T> jacobian(const Variable<T>& y, const Variable<T>& x, GradientOptions options) {
  TapeState<T>& state = detail::check_sources("jacobian", y, Variables<T>(&x, 1));
  detail::check_depends(state, "jacobian", y.index());
  return detail::attempt(state, [&] { return any_jacobian("jacobian", state, y, x, options); });
}

template <class T>
Variable<T> hessian(const Variable<T>& y, const Variable<T>& x, GradientOptions options) {
  const Variables<T> by(&x, 1);
  TapeState<T>& state = detail::check_sources("hessian", y, by);
  check_scalar("hessian", y);
  const auto derivatives = [&] {
    const auto gradient = seeded_gradients<T>(state, "hessian", {{y}, {{}}}, by, recorded);
    return std::vector<Variable<T>>{any_jacobian("hessian", state, gradient[0], x, options)};
  };
  return results_of(state, options, derivatives)[0];
}

template <class T>
std::vector<Variable<T>> hessian_vector_product(const Variable<T>& y, Variables<T> x,
                                                Variables<T> v, GradientOptions options) {
  const char* op = "hessian_vector_product";
  TapeState<T>& state = detail::check_sources(op, y, x);
  check_vectors(op, x, v);
  check_scalar(op, y);
  return results_of(state, options, [&] {
    const auto gradients = seeded_gradients<T>(state, op, {{y}, {{}}}, x, recorded);
    return seeded_gradients<T>(state, op, {gradients, {v.begin(), v.end()}}, x, options);
  });
}

template <class T>
Variable<T> hessian_vector_product(const Variable<T>& y, const Variable<T>& x, const Variable<T>& v,
                                   GradientOptions options) {
  return hessian_vector_product(y, Variables<T>(&x, 1), Variables<T>(&v, 1), options)[0];
}

TAPESTRY_INSTANTIATE_AS((std::vector<Variable<T>>(const Variable<T>&, Variables<T>,
                                                  const Variable<T>&, GradientOptions)),
                        vjp)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, const Variable<T>&,
                                     GradientOptions)),
                        vjp, jvp, hessian_vector_product)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, Variables<T>, Variables<T>,
                                     GradientOptions)),
                        jvp)
TAPESTRY_INSTANTIATE_AS((std::vector<Variable<T>>(const Variable<T>&, Variables<T>, Variables<T>,
                                                  GradientOptions)),
                        hessian_vector_product)
TAPESTRY_INSTANTIATE(jacobian, hessian)

}  // namespace tapestry
