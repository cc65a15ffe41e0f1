// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/tape.hpp"

#include <algorithm>

#include "tape/backward.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {

template <class T>
Variable<T> Tape<T>::leaf(const ArrayLike<T>& value, Role role, std::string_view where,
                          std::string_view name) {
  const std::uint32_t index = state_->add_leaf(value.shape(where), role, role == Role::input, name);
  value.write(state_->entries[index].data);
  return {*state_, index};
}

template <class T>
Variable<T> Tape<T>::full(const Shape& shape, T value) {
  const std::uint32_t index = state_->add_leaf(shape, Role::constant, false, {});
  std::fill_n(state_->entries[index].data, shape.size(), value);
  return {*state_, index};
}

template <class T>
Variable<T> Tape<T>::watch(Parameter<T>& parameter) {
  return {*state_, state_->watch(parameter)};
}

template <class T>
typename Tape<T>::Mark Tape<T>::mark() const {
  Mark mark;
  mark.position_ = state_->mark();
  mark.generation_ = state_->generation;
  mark.tape_ = state_->id;
  return mark;
}

template <class T>
void Tape<T>::rewind(const Mark& mark) {
  if (mark.tape_ != state_->id) throw StaleVariable("rewind", "the mark is not of this tape");
  state_->check_droppable("rewind", mark.position_);
  const detail::Position now = state_->position();
  const bool intact = mark.position_.entries <= now.entries && mark.position_.nodes <= now.nodes &&
                      mark.generation_ >= state_->cleared &&
                      (mark.position_.entries == 0 ||
                       state_->entries[mark.position_.entries - 1].generation <= mark.generation_);
  if (!intact) throw StaleVariable("rewind", "the tape was cleared or rewound to before this mark");
  state_->truncate(mark.position_, true);
  state_->forget_unused();
}

template <class T>
void Tape<T>::backward(std::span<const Variable<T>> roots, std::span<const Array<T>> seeds) {
  if (!seeds.empty() && seeds.size() != roots.size())
    throw GradientError("backward", std::to_string(roots.size()) + " roots, but " +
                                        std::to_string(seeds.size()) + " seeds");
  for (std::size_t i = 0; i < roots.size(); ++i) {
    if (&roots[i].state("backward") != state_)
      throw StaleVariable("backward", "the root belongs to another tape");
    detail::check_root(*state_, "backward", roots[i].index(), seeds.empty() ? nullptr : &seeds[i]);
  }
  const detail::RunningPass<T> running(*state_, "backward");
  detail::BackwardPass<T> pass(*state_, "backward");
  for (std::size_t i = 0; i < roots.size(); ++i)
    pass.seed(roots[i].index(), seeds.empty() ? nullptr : &seeds[i]);
  pass.run();
}

template <class T>
void Tape<T>::zero_grad() {
  state_->check_no_pass("zero_grad");
  for (detail::Entry<T>& entry : state_->entries) state_->release_grad(entry);
}

TAPESTRY_INSTANTIATE_TYPES(class Tape)

}  // namespace tapestry
