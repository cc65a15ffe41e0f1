// SPDX-License-Identifier: MIT
#include "tapestry/layers/lstm.hpp"

#include <cmath>

namespace tapestry::layers {

void cells::LSTM::check_sizes(const std::string& kind, std::size_t hidden_size,
                              std::size_t proj_size, std::optional<double> forget_bias, bool bias) {
  if (proj_size > 0 && proj_size >= hidden_size)
    throw ArgumentError(kind, "proj_size " + std::to_string(proj_size) +
                                  " must be below hidden_size " + std::to_string(hidden_size));
  if (forget_bias && !bias) throw ArgumentError(kind, "forget_bias needs bias");
  if (forget_bias && !std::isfinite(*forget_bias))
    throw ArgumentError(kind, "forget_bias must be finite");
}

template class Recurrent<cells::LSTM, float>;
template class Recurrent<cells::LSTM, double>;
template class RecurrentCell<cells::LSTM, float, LSTMCellOptions>;
template class RecurrentCell<cells::LSTM, double, LSTMCellOptions>;

}  // namespace tapestry::layers
