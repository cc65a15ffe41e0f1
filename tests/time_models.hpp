// SPDX-License-Identifier: MIT
// Recurrent models for the studies that look along time. Each can also be run with a parameter
// moved at one step only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "layer_checks.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/study.hpp"

namespace tapestry::test {

/// Moves `parameter` along `direction` while step `time` is computed.
struct Move {
  Parameter<double>* parameter = nullptr;
  std::int64_t time = -1;
  double by = 0;
  Array<double> direction{};
};

class Moved {
 public:
  Moved(const Move& move, std::int64_t time) : parameter_(move.parameter) {
    if (!parameter_ || move.time != time) {
      parameter_ = nullptr;
      return;
    }
    before_ = parameter_->value();
    for (std::size_t k = 0; k < before_.size(); ++k)
      parameter_->value().data()[k] += move.by * move.direction.data()[k];
  }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;
  ~Moved() {
    if (parameter_) std::copy_n(before_.data(), before_.size(), parameter_->value().data());
  }

 private:
  Parameter<double>* parameter_;
  Array<double> before_;
};

struct StudyModel {
  std::string name;
  std::vector<Parameter<double>*> studied;
  /// Records the model and returns the terms of its loss.
  std::function<LossTerms<double>(Tape<double>&, const Move&)> run;
};

using Scalars = std::vector<Variable<double>>;

/// Squared outputs, each step with a weight of its own.
inline LossTerms<double> squares(const Scalars& outputs) {
  Scalars losses;
  std::vector<double> weights;
  for (std::size_t t = 0; t < outputs.size(); ++t) {
    losses.push_back(sum(square(outputs[t] - 0.3)));
    weights.push_back(0.5 + 0.1 * static_cast<double>(t % 4));
  }
  return loss_terms(losses, weights);
}

/// h = tanh(U x + V h), o = W h, all scalars.
inline StudyModel scalar_rnn_model() {
  struct Weights {
    Parameter<double> U{Array<double>(0.7), "U"}, V{Array<double>(-1.1), "V"},
        W{Array<double>(0.8), "W"};
  };
  const auto w = std::make_shared<Weights>();
  return {"scalar RNN", {&w->U, &w->V, &w->W}, [w](Tape<double>& tape, const Move& move) {
            auto h = tape.constant(0.1, "h0");
            Scalars outputs;
            for (std::int64_t t = 0; t < 6; ++t) {
              const auto step = tape.step(static_cast<std::size_t>(t));
              const Moved moved(move, t);
              const auto in = tape.watch(w->U) * (0.4 * static_cast<double>(t) - 0.9);
              h = tanh(in + tape.watch(w->V) * h).named("h");
              outputs.push_back(tape.watch(w->W) * h);
            }
            return squares(outputs);
          }};
}

/// A layer over a sequence. To move a parameter at one step, the sequence is run in three parts.
template <class Layer>
StudyModel layer_model(
    const std::string& name,
    const typename std::type_identity_t<std::function<std::shared_ptr<Layer>()>>& make,
    const layers::Lengths& lengths = {}) {
  const std::shared_ptr<Layer> layer = make();
  std::vector<Parameter<double>*> studied;
  for (Parameter<double>* parameter : parameters(*layer)) studied.push_back(parameter);
  const auto run = [layer, lengths](Tape<double>& tape, const Move& move) {
    constexpr std::size_t steps = 6;
    const Array<double> input = sample<double>({steps, 2, 3}, 5);
    const auto part = [&](std::size_t from, std::size_t to, const auto* state) {
      const auto x = slice(tape.constant(input), 0, static_cast<std::int64_t>(from),
                           static_cast<std::int64_t>(to));
      layers::Lengths ends;
      for (const std::size_t n : lengths) ends.push_back(std::clamp(n, from, to) - from);
      if (lengths.empty()) return state ? (*layer)(x, *state) : (*layer)(x);
      return state ? (*layer)(x, *state, ends) : (*layer)(x, ends);
    };
    using State = typename Layer::State;
    const State* none = nullptr;
    Variable<double> output;
    if (move.time < 0) {
      output = part(0, steps, none).output;
    } else {
      const auto k = static_cast<std::size_t>(move.time);
      Scalars parts;
      std::optional<State> state;
      const auto next = [&](std::size_t from, std::size_t to) {
        if (from == to) return;
        const auto result = part(from, to, state ? &*state : none);
        parts.push_back(result.output);
        state = result.state;
      };
      next(0, k);
      {
        const Moved moved(move, move.time);
        next(k, k + 1);
      }
      next(k + 1, steps);
      output = concatenate(parts, 0);
    }
    return loss_terms(sum(square(output - 0.3), {2}), lengths);
  };
  return {name, studied, run};
}

inline StudyModel rnn_model() {
  return layer_model<layers::RNN<double>>("tensor RNN", [] {
    return std::make_shared<layers::RNN<double>>(
        layers::RNNOptions<double>{.input_size = 3, .hidden_size = 4});
  });
}
inline StudyModel lstm_model() {
  return layer_model<layers::LSTM<double>>("LSTM of 2 layers", [] {
    return std::make_shared<layers::LSTM<double>>(
        layers::LSTMOptions{.input_size = 3, .hidden_size = 4, .num_layers = 2});
  });
}
inline StudyModel gru_model() {
  return layer_model<layers::GRU<double>>("GRU", [] {
    return std::make_shared<layers::GRU<double>>(
        layers::GRUOptions{.input_size = 3, .hidden_size = 4});
  });
}
/// Uses its recurrent weight twice in a step.
inline StudyModel gru_reset_before_model() {
  return layer_model<layers::GRU<double>>("GRU, reset before", [] {
    return std::make_shared<layers::GRU<double>>(
        layers::GRUOptions{.input_size = 3, .hidden_size = 4, .reset_after = false});
  });
}
inline StudyModel lengths_model() {
  return layer_model<layers::LSTM<double>>(
      "LSTM with lengths",
      [] {
        return std::make_shared<layers::LSTM<double>>(
            layers::LSTMOptions{.input_size = 3, .hidden_size = 4});
      },
      {4, 6});
}

/// Two cells that read the sequence from both ends.
inline StudyModel bidirectional_model() {
  struct Cells {
    layers::RNNCell<double> forward{{.input_size = 3, .hidden_size = 4}};
    layers::RNNCell<double> reverse{{.input_size = 3, .hidden_size = 4}};
  };
  const auto cells = std::make_shared<Cells>();
  const auto run = [cells](Tape<double>& tape, const Move& move) {
    const auto x = tape.constant(sample<double>({6, 2, 3}, 5));
    const auto read = [&](layers::RNNCell<double>& cell, bool reverse) {
      Scalars states(6);
      auto state = tape.constant(zeros<double>({2, 4}));
      for (std::int64_t i = 0; i < 6; ++i) {
        const std::int64_t t = reverse ? 5 - i : i;
        const auto step = tape.step(static_cast<std::size_t>(t));
        const Moved moved(move, t);
        state = cell(select(x, 0, t), state);
        states[static_cast<std::size_t>(t)] = state;
      }
      return states;
    };
    const Scalars ahead = read(cells->forward, false);
    const Scalars back = read(cells->reverse, true);
    Scalars outputs;
    for (std::size_t t = 0; t < 6; ++t) outputs.push_back(ahead[t] * back[t]);
    return squares(outputs);
  };
  return {"bidirectional",
          {&cells->forward.weights().weight_hh, &cells->reverse.weights().weight_hh,
           &cells->reverse.weights().bias_ih},
          run};
}

/// A decoder that looks at all states of an encoder: lags are those between the two.
inline StudyModel attention_model() {
  struct Parts {
    layers::GRUCell<double> encoder{{.input_size = 3, .hidden_size = 4}};
    layers::GRUCell<double> decoder{{.input_size = 4, .hidden_size = 4}};
    layers::AdditiveAttention<double> attention{4, 4, 5};
  };
  const auto parts = std::make_shared<Parts>();
  const auto run = [parts](Tape<double>& tape, const Move& move) {
    const auto x = tape.constant(sample<double>({6, 2, 3}, 5));
    Scalars states;
    auto state = tape.constant(zeros<double>({2, 4}));
    for (std::int64_t t = 0; t < 6; ++t) {
      const auto step = tape.step(static_cast<std::size_t>(t));
      const Moved moved(move, t);
      state = parts->encoder(select(x, 0, t), state);
      states.push_back(state);
    }
    const auto memory = parts->attention.memory(stack(states));
    Scalars outputs;
    for (std::int64_t t = 0; t < 4; ++t) {
      const auto step = tape.step(static_cast<std::size_t>(t));
      const Moved moved(move, t);
      const auto seen = parts->attention(expand_dims(state, 0), memory);
      state = parts->decoder(select(seen.context, 0, 0), state);
      outputs.push_back(state);
    }
    return squares(outputs);
  };
  return {"attention",
          {&parts->encoder.weights().weight_hh, &parts->decoder.weights().weight_hh,
           &parts->attention.query.weight(), &parts->attention.keys.weight()},
          run};
}

inline std::vector<StudyModel> study_models() {
  seed(11);
  return {scalar_rnn_model(),       rnn_model(),     lstm_model(),          gru_model(),
          gru_reset_before_model(), lengths_model(), bidirectional_model(), attention_model()};
}

/// sum_t w_t L_t, recorded.
inline Variable<double> objective(Tape<double>& tape, const LossTerms<double>& terms) {
  Variable<double> total;
  for (const LossTerm<double>& term : terms) {
    Variable<double> loss = term.loss;
    if (!term.seed.empty()) {
      Array<double> seed(term.loss.value());
      std::copy(term.seed.begin(), term.seed.end(), seed.data());
      loss = sum(loss * tape.constant(seed));
    }
    total = total.valid() ? total + term.weight * loss : term.weight * loss;
  }
  return total;
}

/// The values of L_t.
inline std::vector<double> loss_values(const LossTerms<double>& terms) {
  std::vector<double> values;
  for (const LossTerm<double>& term : terms) {
    const Array<double> losses(term.loss.value());
    double value = 0;
    for (std::size_t k = 0; k < losses.size(); ++k)
      value += losses.data()[k] * (term.seed.empty() ? 1 : term.seed[k]);
    values.push_back(value);
  }
  return values;
}

/// What a study must leave alone: the extent of the tape, its memory, gradients and values.
class Untouched {
 public:
  Untouched(Tape<double>& tape, const StudyModel& model) : tape_(tape), model_(model) {
    remember(size_, memory_, grads_);
  }
  void check() const {
    std::size_t size = 0, memory = 0;
    std::vector<double> grads;
    remember(size, memory, grads);
    BOOST_TEST(size == size_);
    BOOST_TEST(memory == memory_);
    BOOST_TEST(grads == grads_);
  }

 private:
  void remember(std::size_t& size, std::size_t& memory, std::vector<double>& grads) const {
    size = tape_.size();
    memory = tape_.memory_used();
    for (const auto& entry : tape_.state().entries)
      for (std::size_t k = 0; k < entry.shape.size(); ++k) {
        grads.push_back(tape_.state().has_grad(entry) ? entry.grad[k] : -77);
        grads.push_back(entry.released ? -78 : entry.data[k]);
      }
    for (Parameter<double>* parameter : model_.studied) {
      const Array<double>& grad = std::as_const(*parameter).grad();
      grads.insert(grads.end(), grad.begin(), grad.end());
      grads.push_back(parameter->has_grad() ? 1 : 0);
    }
  }

  Tape<double>& tape_;
  const StudyModel& model_;
  std::size_t size_ = 0, memory_ = 0;
  std::vector<double> grads_;
};

}  // namespace tapestry::test
