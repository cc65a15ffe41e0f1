// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/derivatives.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tape/backward.hpp"
#include "tape/gradients.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/ops/arithmetic.hpp"
#include "tapestry/autodiff/ops/shape.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {
namespace detail {

/// The leaves of parameters on the tape of y.
template <class T>
struct ParameterUses {
  std::vector<Variable<T>> leaves;
  std::vector<std::size_t> which;  // position of the parameter of each
};

}  // namespace detail

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

namespace {

template <class T>
detail::ParameterUses<T> uses_of(const char* op, const Variable<T>& y,
                                 const ParameterList<T>& parameters) {
  TapeState<T>& state = y.state(op);
  std::unordered_map<const Parameter<T>*, std::size_t> positions;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (!positions.try_emplace(parameters[i], i).second)
      throw ArgumentError(op, "parameter '" + parameters[i]->name() + "' is given twice");
  detail::ParameterUses<T> uses;
  for (std::uint32_t entry = 0; entry < state.entries.size(); ++entry) {
    if (state.entries[entry].vacant) continue;
    const auto found = positions.find(state.parameter_of(state.entries[entry]));
    if (found == positions.end()) continue;
    uses.leaves.push_back({state, entry});
    uses.which.push_back(found->second);
  }
  if (uses.leaves.empty())
    throw ArgumentError(op, "the tape of '" + y.name() + "' uses none of the " +
                                std::to_string(parameters.size()) + " parameters");
  return uses;
}

/// A vector for each use, as a constant.
template <class T>
std::vector<Variable<T>> vectors_of(const char* op, TapeState<T>& state,
                                    const detail::ParameterUses<T>& uses,
                                    const ParameterList<T>& parameters,
                                    const std::vector<Array<T>>& v) {
  if (v.size() != parameters.size())
    throw ShapeError(op, std::to_string(parameters.size()) + " parameters, but " +
                             std::to_string(v.size()) + " vectors");
  std::vector<Variable<T>> vectors;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const Shape shape(v[i].shape());
    if (!(shape == parameters[i]->shape()))
      throw ShapeError(op, "the vector for parameter '" + parameters[i]->name() + "' has shape " +
                               shape.str() + ", not " + parameters[i]->shape().str());
  }
  for (const std::size_t i : uses.which) {
    vectors.push_back(leaf(state, Shape(v[i].shape())));
    std::copy_n(v[i].data(), v[i].size(), state.entries[vectors.back().index()].data);
  }
  return vectors;
}

/// Sums over the uses of each parameter.
template <class T>
std::vector<Variable<T>> by_parameter(TapeState<T>& state, const detail::ParameterUses<T>& uses,
                                      const ParameterList<T>& parameters,
                                      const std::vector<Variable<T>>& parts) {
  std::vector<Variable<T>> sums(parameters.size());
  for (std::size_t k = 0; k < parts.size(); ++k) {
    Variable<T>& sum = sums[uses.which[k]];
    sum = sum.valid() ? sum + parts[k] : parts[k];
  }
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (!sums[i].valid()) sums[i] = leaf(state, parameters[i]->shape());
  return sums;
}

}  // namespace

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y,
                                   const ParameterList<std::type_identity_t<T>>& parameters,
                                   GradientOptions options) {
  TapeState<T>& state = y.state("gradients");
  const detail::ParameterUses<T> uses = uses_of<T>("gradients", y, parameters);
  return results_of(state, options, [&] {
    return by_parameter(state, uses, parameters, gradients(y, Variables<T>(uses.leaves), options));
  });
}

template <class T>
Variable<T> jvp(const Variable<T>& y, const ParameterList<std::type_identity_t<T>>& parameters,
                const std::vector<Array<std::type_identity_t<T>>>& v, GradientOptions options) {
  TapeState<T>& state = y.state("jvp");
  const detail::ParameterUses<T> uses = uses_of<T>("jvp", y, parameters);
  return results_of(state, options, [&] {
    const auto vectors = vectors_of("jvp", state, uses, parameters, v);
    return std::vector{jvp(y, Variables<T>(uses.leaves), Variables<T>(vectors), options)};
  })[0];
}

template <class T>
Variable<T> jacobian(const Variable<T>& y, Parameter<std::type_identity_t<T>>& parameter,
                     GradientOptions options) {
  TapeState<T>& state = y.state("jacobian");
  const detail::ParameterUses<T> uses = uses_of<T>("jacobian", y, {&parameter});
  return results_of(state, options, [&] {
    Variable<T> sum;
    for (const Variable<T>& use : uses.leaves) {
      const Variable<T> part = jacobian(y, use, options);
      sum = sum.valid() ? sum + part : part;
    }
    return std::vector{sum};
  })[0];
}

template <class T>
std::vector<Variable<T>> hessian_vector_product(
    const Variable<T>& y, const ParameterList<std::type_identity_t<T>>& parameters,
    const std::vector<Array<std::type_identity_t<T>>>& v, GradientOptions options) {
  const char* op = "hessian_vector_product";
  TapeState<T>& state = y.state(op);
  const detail::ParameterUses<T> uses = uses_of<T>(op, y, parameters);
  return results_of(state, options, [&] {
    const auto vectors = vectors_of(op, state, uses, parameters, v);
    return by_parameter(
        state, uses, parameters,
        hessian_vector_product(y, Variables<T>(uses.leaves), Variables<T>(vectors), options));
  });
}

TAPESTRY_INSTANTIATE_AS((std::vector<Variable<T>>(const Variable<T>&, const ParameterList<T>&,
                                                  GradientOptions)),
                        gradients)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const ParameterList<T>&,
                                     const std::vector<Array<T>>&, GradientOptions)),
                        jvp)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, Parameter<T>&, GradientOptions)), jacobian)
TAPESTRY_INSTANTIATE_AS((std::vector<Variable<T>>(const Variable<T>&, const ParameterList<T>&,
                                                  const std::vector<Array<T>>&, GradientOptions)),
                        hessian_vector_product)

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
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, GradientOptions)),
                        jacobian, hessian)

}  // namespace tapestry
