// SPDX-License-Identifier: MIT
#include "tapestry/optim/sgd.hpp"

#include <utility>

#include "check.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::optim {
namespace {

constexpr const char* op = "SGD";

void check(const SGDOptions& options) {
  check_not_negative(op, "momentum", options.momentum);
  check_not_negative(op, "dampening", options.dampening);
  check_not_negative(op, "weight_decay", options.weight_decay);
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0))
    throw ArgumentError(op, "nesterov needs momentum and no dampening, got momentum " +
                                text_of(options.momentum) + " and dampening " +
                                text_of(options.dampening));
}

std::vector<const char*> memories(const SGDOptions& options) {
  if (options.momentum == 0) return {};
  return {"momentum_buffer"};
}

}  // namespace

template <class T>
SGD<T>::SGD(ParameterList<T> parameters, SGDOptions options)
    : Optimizer<T>(op, std::move(parameters), options.learning_rate, memories(options)),
      options_(options) {
  check(options_);
}

template <class T>
void SGD<T>::update(std::size_t position, Parameter<T>& parameter) {
  const T rate = static_cast<T>(this->learning_rate());
  const T decay = static_cast<T>(options_.weight_decay);
  const std::size_t size = parameter.size();
  const T* grad = parameter.grad().data();
  T* value = parameter.value().data();
  if (options_.momentum == 0) {
    for (std::size_t i = 0; i < size; ++i) value[i] -= rate * (grad[i] + decay * value[i]);
    return;
  }

  const T keep = static_cast<T>(options_.momentum);
  const T add = static_cast<T>(this->steps(position) > 1 ? 1.0 - options_.dampening : 1.0);
  // The step is along d = grad_share * g + direction_share * b.
  const T grad_share = options_.nesterov ? T{1} : T{0};
  const T direction_share = options_.nesterov ? static_cast<T>(options_.momentum) : T{1};
  T* direction = this->memory(0, position);
  for (std::size_t i = 0; i < size; ++i) {
    const T g = grad[i] + decay * value[i];
    direction[i] = keep * direction[i] + add * g;
    value[i] -= rate * (grad_share * g + direction_share * direction[i]);
  }
}

template class SGD<float>;
template class SGD<double>;

}  // namespace tapestry::optim
