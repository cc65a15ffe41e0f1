// SPDX-License-Identifier: MIT
#include "tapestry/layers/gru.hpp"

namespace tapestry::layers {

template class Recurrent<cells::GRU, float>;
template class Recurrent<cells::GRU, double>;
template class RecurrentCell<cells::GRU, float, GRUCellOptions>;
template class RecurrentCell<cells::GRU, double, GRUCellOptions>;

}  // namespace tapestry::layers
