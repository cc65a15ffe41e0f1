// SPDX-License-Identifier: MIT
#include "tapestry/optim/sgd.hpp"

#include "check.hpp"
#include "for_parts.hpp"
#include "kernels/update_kernels.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::optim {
namespace {

constexpr const char* op = "SGD";

void check(const SGDOptions& options) {
  check_not_negative(op, "momentum", options.momentum);
  check_not_negative(op, "dampening", options.dampening);
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0))
    throw ArgumentError(op, "nesterov needs momentum and no dampening, got momentum " +
                                number_text(options.momentum) + " and dampening " +
                                number_text(options.dampening));
}

std::vector<const char*> memories(const SGDOptions& options) {
  if (options.momentum == 0) return {};
  return {"momentum_buffer"};
}

}  // namespace

template <class T>
SGD<T>::SGD(const std::vector<ParameterGroup<T>>& groups, SGDOptions options)
    : Optimizer<T>(op, groups, options.learning_rate, options.weight_decay, memories(options)),
      options_(options) {
  check(options_);
}

template <class T>
void SGD<T>::update(std::size_t position, Parameter<T>& parameter) {
  const bool has_momentum = options_.momentum != 0;
  const double momentum = options_.momentum;
  const SgdTask<T> task{
      .size = parameter.size(),
      .grad = parameter.grad().data(),
      .value = parameter.storage().data(),
      .direction = has_momentum ? this->memory(0, position) : nullptr,
      .rate = static_cast<T>(this->rate_of(position)),
      .decay = static_cast<T>(this->decay_of(position)),
      .keep = static_cast<T>(momentum),
      .add = static_cast<T>(this->steps(position) > 1 ? 1.0 - options_.dampening : 1.0),
      .grad_share = options_.nesterov ? T{1} : T{0},
      .direction_share = options_.nesterov ? static_cast<T>(momentum) : T{1},
  };
  for_parts(task.size, [&](std::size_t first, std::size_t count) {
    update_kernels<T>().sgd(task.part(first, count));
  });
}

template class SGD<float>;
template class SGD<double>;

}  // namespace tapestry::optim
