// SPDX-License-Identifier: MIT
// The character model of tests/northstar/char_lm.cpp with libtorch: the other side of the
// comparison of compile times in build_costs.sh.
#include <torch/torch.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

struct CharLM : torch::nn::Module {
  torch::nn::Embedding embed{nullptr};
  torch::nn::LSTM lstm{nullptr};
  torch::nn::Linear head{nullptr};

  explicit CharLM(std::int64_t vocabulary) {
    embed = register_module("embed", torch::nn::Embedding(vocabulary, 64));
    lstm = register_module("lstm", torch::nn::LSTM(torch::nn::LSTMOptions(64, 128).num_layers(2)));
    head = register_module("head", torch::nn::Linear(128, vocabulary));
  }
};

int main(int argc, char** argv) {
  std::ifstream file(argc > 1 ? argv[1] : "/usr/share/common-licenses/GPL-3");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::map<char, std::int64_t> numbers;
  std::vector<std::int64_t> tokens;
  for (const char c : text)
    tokens.push_back(
        numbers.try_emplace(c, static_cast<std::int64_t>(numbers.size())).first->second);

  torch::manual_seed(1);
  CharLM model(static_cast<std::int64_t>(numbers.size()));
  torch::optim::Adam adam(model.parameters(), torch::optim::AdamOptions(2e-3));
  constexpr std::int64_t steps = 50, batch = 32;
  const std::int64_t length = (static_cast<std::int64_t>(tokens.size()) - 1) / batch;
  const auto all = torch::tensor(tokens);
  std::tuple<torch::Tensor, torch::Tensor> carry;
  for (std::int64_t step = 0; step < 100; ++step) {
    const std::int64_t at = step * steps % (length - steps);
    const auto cut = [&](std::int64_t first) {
      return all.narrow(0, first, batch * length).view({batch, length}).narrow(1, at, steps).t();
    };
    const auto x = model.embed(cut(0));
    const auto [output, state] = step == 0 ? model.lstm(x) : model.lstm(x, carry);
    const auto loss =
        torch::nn::functional::cross_entropy(model.head(output).flatten(0, 1), cut(1).flatten());
    loss.backward();
    torch::nn::utils::clip_grad_norm_(model.parameters(), 5.0);
    adam.step();
    adam.zero_grad();
    carry = {std::get<0>(state).detach(), std::get<1>(state).detach()};
    if (step % 10 == 0) std::cout << "step " << step << "  loss " << loss.item<float>() << '\n';
  }
}
