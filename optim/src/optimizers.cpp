// SPDX-License-Identifier: MIT
#include "kernels/update_kernels.hpp"
#include "tapestry/optim.hpp"

namespace tapestry::optim {

TAPESTRY_INSTANTIATE_TYPES(class SGD, class Adam, class AdamW, class RMSprop, class Adagrad)

}  // namespace tapestry::optim
