// SPDX-License-Identifier: MIT
// Why an LSTM remembers and an RNN forgets, on one page: both are asked for the sum of two marked
// numbers out of fifty, and the page shows how much of the error at the end reaches each step,
// before and after training.
#include <tapestry/study.hpp>
#include <tapestry/tapestry.hpp>

#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "adding.hpp"
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
  tape.set_primitive(true);  // each step and each use of a weight can be seen
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

std::string scientific(double x) {
  std::ostringstream text;
  text << std::scientific << std::setprecision(1) << x;
  return text.str();
}

std::string table_of(const std::vector<Finding>& findings) {
  std::string html =
      "<table><tr><th>model</th><th>mean squared error</th><th>gradient left at the first "
      "step</th><th>verdict on the way back through its states</th></tr>\n";
  for (const Finding& f : findings)
    html += "<tr><td>" + f.name + "</td><td>" + fixed(f.error, 4) + "</td><td>" +
            scientific(f.left_at_the_start()) + "</td><td>" + f.spectrum.verdict() + "</td></tr>\n";
  return html + "</table>\n";
}

/// Gnuplot's SVG without what may only stand at the beginning of a file.
std::string figure(const std::string& svg, const std::string& caption) {
  return "<figure>" + svg.substr(svg.find("<svg")) + "<figcaption>" + caption +
         "</figcaption></figure>\n";
}

void write_page(const std::vector<Finding>& findings, const std::string& path) {
  std::vector<tp::NamedTable> curves;
  std::vector<tp::NamedSpectrum> spectra;
  for (const Finding& f : findings) {
    curves.push_back({f.name, f.at_the_end});
    spectra.push_back({f.name, f.spectrum});
  }
  tp::save_lag_curve(curves, "gradient_lags.svg");
  tp::save_heat_map(findings[1].at_every_step, "gradient_times_rnn.svg");
  tp::save_heat_map(findings[3].at_every_step, "gradient_times_lstm.svg");
  tp::save_spectrum({spectra[1], spectra[3]}, "gradient_spectrum.svg");
  std::ofstream page(path);
  page << R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Why an LSTM remembers and an RNN forgets</title>
<style>
body { font: 16px/1.5 Helvetica, Arial, sans-serif; color: #1F2933; max-width: 62rem;
       margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; font-size: .9rem }
td, th { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #E3E8EE }
figure { margin: 1rem 0 } figcaption { color: #52606D; font-size: .85rem; max-width: 46rem }
svg { max-width: 100%; height: auto } .row { display: flex; gap: 1rem } .row figure { flex: 1 }
</style></head><body>
<h1>Why an LSTM remembers and an RNN forgets</h1>
<p>Of fifty random numbers two are marked, one in each half. After the last step the network has to
say their sum. Whoever always says 1 is wrong by 0.167 on average of squares; to do better, the
error at the end must reach the step at which a number was read.</p>
)" << table_of(findings)
       << "<h2>How much of the error reaches a step</h2>\n"
       << figure(tp::lag_curve_svg(curves),
                 "Left: norm of the gradient of the loss after the last step, by the use of the "
                 "input weights so many steps before. A straight line is a geometric decay. Right: "
                 "what gradients lose that are cut off after K steps.")
       << "<h2>Loss time by use time</h2>\n<p>Row t: the loss if the sum were asked for after step "
          "t. Column k: the use of the input weights at step k.</p>\n<div class=\"row\">"
       << figure(tp::heat_map_svg(findings[1].at_every_step, tp::HeatMapOf::log_norm,
                                  {.title = findings[1].name}),
                 "The trained RNN looks a few steps back.")
       << figure(tp::heat_map_svg(findings[3].at_every_step, tp::HeatMapOf::log_norm,
                                  {.title = findings[3].name}),
                 "The trained LSTM looks back to the beginning, at the marked steps most.")
       << "</div>\n<h2>What one step does to gradients</h2>\n"
       << figure(tp::spectrum_svg({spectra[1], spectra[3]}),
                 "Left: singular values of each step's Jacobian, and its spectral radius. Right: "
                 "Lyapunov exponents. The LSTM has some close to 0: along these directions "
                 "gradients neither vanish nor explode.")
       << "</body></html>\n";
  if (!page.flush()) throw std::runtime_error("cannot write " + path);
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
              << scientific(f.left_at_the_start()) << "\n  " << f.spectrum.verdict() << '\n';
  write_page(findings, "vanishing_gradients.html");
  std::cout << "Drawn in vanishing_gradients.html, its pictures also in gradient_*.svg\n";
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "Why an LSTM remembers and an RNN forgets, on one page.",
                     {.steps = 2000, .batch = 32, .hidden = 24, .learning_rate = 1e-2}, run);
}
