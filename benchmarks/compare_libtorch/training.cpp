// SPDX-License-Identifier: MIT
// The same character model trained by Tapestry and by libtorch on the same text, with several
// seeds each: the curves of the loss in one picture, and the time of an epoch.
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <tapestry/autodiff/curves.hpp>
#include <tapestry/tapestry.hpp>
#include <tuple>
#include <utility>
#include <vector>

namespace tp = tapestry;

namespace {

constexpr std::size_t embedding = 64, units = 128, layers = 2;
constexpr double max_norm = 5;

struct Options {
  std::string text;
  std::string picture = "training.svg";
  std::size_t epochs = 3;
  std::size_t seeds = 3;
  std::size_t sequence = 50;
  std::size_t batch = 50;
  std::size_t interval = 50;  // steps whose losses are one point of a curve
  double learning_rate = 2e-3;
  int threads = 1;
};

/// What the comparison needs of a model, whichever library trains it.
class Learner {
 public:
  virtual ~Learner() = default;
  virtual void restart() = 0;  // the state of an earlier text is forgotten
  virtual double train(const tp::data::SequenceBatch& batch) = 0;
  virtual double measure(const tp::data::SequenceBatch& batch) = 0;
};

struct Model {
  tp::layers::Embedding<> embed;
  tp::layers::LSTM<> lstm;
  tp::layers::Linear<> head;

  explicit Model(std::size_t vocabulary)
      : embed(vocabulary, embedding),
        lstm({.input_size = embedding, .hidden_size = units, .num_layers = layers}),
        head(units, vocabulary) {}

  void visit(auto&& part) {
    part("embed", embed);
    part("lstm", lstm);
    part("head", head);
  }
};

class Ours final : public Learner {
 public:
  Ours(std::size_t vocabulary, const Options& options)
      : model_(vocabulary),
        adam_(tp::parameters(model_), {.learning_rate = options.learning_rate}) {}

  void restart() override { carry_ = {}; }

  double train(const tp::data::SequenceBatch& batch) override {
    const auto loss = run(batch);
    loss.backward();
    tp::optim::clip_grad_norm(adam_.parameters(), max_norm);
    adam_.step();
    adam_.zero_grad();
    return loss.item();
  }

  double measure(const tp::data::SequenceBatch& batch) override {
    const auto off = tape_.no_grad();
    return run(batch).item();
  }

 private:
  tp::Variable<> run(const tp::data::SequenceBatch& batch) {
    tape_.clear();
    const auto [output, state] = model_.lstm(model_.embed(tape_, batch.tokens), carry_);
    state.carry(carry_);
    return tp::softmax_cross_entropy(model_.head(output), batch.targets);
  }

  Model model_;
  tp::optim::Adam<> adam_;
  tp::Tape<> tape_;
  tp::layers::LSTM<>::Carry carry_;
};

class Theirs final : public Learner {
 public:
  Theirs(std::size_t vocabulary, const Options& options)
      : embed_(torch::nn::EmbeddingOptions(number(vocabulary), embedding)),
        lstm_(torch::nn::LSTMOptions(embedding, units).num_layers(layers)),
        head_(units, number(vocabulary)) {
    for (const auto& list : {embed_->parameters(), lstm_->parameters(), head_->parameters()})
      parameters_.insert(parameters_.end(), list.begin(), list.end());
    adam_ = std::make_unique<torch::optim::Adam>(parameters_,
                                                 torch::optim::AdamOptions(options.learning_rate));
  }

  void restart() override { state_ = torch::nullopt; }

  double train(const tp::data::SequenceBatch& batch) override {
    const torch::Tensor loss = run(batch);
    adam_->zero_grad();
    loss.backward();
    torch::nn::utils::clip_grad_norm_(parameters_, max_norm);
    adam_->step();
    return loss.item<double>();
  }

  double measure(const tp::data::SequenceBatch& batch) override {
    const torch::NoGradGuard off;
    return run(batch).item<double>();
  }

 private:
  static std::int64_t number(std::size_t size) { return static_cast<std::int64_t>(size); }

  static torch::Tensor tensor(const tp::Indices& tokens) {
    auto* data = const_cast<std::int64_t*>(tokens.data());
    return torch::from_blob(data, {number(tokens.shape(0)), number(tokens.shape(1))}, torch::kLong);
  }

  torch::Tensor run(const tp::data::SequenceBatch& batch) {
    torch::Tensor output;
    std::tuple<torch::Tensor, torch::Tensor> last;
    std::tie(output, last) = lstm_(embed_(tensor(batch.tokens)), state_);
    state_ = std::tuple{std::get<0>(last).detach(), std::get<1>(last).detach()};
    return torch::nn::functional::cross_entropy(head_(output).flatten(0, 1),
                                                tensor(batch.targets).flatten());
  }

  torch::nn::Embedding embed_;
  torch::nn::LSTM lstm_;
  torch::nn::Linear head_;
  std::vector<torch::Tensor> parameters_;
  std::unique_ptr<torch::optim::Adam> adam_;
  torch::optional<std::tuple<torch::Tensor, torch::Tensor>> state_;
};

struct Run {
  std::vector<double> steps, losses;  // the points of the curve
  std::vector<double> validation;     // after each epoch
  double seconds = 0;                 // of an epoch, without validation
};

double mean_loss(Learner& learner, tp::data::SequenceBatches& batches) {
  learner.restart();
  batches.restart();
  tp::data::Mean mean;
  for (std::size_t i = 0; i < batches.batches_per_epoch(); ++i)
    mean.add(learner.measure(batches.next()));
  return mean.value();
}

Run train(Learner& learner, tp::data::SequenceBatches batches, tp::data::SequenceBatches held_out,
          const Options& options) {
  Run run;
  tp::data::Mean mean;
  tp::data::SequenceBatch batch;
  std::size_t step = 0;
  for (std::size_t epoch = 0; epoch < options.epochs; ++epoch) {
    learner.restart();
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < batches.batches_per_epoch(); ++i) {
      batches.next(batch);
      mean.add(learner.train(batch));
      if (++step % options.interval != 0) continue;
      run.steps.push_back(static_cast<double>(step));
      run.losses.push_back(mean.value());
      mean.reset();
    }
    run.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                   static_cast<double>(options.epochs);
    run.validation.push_back(mean_loss(learner, held_out));
  }
  return run;
}

double mean_of(const std::vector<Run>& runs, std::size_t point) {
  double sum = 0;
  for (const Run& run : runs) sum += run.losses[point];
  return sum / static_cast<double>(runs.size());
}

/// The sum of the squared deviations of the seeds from their mean.
double spread(const std::vector<Run>& runs, std::size_t point) {
  double sum = 0;
  for (const Run& run : runs) sum += std::pow(run.losses[point] - mean_of(runs, point), 2);
  return sum;
}

/// How far the mean curves are apart, in standard errors of their difference (Student's t with
/// pooled variance): mean and maximum of its absolute value over the points.
void print_noise(const std::vector<Run>& ours, const std::vector<Run>& theirs) {
  const auto n = static_cast<double>(ours.size());
  tp::data::Mean distance, size;
  double worst = 0;
  for (std::size_t p = 0; p < ours[0].losses.size(); ++p) {
    const double variance = (spread(ours, p) + spread(theirs, p)) / (2 * n - 2);
    const double apart = mean_of(ours, p) - mean_of(theirs, p);
    const double t = std::abs(apart) / std::sqrt(variance * 2 / n);
    distance.add(apart);
    size.add(t);
    worst = std::max(worst, t);
  }
  std::printf(
      "ours - theirs: %.4f nats on average; |t| %.2f on average, at most %.2f, over %zu "
      "points (of equal curves about 0.9, with %g degrees of freedom)\n",
      distance.value(), size.value(), worst, ours[0].losses.size(), 2 * n - 2);
}

void print(const char* name, const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    std::printf("%-8s  %6.1f s an epoch, validation", name, run.seconds);
    for (const double loss : run.validation) std::printf(" %.4f", loss);
    std::printf("\n");
  }
}

void compare(const Options& options) {
  const auto vocabulary = tp::data::vocabulary_of_file(options.text, tp::data::Unit::character);
  const auto text = std::make_shared<const tp::data::TextTokens>(options.text, vocabulary);
  const std::size_t kept = text->size() / 10 * 9;
  const tp::data::SequenceBatches batches(std::make_shared<tp::data::TokenRange>(text, 0, kept),
                                          {.steps = options.sequence, .batch = options.batch});
  const tp::data::SequenceBatches held_out(
      std::make_shared<tp::data::TokenRange>(text, kept, text->size() - kept),
      {.steps = 250, .batch = 10});

  std::vector<Run> ours, theirs;
  for (std::size_t seed = 1; seed <= options.seeds; ++seed) {  // in turn, for the times
    tp::seed(seed);
    Ours mine(vocabulary.size(), options);
    ours.push_back(train(mine, batches, held_out, options));
    torch::manual_seed(seed);
    Theirs other(vocabulary.size(), options);
    theirs.push_back(train(other, batches, held_out, options));
  }
  print("Tapestry", ours);
  print("libtorch", theirs);
  print_noise(ours, theirs);

  std::vector<tp::Curve> curves;
  for (std::size_t s = 0; s < options.seeds; ++s) {
    const std::string number = ", seed " + std::to_string(s + 1);
    curves.push_back({"Tapestry" + number, ours[s].steps, ours[s].losses, false, 0});
    curves.push_back({"libtorch" + number, theirs[s].steps, theirs[s].losses, true, 1});
  }
  tp::save_curves(curves, options.picture,
                  {.x_label = "step", .y_label = "loss, nats per character"});
  std::printf("The curves: %s\n", options.picture.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a 2 x 128 character LSTM with Tapestry and with libtorch.");
  app.add_option("--text", options.text, "a file in UTF-8; its last tenth is held out")->required();
  app.add_option("--output", options.picture, "the curves, as SVG")->capture_default_str();
  app.add_option("--epochs", options.epochs)->capture_default_str();
  app.add_option("--seeds", options.seeds)->capture_default_str();
  app.add_option("--learning-rate", options.learning_rate, "of Adam")->capture_default_str();
  app.add_option("--threads", options.threads, "of each of the two")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    tp::set_num_threads(options.threads);
    torch::set_num_threads(options.threads);
    compare(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "compare_training: %s\n", error.what());
    return 1;
  }
}
