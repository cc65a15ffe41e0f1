// SPDX-License-Identifier: MIT
// Why an LSTM remembers and an RNN forgets, on one page: both are asked for the sum of two marked
// numbers out of fifty, and the page shows how much of the error at the end reaches each step,
// before and after training.
#include <tapestry/study.hpp>
#include <tapestry/tapestry.hpp>

#include <cmath>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "adding.hpp"
#include "html.hpp"
#include "text.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t length = 50;
constexpr double learned_below = 0.02;  // mean squared error; always saying 1 gets 0.167

/// What is found out about a model.
struct Finding {
  std::string name;
  double error = 0;             // mean squared, after the last step
  tp::TimeTable at_the_end;     // how the loss after the last step learns from W_ih
  tp::TimeTable at_every_step;  // the same if the sum were asked for after each step
  tp::StateSpectrum spectrum;

  [[nodiscard]] bool learned() const { return error < learned_below; }

  /// How much of the gradient is left at the first step, relative to the last.
  [[nodiscard]] double left_at_the_start() const {
    return std::exp(at_the_end.log_norm(0, 0) - at_the_end.log_norm(0, length - 1));
  }
};

template <class Layer>
Finding study(const std::string& name, Adder<Layer>& model,
              const std::vector<std::string_view>& state, const AddingBatch& few,
              const AddingBatch& test) {
  Finding finding;
  finding.name = name;
  tp::Tape tape;
  {
    const auto off = tape.no_grad();
    finding.error = mse_loss(model(tape.constant(test.x)), tape.constant(test.target)).item();
  }
  tape.clear();
  const auto losses = square(model.at_every_step(tape.constant(few.x)) - tape.constant(few.target));
  const auto terms = tp::loss_terms(losses);
  const auto& weight = model.layer.weights(0).weight_ih;
  finding.at_every_step = tp::time_table(terms, weight);
  finding.at_the_end = tp::time_table(tp::LossTerms<float>{terms.back()}, weight);
  const auto loss = select(select(losses, 0, -1), 0, 0);  // of the first sequence
  finding.spectrum = tp::state_spectrum(tp::find_states(losses, state), {.loss = loss});
  return finding;
}

template <class Layer>
void train(Adder<Layer>& model, const TrainingOptions& options, const AddingBatch& test) {
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Generator random(options.seed);
  tp::Tape tape;
  const auto loss_of = [&](const AddingBatch& batch) {
    tape.clear();
    return mse_loss(model(tape.constant(batch.x)), tape.constant(batch.target));
  };
  const auto step = [&] {
    return update(loss_of(draw_adding(length, options.batch, random)), adam);
  };
  const auto measure = [&] {
    const auto off = tape.no_grad();
    return static_cast<double>(loss_of(test).item());
  };
  train_until({.measure = "mean squared error",
               .value = learned_below / 4,
               .baseline = "always saying 1: 0.167",
               .every = 50},
              options.steps, step, measure);
}

std::string table_of(const std::vector<Finding>& findings) {
  std::vector<std::vector<std::string>> rows{{"model", "mean squared error",
                                              "gradient left at the first step",
                                              "verdict on the way back through its states"}};
  for (const Finding& f : findings)
    rows.push_back({f.name, fixed(f.error, 4), tp::scientific_text(f.left_at_the_start(), 1),
                    f.spectrum.verdict()});
  return html_table(rows);
}

std::vector<tp::NamedTable> tables_of(const std::vector<Finding>& findings) {
  std::vector<tp::NamedTable> tables;
  for (const Finding& f : findings) tables.push_back({f.name, f.at_the_end});
  return tables;
}

std::vector<tp::NamedSpectrum> spectra_of(const Finding& rnn, const Finding& lstm) {
  return {{rnn.name, rnn.spectrum}, {lstm.name, lstm.spectrum}};
}

void save_pictures(const std::vector<Finding>& findings) {
  tp::save_lag_curve(tables_of(findings), "gradient_lags.svg");
  tp::save_heat_map(findings[1].at_every_step, "gradient_times_rnn.svg");
  tp::save_heat_map(findings[3].at_every_step, "gradient_times_lstm.svg");
  tp::save_spectrum(spectra_of(findings[1], findings[3]), "gradient_spectrum.svg");
}

/// Loss time by use time, and how far back it goes.
std::string heat_map(const Finding& f) {
  const std::string svg =
      tp::heat_map_svg(f.at_every_step, tp::HeatMapOf::log_norm, {.title = f.name});
  return html_figure(svg, "After the last step, the first has " +
                              tp::scientific_text(f.left_at_the_start(), 1) +
                              " of the gradient that the last has.");
}

std::string largest_exponent(const Finding& f) {
  return f.name + " " + fixed(f.spectrum.exponents.front(), 3);
}

std::string spectrum(const Finding& rnn, const Finding& lstm) {
  return html_figure(tp::spectrum_svg(spectra_of(rnn, lstm)),
                     "Left: singular values of each step's Jacobian, and its spectral radius. "
                     "Right: Lyapunov exponents, the rates of all steps together. No gradient "
                     "grows faster than by the largest: " +
                         largest_exponent(rnn) + ", " + largest_exponent(lstm) +
                         ". At 0 it would neither vanish nor explode.");
}

constexpr const char* the_task =
    R"(<p>Of fifty random numbers two are marked, one in each half. After the last step the network
has to say their sum. Whoever always says 1 is wrong by 0.167 on average of squares; to do better,
the error at the end must reach the step at which a number was read.</p>
)";
constexpr const char* about_lags =
    "Left: norm of the gradient of the loss after the last step, by the use of the input weights "
    "so many steps before. A straight line is a geometric decay. Right: what gradients lose that "
    "are cut off after K steps.";
constexpr const char* about_times =
    R"(<p>Row t: the loss if the sum were asked for after step t. Column k: the use of the input
weights at step k. A model that looks a few steps back has a diagonal, one that looks back to the
marked steps has columns.</p>
)";

void write_page(const std::vector<Finding>& findings, const std::string& path) {
  const Finding& rnn = findings[1];
  const Finding& lstm = findings[3];
  std::string body = the_task + table_of(findings);
  body += "<h2>How much of the error reaches a step</h2>\n" +
          html_figure(tp::lag_curve_svg(tables_of(findings)), about_lags);
  body += "<h2>Loss time by use time</h2>\n" +
          (about_times + html_row({heat_map(rnn), heat_map(lstm)}));
  body += "<h2>What one step does to gradients</h2>\n" + spectrum(rnn, lstm);
  write_html(path, "Why an LSTM remembers and an RNN forgets", body);
}

void run(const TrainingOptions& options) {
  tp::seed(options.seed);
  Adder<tp::layers::RNN<>> rnn{tp::layers::RNN<>({.input_size = 2, .hidden_size = options.hidden}),
                               tp::layers::Linear<>(options.hidden, 1)};
  Adder<tp::layers::LSTM<>> lstm{
      tp::layers::LSTM<>({.input_size = 2, .hidden_size = options.hidden, .forget_bias = 1}),
      tp::layers::Linear<>(options.hidden, 1)};
  tp::Generator other(options.seed + 1);
  const AddingBatch few = draw_adding(length, 4, other);
  const AddingBatch test = draw_adding(length, 400, other);
  const auto study_rnn = [&](const char* name) { return study(name, rnn, {"h"}, few, test); };
  const auto study_lstm = [&](const char* name) {
    return study(name, lstm, {"h", "c"}, few, test);
  };

  std::vector<Finding> findings{study_rnn("RNN before training")};
  train(rnn, options, test);
  findings.push_back(study_rnn("RNN after training"));
  findings.push_back(study_lstm("LSTM before training"));
  train(lstm, options, test);
  findings.push_back(study_lstm("LSTM after training"));

  for (const Finding& f : findings)
    std::cout << f.name << ": " << (f.learned() ? "adds" : "does not add") << ", error "
              << fixed(f.error, 4) << ", gradient left at the first step "
              << tp::scientific_text(f.left_at_the_start(), 1) << "\n  " << f.spectrum.verdict()
              << '\n';
  save_pictures(findings);
  write_page(findings, "vanishing_gradients.html");
  std::cout << "Drawn in vanishing_gradients.html, its pictures also in gradient_*.svg\n";
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "Why an LSTM remembers and an RNN forgets, on one page.",
                     {.steps = 2000, .batch = 32, .hidden = 24, .learning_rate = 1e-2}, run);
}
