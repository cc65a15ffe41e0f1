// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/variable.hpp"

#include <algorithm>
#include <utility>

#include "tape/backward.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/ops/shape.hpp"

namespace tapestry {
namespace {

template <class T>
View<T> view(const T* data, const Shape& shape) {
  xt::dynamic_shape<std::size_t> extents(shape.begin(), shape.end());
  return xt::adapt<xt::layout_type::row_major>(static_cast<const T*>(data), shape.size(),
                                               xt::no_ownership(), extents);
}

}  // namespace

template <class T>
void Variable<T>::throw_invalid(std::string_view op) const {
  if (!state_) throw StaleVariable(op, "this variable refers to nothing");
  state_->throw_stale(op, index_);
}

template <class T>
View<T> Variable<T>::value() const& {
  detail::TapeState<T>& tape = state("value");
  tape.check_available("value", index_);
  if (tape.entries[index_].pending) tape.materialize(index_);
  if (tape.entries[index_].watches) tape.check_memory("value", index_);
  return view<T>(tape.entries[index_].data, tape.entries[index_].shape);
}

template <class T>
Array<T> Variable<T>::value() const&& {
  const Variable& self = *this;
  return self.value();
}

template <class T>
View<T> Variable<T>::grad() const& {
  detail::TapeState<T>& tape = state("grad");
  detail::Entry<T>& entry = tape.entries[index_];
  if (!entry.requires_grad) detail::throw_needs_no_gradient(tape, "grad", index_);
  if (tape.pass == 0)
    throw GradientError("grad", "'" + name() + "' has no gradient yet: call backward() first");
  if (entry.grad_outside) {
    tape.check_memory("grad", index_);
    return view<T>(std::as_const(*tape.parameter_of(entry)).grad().data(), entry.shape);
  }
  if (!tape.has_grad(entry)) {
    const Out<T> target = tape.grad_target(index_);
    std::fill_n(target.data, target.size(), T{0});
  }
  return view<T>(tape.entries[index_].grad, tape.entries[index_].shape);
}

template <class T>
Array<T> Variable<T>::grad() const&& {
  const Variable& self = *this;
  return self.grad();
}

template <class T>
T Variable<T>::item() const {
  if (size() != 1)
    throw ShapeError("item", "'" + name() + "' has shape " + shape().str() + ", not one element");
  const Variable& self = *this;
  return *self.value().data();
}

template <class T>
Shape Variable<T>::shape() const {
  return state("shape").entries[index_].shape;
}

template <class T>
std::string Variable<T>::name() const {
  return state("name").display_name(index_);
}

template <class T>
Variable<T> Variable<T>::named(std::string_view name) const {
  detail::TapeState<T>& tape = state("named");
  tape.entries[index_].name = tape.names.intern(name);
  if (tape.named_values && tape.entries[index_].passing) tape.named_values->push_back(*this);
  return *this;
}

template <class T>
void Variable<T>::backward() const {
  detail::TapeState<T>& tape = state("backward");
  detail::check_root<T>(tape, "backward", index_, nullptr);
  const detail::RunningPass<T> running(tape, "backward");
  detail::BackwardPass<T> pass(tape, "backward");
  pass.seed(index_, nullptr);
  pass.run();
}

template <class T>
void Variable<T>::backward(const Array<T>& seed) const {
  detail::TapeState<T>& tape = state("backward");
  detail::check_root<T>(tape, "backward", index_, &seed);
  const detail::RunningPass<T> running(tape, "backward");
  detail::BackwardPass<T> pass(tape, "backward");
  pass.seed(index_, &seed);
  pass.run();
}

template <class T>
Variable<T> Variable<T>::element(std::int64_t i) const {
  return select(*this, 0, i);
}

template <class T>
Variable<T> Variable<T>::slice(int axis, std::int64_t start, std::int64_t stop,
                               std::int64_t step) const {
  return tapestry::slice(*this, axis, start, stop, step);
}

template <class T>
Variable<T> Variable<T>::detach() const {
  detail::TapeState<T>& tape = state("detach");
  tape.check_available("detach", index_);
  return {tape, tape.detach(index_)};
}

template <class T>
Hook Variable<T>::add_hook(std::function<Variable(const Variable&)> hook) const {
  detail::TapeState<T>& tape = state("register_hook");
  if (!tape.entries[index_].requires_grad)
    detail::throw_needs_no_gradient(tape, "register_hook", index_);
  auto active = std::make_shared<bool>(true);
  tape.hooks[index_].push_back({active, std::move(hook)});
  tape.entries[index_].hooked = true;
  return Hook(active);
}

template <class T>
Variable<T> Variable<T>::retain_grad() const {
  detail::TapeState<T>& tape = state("retain_grad");
  if (!tape.entries[index_].requires_grad)
    detail::throw_needs_no_gradient(tape, "retain_grad", index_);
  tape.entries[index_].retain_grad = true;
  return *this;
}

template <class T>
bool Variable<T>::requires_grad() const {
  return state("requires_grad").entries[index_].requires_grad;
}

TAPESTRY_INSTANTIATE_TYPES(class Variable)

}  // namespace tapestry
