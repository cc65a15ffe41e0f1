// SPDX-License-Identifier: MIT
// Training steps of recurrent language models against libtorch, in one process and turn by turn:
// forward, loss, backward, clipping by the global norm and Adam, in float.
//
//   compare_libtorch [--threads n] [--rounds n] [--rows tiny,small,...] [--cells lstm,gru,rnn]
//
// Prints the medians of both, in milliseconds, and how many times longer libtorch takes. With
// several threads run it under OMP_WAIT_POLICY=passive: two thread pools that spin disturb each
// other.
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fused/gru.hpp"
#include "fused/lstm.hpp"
#include "fused/rnn.hpp"
#include "tapestry/tapestry.hpp"

extern "C" {
void openblas_set_num_threads(int count);
int openblas_get_num_threads();
}

namespace tp = tapestry;

namespace {

enum class Input { dense, one_hot, embedded };

struct Row {
  const char* name;
  std::size_t layers;
  std::size_t steps;
  std::size_t batch;
  std::size_t inputs;
  std::size_t units;
  std::size_t classes;
  Input input;

  [[nodiscard]] std::size_t tokens() const { return steps * batch; }
};

constexpr std::array rows{Row{"tiny", 1, 32, 1, 16, 16, 16, Input::dense},
                          Row{"small", 1, 30, 32, 64, 64, 64, Input::dense},
                          Row{"charrnn", 2, 50, 50, 65, 128, 65, Input::one_hot},
                          Row{"zaremba-small", 2, 20, 20, 200, 200, 10000, Input::embedded},
                          Row{"zaremba-medium", 2, 35, 20, 650, 650, 10000, Input::embedded},
                          Row{"large", 1, 64, 64, 1024, 1024, 256, Input::dense}};
constexpr const char* usual_rows = "tiny,small,charrnn,zaremba-small";
constexpr double max_norm = 5;
constexpr double learning_rate = 1e-3;

/// libtorch's model. Its input is made ready beforehand, one-hot vectors included.
struct Theirs {
  Row row;
  torch::nn::LSTM lstm{nullptr};
  torch::nn::GRU gru{nullptr};
  torch::nn::RNN rnn{nullptr};
  torch::nn::Embedding embedding{nullptr};
  torch::nn::Linear head{nullptr};
  std::vector<torch::Tensor> parameters;  // embedding, recurrent layers, head
  std::unique_ptr<torch::optim::Adam> adam;
  torch::Tensor tokens, x, targets;

  Theirs(const Row& r, const std::string& cell) : row(r) {
    const auto n = [](std::size_t size) { return static_cast<std::int64_t>(size); };
    torch::manual_seed(1);
    if (row.input == Input::embedded) add(embedding, n(row.classes), n(row.inputs));
    if (cell == "lstm")
      add(lstm, torch::nn::LSTMOptions(n(row.inputs), n(row.units)).num_layers(n(row.layers)));
    else if (cell == "gru")
      add(gru, torch::nn::GRUOptions(n(row.inputs), n(row.units)).num_layers(n(row.layers)));
    else
      add(rnn, torch::nn::RNNOptions(n(row.inputs), n(row.units)).num_layers(n(row.layers)));
    add(head, n(row.units), n(row.classes));
    adam =
        std::make_unique<torch::optim::Adam>(parameters, torch::optim::AdamOptions(learning_rate));
    tokens = torch::randint(n(row.classes), {n(row.steps), n(row.batch)}, torch::kLong);
    targets = torch::randint(n(row.classes), {n(row.tokens())}, torch::kLong);
    if (row.input == Input::one_hot) x = torch::one_hot(tokens, n(row.inputs)).to(torch::kFloat);
    if (row.input == Input::dense) x = torch::randn({n(row.steps), n(row.batch), n(row.inputs)});
  }

  template <class Holder, class... Args>
  void add(Holder& module, Args&&... args) {
    module = Holder(std::forward<Args>(args)...);
    for (const torch::Tensor& p : module->parameters()) parameters.push_back(p);
  }

  torch::Tensor loss() {
    const torch::Tensor in = embedding ? embedding(tokens) : x;
    const torch::Tensor y = lstm  ? std::get<0>(lstm(in))
                            : gru ? std::get<0>(gru(in))
                                  : std::get<0>(rnn(in));
    return torch::nn::functional::cross_entropy(head(y).flatten(0, 1), targets);
  }

  double step() {
    const torch::Tensor value = loss();
    for (torch::Tensor& p : parameters) p.mutable_grad().reset();
    value.backward();
    torch::nn::utils::clip_grad_norm_(parameters, max_norm);
    adam->step();
    return value.item<double>();
  }
};

/// Ours, with libtorch's weights.
class Ours {
 public:
  Ours(const Theirs& theirs, std::string cell)
      : row_(theirs.row), cell_(std::move(cell)), parameters_(theirs.parameters.size()) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i] = tp::Parameter<float>(copy<float>(theirs.parameters[i]));
      list_.push_back(&parameters_[i]);
    }
    adam_ = std::make_unique<tp::optim::Adam<float>>(
        list_, tp::optim::AdamOptions{.learning_rate = learning_rate});
    tokens_ = copy<std::int64_t>(theirs.tokens);
    targets_ = copy<std::int64_t>(theirs.targets.view(theirs.tokens.sizes()));
    if (theirs.x.defined()) x_ = copy<float>(theirs.x);
  }

  double step() {
    tape_.clear();
    adam_->zero_grad();
    const tp::Variable<float> loss = forward();
    loss.backward();
    tp::optim::clip_grad_norm(list_, max_norm);
    adam_->step();
    return static_cast<double>(loss.item());
  }

  [[nodiscard]] std::size_t peak() const { return tape_.memory_peak(); }

 private:
  template <class T>
  static tp::Array<T> copy(const torch::Tensor& tensor) {
    const torch::Tensor flat = tensor.detach().contiguous();
    tp::Array<T> array;
    array.resize(std::vector<std::size_t>(flat.sizes().begin(), flat.sizes().end()));
    std::copy_n(flat.data_ptr<T>(), array.size(), array.data());
    return array;
  }

  tp::Variable<float> forward() {
    std::size_t next = 0;
    const auto watch = [&] { return tape_.watch(parameters_[next++]); };
    tp::Variable<float> y =
        row_.input == Input::embedded ? take(watch(), tokens_, 0) : tape_.constant(x_);
    for (std::size_t l = 0; l < row_.layers; ++l) {
      tp::layers::SequenceWeights<float> w;
      for (auto* part : {&w.w_ih, &w.w_hh, &w.b_ih, &w.b_hh}) *part = watch();
      y = cell_ == "lstm"  ? tp::layers::fused_lstm(y, w).output
          : cell_ == "gru" ? tp::layers::fused_gru(y, w).output
                           : tp::layers::fused_rnn(y, w, tp::layers::Activation::tanh).output;
    }
    const auto weight = watch();
    const auto logits = matmul(y, weight, {.transpose_b = true}) + watch();
    return softmax_cross_entropy(logits, targets_);
  }

  Row row_;
  std::string cell_;
  std::vector<tp::Parameter<float>> parameters_;
  tp::ParameterList<float> list_;
  std::unique_ptr<tp::optim::Adam<float>> adam_;
  tp::Indices tokens_, targets_;
  tp::Array<float> x_;
  tp::Tape<float> tape_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Milliseconds of one of `count` runs.
double time_of(std::size_t count, const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) run();
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
  return time.count() / static_cast<double>(count);
}

void compare(const Row& row, const std::string& cell, int threads, std::size_t rounds) {
  Theirs theirs(row, cell);
  Ours ours(theirs, cell);
  openblas_set_num_threads(threads);
  const double difference = std::abs(theirs.step() - ours.step());
  int our_blas = openblas_get_num_threads();  // each side keeps its own setting of the BLAS
  std::vector<double> their_times, our_times, ratios;
  const std::size_t inner = std::strcmp(row.name, "tiny") == 0 ? 10 : 1;
  for (std::size_t i = 0; i < rounds + 2; ++i) {
    openblas_set_num_threads(threads);
    const double theirs_ms = time_of(inner, [&] { theirs.step(); });
    openblas_set_num_threads(our_blas);
    const double ours_ms = time_of(3 * inner, [&] { ours.step(); });
    our_blas = openblas_get_num_threads();
    if (i < 2) continue;  // warming up
    their_times.push_back(theirs_ms);
    our_times.push_back(ours_ms);
    ratios.push_back(theirs_ms / ours_ms);
  }
  std::printf("%-15s %-5s %d %11.3f %11.3f %8.2f   peak %7.1f MB, losses differ by %.1e\n",
              row.name, cell.c_str(), threads, median(their_times), median(our_times),
              median(ratios), static_cast<double>(ours.peak()) / 1e6, difference);
  std::fflush(stdout);
}

/// Whether `name` is in a list that commas separate.
bool contains(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options{
      {"--threads", "1"}, {"--rounds", "15"}, {"--rows", usual_rows}, {"--cells", "lstm,gru,rnn"}};
  for (int i = 1; i < argc; i += 2) {
    if (!options.contains(argv[i]) || i + 1 == argc) {
      std::fprintf(stderr, "unknown option or missing value: %s\n", argv[i]);
      return 2;
    }
    options[argv[i]] = argv[i + 1];
  }
  const int threads = std::stoi(options["--threads"]);
  at::set_num_interop_threads(1);
  at::set_num_threads(threads);
  tp::set_num_threads(threads);
  std::printf("%-15s %-5s %s %11s %11s %8s\n", "row", "cell", "n", "torch ms", "ours ms", "ratio");
  for (const char* cell : {"lstm", "gru", "rnn"})
    for (const Row& row : rows)
      if (contains(options["--cells"], cell) && contains(options["--rows"], row.name))
        compare(row, cell, threads, static_cast<std::size_t>(std::stoul(options["--rounds"])));
  return 0;
}
