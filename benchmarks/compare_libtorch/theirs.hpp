// SPDX-License-Identifier: MIT
#pragma once

#include <torch/torch.h>

#include <memory>
#include <tuple>
#include <vector>

#include "rows.hpp"

namespace compare {

/// libtorch's model. Its input is made ready beforehand, one-hot vectors included.
class Theirs {
 public:
  Theirs(const Row& r, const std::string& cell, torch::Dtype type) : row(r) {
    const auto n = [](std::size_t size) { return static_cast<std::int64_t>(size); };
    torch::manual_seed(1);
    if (row.input == Input::embedded) add(embedding_, type, n(row.classes), n(row.inputs));
    const auto in = n(row.inputs), units = n(row.units), layers = n(row.layers);
    if (cell == "lstm")
      add(lstm_, type, torch::nn::LSTMOptions(in, units).num_layers(layers));
    else if (cell == "gru")
      add(gru_, type, torch::nn::GRUOptions(in, units).num_layers(layers));
    else
      add(rnn_, type, torch::nn::RNNOptions(in, units).num_layers(layers));
    add(head_, type, units, n(row.classes));
    adam_ =
        std::make_unique<torch::optim::Adam>(parameters, torch::optim::AdamOptions(learning_rate));
    tokens = torch::randint(n(row.classes), {n(row.steps), n(row.batch)}, torch::kLong);
    targets = torch::randint(n(row.classes), {n(row.tokens())}, torch::kLong);
    if (row.input == Input::one_hot) x = torch::one_hot(tokens, in).to(type);
    if (row.input == Input::dense) x = torch::randn({n(row.steps), n(row.batch), in}, type);
  }

  /// Forward, loss, backward, clipping by the global norm, Adam. Returns the loss.
  double train() {
    const torch::Tensor value =
        torch::nn::functional::cross_entropy(head_(run()).flatten(0, 1), targets);
    for (torch::Tensor& p : parameters) p.mutable_grad().reset();
    value.backward();
    torch::nn::utils::clip_grad_norm_(parameters, max_norm);
    adam_->step();
    return value.item<double>();
  }

  /// The logits of all steps; returns one of them.
  double forward() {
    const torch::NoGradGuard off;
    return head_(run()).flatten()[0].item<double>();
  }

  /// The logits of one step, from the state of the step before.
  double stream() {
    const torch::NoGradGuard off;
    return head_(run(true)).flatten()[0].item<double>();
  }

  Row row;
  std::vector<torch::Tensor> parameters;  // embedding, recurrent layers, head
  torch::Tensor tokens, x, targets;

 private:
  template <class Holder, class... Args>
  void add(Holder& module, torch::Dtype type, Args&&... args) {
    module = Holder(std::forward<Args>(args)...);
    module->to(type);
    for (const torch::Tensor& p : module->parameters()) parameters.push_back(p);
  }

  torch::Tensor run(bool carry = false) {
    const torch::Tensor in = embedding_ ? embedding_(tokens) : x;
    if (!carry) h_ = c_ = torch::Tensor();
    torch::Tensor y;
    if (lstm_) {
      torch::optional<std::tuple<torch::Tensor, torch::Tensor>> state;
      if (h_.defined()) state = std::tuple{h_, c_};
      std::tuple<torch::Tensor, torch::Tensor> last;
      std::tie(y, last) = lstm_(in, state);
      if (carry) std::tie(h_, c_) = last;
    } else {
      torch::Tensor last;
      std::tie(y, last) = gru_ ? gru_(in, h_) : rnn_(in, h_);
      if (carry) h_ = last;
    }
    return y;
  }

  torch::nn::LSTM lstm_{nullptr};
  torch::nn::GRU gru_{nullptr};
  torch::nn::RNN rnn_{nullptr};
  torch::nn::Embedding embedding_{nullptr};
  torch::nn::Linear head_{nullptr};
  std::unique_ptr<torch::optim::Adam> adam_;
  torch::Tensor h_, c_;
};

}  // namespace compare
