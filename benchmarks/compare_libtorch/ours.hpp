// SPDX-License-Identifier: MIT
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "rows.hpp"
#include "tapestry/tapestry.hpp"
#include "theirs.hpp"

namespace compare {

template <class T>
tapestry::Array<T> copy(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().contiguous();
  tapestry::Array<T> array;
  array.resize(std::vector<std::size_t>(flat.sizes().begin(), flat.sizes().end()));
  std::copy_n(flat.data_ptr<T>(), array.size(), array.data());
  return array;
}

/// What the comparison does with a model of ours, whatever its cell.
class OursBase {
 public:
  virtual ~OursBase() = default;
  virtual double train() = 0;
  virtual double forward() = 0;
  virtual double stream() = 0;
};

template <class Layer>
struct Model {
  using T = typename Layer::value_type;
  using value_type = T;
  std::unique_ptr<tapestry::layers::Embedding<T>> embed;  // null for other inputs
  Layer recurrent;
  tapestry::layers::Linear<T> head;

  explicit Model(const Row& row)
      : recurrent({.input_size = row.inputs, .hidden_size = row.units, .num_layers = row.layers}),
        head(row.units, row.classes) {
    if (row.input == Input::embedded)
      embed = std::make_unique<tapestry::layers::Embedding<T>>(row.classes, row.inputs);
  }

  void visit(auto&& part) {
    if (embed) part("embed", *embed);
    part("recurrent", recurrent);
    part("head", head);
  }
};

/// Our model, written as a user would, with libtorch's weights and data.
template <class Layer>
class Ours : public OursBase {
 public:
  using T = typename Layer::value_type;

  explicit Ours(const Theirs& theirs)
      : model_(theirs.row),
        parameters_(tapestry::parameters(model_)),
        adam_(parameters_, {.learning_rate = learning_rate}) {
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      parameters_[i]->value() = copy<T>(theirs.parameters[i]);
    tokens_ = copy<std::int64_t>(theirs.tokens);
    targets_ = copy<std::int64_t>(theirs.targets.view(theirs.tokens.sizes()));
    if (theirs.x.defined()) x_ = copy<T>(theirs.x);
  }

  double train() override {
    tape_.clear();
    adam_.zero_grad();
    const auto loss =
        softmax_cross_entropy(model_.head(model_.recurrent(input()).output), targets_);
    loss.backward();
    tapestry::optim::clip_grad_norm(parameters_, max_norm);
    adam_.step();
    return static_cast<double>(loss.item());
  }

  double forward() override {
    tape_.clear();
    const auto off = tape_.no_grad();
    return static_cast<double>(*model_.head(model_.recurrent(input()).output).value().data());
  }

  double stream() override {
    tape_.clear();
    const auto off = tape_.no_grad();
    const auto [output, state] = model_.recurrent(input(), carry_);
    state.carry(carry_);
    return static_cast<double>(*model_.head(output).value().data());
  }

 private:
  tapestry::Variable<T> input() {
    return model_.embed ? (*model_.embed)(tape_, tokens_) : tape_.constant(x_);
  }

  Model<Layer> model_;
  tapestry::ParameterList<T> parameters_;
  tapestry::optim::Adam<T> adam_;
  tapestry::Indices tokens_, targets_;
  tapestry::Array<T> x_;
  typename Layer::Carry carry_;
  tapestry::Tape<T> tape_;
};

template <class T>
std::unique_ptr<OursBase> make_ours(const Theirs& theirs, const std::string& cell) {
  if (cell == "lstm") return std::make_unique<Ours<tapestry::layers::LSTM<T>>>(theirs);
  if (cell == "gru") return std::make_unique<Ours<tapestry::layers::GRU<T>>>(theirs);
  return std::make_unique<Ours<tapestry::layers::RNN<T>>>(theirs);
}

}  // namespace compare
