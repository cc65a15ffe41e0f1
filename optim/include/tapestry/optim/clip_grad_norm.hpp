// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/parameter_list.hpp"

namespace tapestry::optim {

struct ClipOptions {
  bool error_if_nonfinite = false;  ///< throw when the norm is infinite or NaN
};

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_
/// does. `norm` is the Euclidean norm of all gradients taken as one vector. Returns `norm` as it
/// was before the scaling, or 0 when no parameter has a gradient. Parameters that have no gradient
/// or need none are skipped. Allocates nothing.
///
/// A norm that is not finite spoils the gradients, as it does in PyTorch. If `error_if_nonfinite`
/// is set, the function throws a GradientError instead that names the first parameter at fault, and
/// nothing has changed. With an infinite `max_norm` it only measures.
/// Throws ArgumentError when `max_norm` is negative or NaN.
/// Source: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural
/// networks", algorithm 1.
template <class T>
double clip_grad_norm(const ParameterList<T>& parameters, double max_norm,
                      ClipOptions options = {});

}  // namespace tapestry::optim
