// SPDX-License-Identifier: MIT
#include "kernels/update_kernels.hpp"
#include "tapestry/optim.hpp"

namespace tapestry::optim {

template class SGD<float>;
template class SGD<double>;
template class Adam<float>;
template class Adam<double>;
template class AdamW<float>;
template class AdamW<double>;
template class RMSprop<float>;
template class RMSprop<double>;
template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace tapestry::optim
