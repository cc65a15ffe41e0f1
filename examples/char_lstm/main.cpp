// SPDX-License-Identifier: MIT
// Trains a character LSTM on a text, writes a sample in its style, and draws its graph.
#include <unistd.h>
#include <tapestry/tapestry.hpp>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numbers>
#include <sstream>
#include <string>

#include "progress.hpp"

namespace tp = tapestry;

namespace {

struct CharLM {
  tp::layers::Embedding<> embed;
  tp::layers::LSTM<> lstm;
  tp::layers::Linear<> head;

  CharLM(std::size_t vocabulary, std::size_t hidden, std::size_t layers)
      : embed(vocabulary, 64),
        lstm({.input_size = 64, .hidden_size = hidden, .num_layers = layers}),
        head(hidden, vocabulary) {}

  void visit(auto&& part) {
    part("embed", embed);
    part("lstm", lstm);
    part("head", head);
  }
};

struct Options {
  std::string text;
  std::string output = ".";
  std::size_t steps = 600;
  double seconds = 45;
  std::size_t hidden = 128;
  std::size_t layers = 2;
  double learning_rate = 4e-3;
  double temperature = 0.7;
  std::size_t characters = 400;
  std::uint64_t seed = 1;
};

constexpr const char* licence = "/usr/share/common-licenses/GPL-3";

// For a machine that has no licence texts: enough to see something learned.
constexpr const char* last_resort =
    "A loom holds many threads under tension, and the weaver passes one more thread through them, "
    "over and under, over and under. A row by itself shows nothing. After a hundred rows there is "
    "a "
    "leaf, after a thousand a garden with a wall around it, and a bird upon the wall. Whoever "
    "looks "
    "at the back of the cloth sees every thread that was ever used, where it came from and where "
    "it "
    "went. The picture on the front is made of nothing else. So it is with a computation: each "
    "step "
    "is small, each step is kept, and from the last one a reader can find the way back to the "
    "first, thread by thread, and say how much each of them has given to the whole. ";

std::string read_text(const std::string& path) {
  std::string name = path.empty() && std::filesystem::exists(licence) ? licence : path;
  if (name.empty()) {
    std::cout << "Text: a paragraph of our own (pass --text FILE for another)\n";
    std::string text;
    for (int i = 0; i < 8; ++i) text += last_resort;
    return text;
  }
  std::ifstream file(name, std::ios::binary);
  if (!file) throw tp::FileError("char_lstm", "cannot read '" + name + "'");
  std::cout << "Text: " << name << '\n';
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text << std::fixed;
  text.precision(digits);
  text << value;
  return text.str();
}

/// Trains until the steps or the time are used up; returns the mean loss of the last epoch in bits
/// per character.
double train(CharLM& model, const tp::Indices& tokens, const Options& options) {
  const tp::data::SequenceOptions shape{.steps = 50, .batch = 32};
  tp::data::SequenceBatches batches(tokens, shape);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  tp::layers::LSTM<>::Carry carry;
  double bits = 0;
  Progress progress(std::cout, options.steps, isatty(STDOUT_FILENO) != 0);
  const double smoothing = 1.0 / static_cast<double>(batches.batches_per_epoch());
  for (std::size_t step = 1; step <= options.steps; ++step) {
    if (batches.at_start()) carry = {};
    const auto [inputs, targets] = batches.next();
    tape.clear();
    const auto [output, state] = model.lstm(model.embed(tape, inputs), carry);
    const auto loss = tp::softmax_cross_entropy(model.head(output), targets);
    loss.backward();
    tp::optim::clip_grad_norm(tp::parameters(model), 5.0);
    adam.step();
    adam.zero_grad();
    carry = state.carry();

    const double now = loss.item() / std::numbers::ln2;
    bits = step == 1 ? now : bits + smoothing * (now - bits);
    const double rate = static_cast<double>(step * shape.steps * shape.batch) / progress.seconds();
    progress.show(step, fixed(bits, 3) + " bits/char  " + fixed(rate / 1000, 1) + "k tokens/s");
    if (progress.seconds() > options.seconds) break;
  }
  return bits;
}

/// Text from the model, one character after another: each is fed back as the next input.
std::string sample(CharLM& model, const tp::data::Vocabulary& vocabulary, const Options& options) {
  tp::Tape tape;
  const auto no_grad = tape.no_grad();
  tp::layers::LSTM<>::Carry carry;
  tp::Indices token = tp::Indices::from_shape({1, 1});
  token(0, 0) = static_cast<std::int64_t>(tp::default_generator().below(vocabulary.size()));
  std::string text;
  for (std::size_t i = 0; i < options.characters; ++i) {
    tape.clear();
    const auto [output, state] = model.lstm(model.embed(tape, token), carry);
    const auto logits = model.head(output);
    token(0, 0) = tp::data::sample(logits.value(), options.temperature);
    text += vocabulary.symbol(token(0, 0));
    carry = state.carry();
  }
  return text;
}

/// Draws three steps of the model as it was trained.
void draw(CharLM& model, const tp::Indices& tokens, const std::filesystem::path& folder) {
  tp::Tape tape;
  tp::Indices inputs = tp::Indices::from_shape({3, 1});
  tp::Indices targets = inputs;
  for (std::size_t t = 0; t < 3; ++t) {
    inputs(t, 0) = tokens(t);
    targets(t, 0) = tokens(t + 1);
  }
  const auto [output, state] = model.lstm(model.embed(tape, inputs));
  const auto loss = tp::softmax_cross_entropy(model.head(output), targets).named("loss");
  const std::filesystem::path dot = folder / "graph.dot";
  const std::filesystem::path svg = folder / "graph.svg";
  tp::save_dot(loss, dot.string());
  std::cout << "Graph of three steps: " << dot.string();
  const std::string command = "dot -Tsvg '" + dot.string() + "' -o '" + svg.string() + "'";
  if (std::system(command.c_str()) == 0)
    std::cout << " and " << svg.string() << '\n';
  else
    std::cout << " (install graphviz to have it drawn)\n";
}

void run(const Options& options) {
  const std::string text = read_text(options.text);
  const auto vocabulary = tp::data::Vocabulary::of_characters(text);
  const tp::Indices tokens = vocabulary.encode(text);
  std::filesystem::create_directories(options.output);

  tp::seed(options.seed);
  CharLM model(vocabulary.size(), options.hidden, options.layers);
  std::cout << tokens.size() << " characters, " << vocabulary.size() << " different; "
            << options.layers << " x " << options.hidden << " LSTM with "
            << tp::count_parameters(model) << " parameters\n";
  const double bits = train(model, tokens, options);
  std::cout << "Loss: " << fixed(bits, 3) << " bits per character\n";

  tp::eval(model);
  std::cout << "\n--- sample ---\n" << sample(model, vocabulary, options) << "\n--------------\n\n";
  const std::filesystem::path folder = options.output;
  tp::save(model, (folder / "char_lstm.safetensors").string());
  std::cout << "Weights: " << (folder / "char_lstm.safetensors").string() << '\n';
  draw(model, tokens, folder);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a character LSTM on a text, writes a sample and draws its graph.");
  app.add_option("--text", options.text, "text file in UTF-8 (default: the GPL, if it is here)");
  app.add_option("--output", options.output, "folder for graph.dot, graph.svg and the weights")
      ->capture_default_str();
  app.add_option("--steps", options.steps, "training steps at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "training time at most")->capture_default_str();
  app.add_option("--hidden", options.hidden, "hidden units a layer")->capture_default_str();
  app.add_option("--layers", options.layers, "layers")->capture_default_str();
  app.add_option("--learning-rate", options.learning_rate, "of Adam")->capture_default_str();
  app.add_option("--temperature", options.temperature, "of the sample")->capture_default_str();
  app.add_option("--characters", options.characters, "length of the sample")->capture_default_str();
  app.add_option("--seed", options.seed, "of all random numbers")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "char_lstm: " << error.what() << '\n';
    return 1;
  }
}
