// SPDX-License-Identifier: MIT
// Random configurations of recurrent layers, run by the library and by libtorch: values and all
// gradients. Other configurations than those of recurrent_pytorch_test.cpp.
#define BOOST_TEST_MODULE oracle_recurrent_libtorch
#include <boost/test/unit_test.hpp>

#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "layer_checks.hpp"
#include "recurrent_cases.hpp"

namespace tapestry::test {
namespace {

using torch::Tensor;

constexpr std::uint64_t first_seed = 10'000, cases = 1'000;

RecurrentCase random_case(std::uint64_t seed) {
  Generator random(seed);
  const auto between = [&](std::size_t low, std::size_t high) {
    return low + static_cast<std::size_t>(random.below(high - low + 1));
  };
  RecurrentCase c;
  c.seed = seed;
  c.kind = std::vector<std::string>{"rnn_tanh", "rnn_relu", "lstm", "lstm_proj", "gru"}[seed % 5];
  c.steps = between(1, 8);
  c.batch = between(1, 5);
  c.input_size = between(1, 6);
  c.hidden_size = between(2, 7);
  c.proj_size = c.kind == "lstm_proj" ? between(1, c.hidden_size - 1) : 0;
  c.num_layers = between(1, 3);
  c.bias = random.uniform() < 0.7;
  c.bidirectional = random.uniform() < 0.5;
  c.state = random.uniform() < 0.5;
  if (random.uniform() < 0.6)
    for (std::size_t b = 0; b < c.batch; ++b) c.lengths.push_back(between(1, c.steps));
  return c;
}

template <class T>
constexpr torch::ScalarType scalar_type = torch::CppTypeToScalarType<T>::value;

template <class T>
Tensor tensor_of(const Array<T>& array) {
  const std::vector<std::int64_t> sizes(array.shape().begin(), array.shape().end());
  Tensor tensor = torch::empty(sizes, scalar_type<T>);
  std::copy(array.begin(), array.end(), tensor.template data_ptr<T>());
  return tensor;
}

template <class T>
Array<T> array_of(const Tensor& tensor) {
  const Tensor packed = tensor.detach().contiguous();
  Array<T> array(xt::dynamic_shape<std::size_t>(packed.sizes().begin(), packed.sizes().end()));
  std::copy_n(packed.template data_ptr<T>(), array.size(), array.data());
  return array;
}

/// The parts of the final state.
std::vector<Tensor> parts_of(const Tensor& h) { return {h}; }
std::vector<Tensor> parts_of(const std::tuple<Tensor, Tensor>& state) {
  return {std::get<0>(state), std::get<1>(state)};
}

/// An initial state as the module wants it.
Tensor initial_of(const std::vector<Tensor>& parts, const Tensor&) {
  return parts.empty() ? Tensor() : parts[0];
}
torch::optional<std::tuple<Tensor, Tensor>> initial_of(const std::vector<Tensor>& parts,
                                                       const std::tuple<Tensor, Tensor>&) {
  if (parts.empty()) return torch::nullopt;
  return std::tuple(parts[0], parts[1]);
}

template <class Final>
std::vector<Tensor> forward(auto& module, const RecurrentCase& c, const Tensor& x,
                            const std::vector<Tensor>& initial) {
  namespace rnn = torch::nn::utils::rnn;
  const auto state = initial_of(initial, Final());
  std::vector<Tensor> outputs;
  const auto finish = [&](const Tensor& output, const Final& last) {
    outputs = parts_of(last);
    outputs.insert(outputs.begin(), output);
  };
  if (c.lengths.empty()) {
    const auto [output, last] = module->forward(x, state);
    finish(output, last);
  } else {
    const std::vector<std::int64_t> lengths(c.lengths.begin(), c.lengths.end());
    const auto packed = rnn::pack_padded_sequence(x, torch::tensor(lengths), false, false);
    const auto [output, last] = module->forward_with_packed_input(packed, state);
    const auto steps = static_cast<std::int64_t>(c.steps);
    finish(std::get<0>(rnn::pad_packed_sequence(output, false, 0, steps)), last);
  }
  return outputs;
}

template <class T, class Final>
CaseResults<T> run_torch(auto module, const RecurrentCase& c) {
  module->to(scalar_type<T>);
  std::uint64_t number = parameter_tensors;
  for (Tensor& p : module->parameters()) {
    const torch::NoGradGuard off;
    const Shape shape(p.sizes());
    p.copy_(tensor_of<T>(case_numbers<T>(c.seed, number++, shape) / 2));
  }
  const auto leaf = [&](std::uint64_t tensor, const Shape& shape) {
    return tensor_of(case_numbers<T>(c.seed, tensor, shape)).set_requires_grad(true);
  };
  const Tensor x = leaf(0, {c.steps, c.batch, c.input_size});
  std::vector<Tensor> initial;
  const std::size_t parts = parts_of(Final()).size();
  for (std::size_t k = 0; c.state && k < parts; ++k)
    initial.push_back(leaf(
        1 + k, {c.places(), c.batch, k == 0 && c.proj_size > 0 ? c.proj_size : c.hidden_size}));
  const auto outputs = forward<Final>(module, c, x, initial);
  CaseResults<T> results;
  Tensor loss = torch::zeros({}, x.options());
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    results[std::vector<std::string>{"output", "h_n", "c_n"}[k]] = array_of<T>(outputs[k]);
    const Shape shape(outputs[k].sizes());
    loss = loss +
           (outputs[k] * tensor_of(case_numbers<T>(c.seed, cotangent_tensors + k, shape))).sum();
  }
  loss.backward();
  results["grad/input"] = array_of<T>(x.grad());
  for (std::size_t k = 0; k < initial.size(); ++k)
    results[k == 0 ? "grad/h_0" : "grad/c_0"] = array_of<T>(initial[k].grad());
  for (const auto& p : module->named_parameters())
    results["grad/" + p.key()] = array_of<T>(p.value().grad());
  return results;
}

template <class T>
CaseResults<T> run_torch(const RecurrentCase& c) {
  const auto with = [&](auto options) {
    return options.num_layers(static_cast<std::int64_t>(c.num_layers))
        .bias(c.bias)
        .bidirectional(c.bidirectional);
  };
  const auto inputs = static_cast<std::int64_t>(c.input_size);
  const auto hidden = static_cast<std::int64_t>(c.hidden_size);
  if (c.kind == "gru")
    return run_torch<T, Tensor>(torch::nn::GRU(with(torch::nn::GRUOptions(inputs, hidden))), c);
  if (c.kind.starts_with("lstm")) {
    const auto options =
        torch::nn::LSTMOptions(inputs, hidden).proj_size(static_cast<std::int64_t>(c.proj_size));
    return run_torch<T, std::tuple<Tensor, Tensor>>(torch::nn::LSTM(with(options)), c);
  }
  auto options = torch::nn::RNNOptions(inputs, hidden);
  if (c.kind == "rnn_relu") options.nonlinearity(torch::kReLU);
  return run_torch<T, Tensor>(torch::nn::RNN(with(options)), c);
}

/// The largest difference, relative to the largest number of the tensor, but at least to 0.01: see
/// recurrent_pytorch_test.cpp.
template <class T>
double difference(const Array<T>& actual, const Array<T>& expected) {
  double scale = 0.01;
  for (const T value : expected) scale = std::max(scale, std::abs(static_cast<double>(value)));
  return max_difference(actual, expected) / scale;
}

}  // namespace

using Types = std::tuple<float, double>;

BOOST_AUTO_TEST_CASE_TEMPLATE(random_configurations, T, Types) {
  torch::set_num_threads(1);
  std::size_t compared = 0;
  for (std::uint64_t seed = first_seed; seed < first_seed + cases; ++seed) {
    const RecurrentCase c = random_case(seed);
    const auto actual = run_case<T>(c);
    const auto expected = run_torch<T>(c);
    BOOST_REQUIRE_EQUAL(actual.size(), expected.size());
    for (const auto& [name, array] : expected) {
      const double error = difference(actual.at(name), array);
      // Both run in T here, so both have its error.
      BOOST_TEST(error < 2 * tolerance<T>, c.kind << "/" << seed << ", " << name << ": " << error);
      ++compared;
    }
  }
  BOOST_TEST_MESSAGE(compared << " arrays agree with libtorch");
  BOOST_TEST(compared > 10 * cases);
}

}  // namespace tapestry::test
