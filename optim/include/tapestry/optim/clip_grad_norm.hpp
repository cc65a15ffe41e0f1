// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/parameter_list.hpp"

namespace tapestry::optim {

struct ClipOptions {
  bool error_if_nonfinite = false;  ///< throw when the norm is infinite or NaN
};

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), where `norm` is the Euclidean norm of
/// all of them taken as one vector, and returns `norm` as it was before; 0 when no parameter has a
/// gradient. As torch.nn.utils.clip_grad_norm_; parameters without a gradient or that require none
/// are skipped. Allocates nothing.
///
/// A norm that is not finite spoils the gradients as it does in PyTorch, unless
/// `error_if_nonfinite` is set: then it throws GradientError naming the first parameter at fault,
/// and nothing has changed. An infinite `max_norm` only measures.
/// Throws ArgumentError when `max_norm` is negative or NaN.
/// Source: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural
/// networks", algorithm 1.
template <class T>
double clip_grad_norm(const ParameterList<T>& parameters, double max_norm,
                      ClipOptions options = {});

}  // namespace tapestry::optim
