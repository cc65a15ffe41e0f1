// SPDX-License-Identifier: MIT
#include "trainer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <tapestry/autodiff.hpp>
#include <tapestry/data.hpp>
#include <tapestry/layers.hpp>
#include <tapestry/optim.hpp>
#include <utility>

#include "checkpoint.hpp"
#include "guards.hpp"
#include "learning.hpp"
#include "metrics_log.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace tp = tapestry;

namespace {

/// What a run remembers beside the model, its optimizer and its place in the text.
struct Counters {
  std::uint64_t step = 0;
  std::uint64_t without_gain = 0;  // evaluations
  double best = std::numeric_limits<double>::infinity();
  double seconds = 0;

  void visit(auto&& part) {
    part("step", step);
    part("without_gain", without_gain);
    part("best", best);
    part("seconds", seconds);
  }
};

/// All steps of so many epochs.
std::uint64_t steps_of(std::uint64_t epochs, std::uint64_t batches) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  if (epochs <= most / batches) return epochs * batches;
  throw tp::ArgumentError("train", "--epochs " + std::to_string(epochs) + " with " +
                                       std::to_string(batches) +
                                       " steps each are more than can be counted; choose at most " +
                                       std::to_string(most / batches));
}

class Trainer {
 public:
  Trainer(CheckpointInfo info, std::shared_ptr<const tp::data::TextTokens> text,
          const RunOptions& run);

  /// Goes on from the last checkpoint in the folder.
  void resume();

  void run();

 private:
  enum class End { done, early, interrupted };

  [[nodiscard]] auto everything();
  [[nodiscard]] std::string path(const char* name) const { return run_.output + "/" + name; }
  [[nodiscard]] double loss_of(const tp::data::SequenceBatch& batch, Carry& carry);
  void step();
  void read_batch();
  [[noreturn]] void explain(double loss, double norm, const tp::Generator::State& before);
  End loop(Progress& progress);
  void check_weights();
  [[noreturn]] void throw_not_finite(const std::string& what) const;
  [[nodiscard]] std::string what_to_do() const;
  void evaluate(Progress& progress);
  [[nodiscard]] Metrics metrics();
  void write(const char* name);
  bool save(const char* name, Progress& progress);
  void finish(End end);

  CheckpointInfo info_;
  const CharRnnOptions& options_ = info_.options;
  RunOptions run_;
  TextParts parts_;
  CharModel model_;
  tp::data::SequenceBatches batches_;
  std::unique_ptr<tp::optim::Optimizer<>> optimizer_;
  std::uint64_t total_;
  std::uint64_t every_;
  tp::optim::LRScheduler<> scheduler_;
  Counters counters_;
  tp::data::Mean loss_, norm_;  // since the last evaluation
  Carry carry_, after_;
  std::unique_ptr<MetricsLog> log_;

  tp::Tape<> tape_, validation_tape_;
  tp::data::SequenceBatch batch_;
  tp::data::MovingAverage shown_loss_{0.98};
  double seconds_before_ = 0;  // of the runs before this one
  std::uint64_t steps_before_ = 0;
  bool unsaved_ = false;
  bool best_unsaved_ = false;
};

Trainer::Trainer(CheckpointInfo info, std::shared_ptr<const tp::data::TextTokens> text,
                 const RunOptions& run)
    : info_(std::move(info)),
      run_(run),
      parts_(split(std::move(text), options_)),
      model_(options_.model, info_.vocabulary.size()),
      batches_(parts_.training, {.steps = options_.sequence, .batch = options_.batch}),
      optimizer_(make_optimizer(model_, options_)),
      total_(options_.steps ? options_.steps
                            : steps_of(options_.epochs, batches_.batches_per_epoch())),
      every_(options_.evaluate_every
                 ? options_.evaluate_every
                 : std::clamp<std::uint64_t>(batches_.batches_per_epoch(), 10, 1000)),
      scheduler_(*optimizer_, make_schedule(options_.schedule, total_)) {}

/// What a checkpoint holds; `evaluate` starts the means anew, but a run may stop between two.
auto Trainer::everything() {
  return tp::bundle(model_, *optimizer_, scheduler_, tp::default_generator(),
                    tp::named("batches", batches_), tp::named("counters", counters_),
                    tp::named("loss", loss_), tp::named("norm", norm_), tp::named("carry", carry_));
}

void Trainer::resume() {
  auto all = everything();
  tp::load(all, path("last.safetensors"));
  seconds_before_ = counters_.seconds;
  steps_before_ = counters_.step;
}

double Trainer::loss_of(const tp::data::SequenceBatch& batch, Carry& carry) {
  const auto logits = model_.logits(tape_, batch.tokens, carry);
  const auto loss = tp::softmax_cross_entropy(logits, batch.targets);
  loss.backward();
  return loss.item();
}

void Trainer::step() {
  if (batches_.at_start()) carry_ = {};
  const tp::Generator::State before = tp::default_generator().state();
  after_ = carry_;
  read_batch();
  tape_.clear();
  optimizer_->zero_grad();
  const double loss = loss_of(batch_, after_);
  const double limit = options_.clip > 0 ? options_.clip : std::numeric_limits<double>::infinity();
  const double norm = tp::optim::clip_grad_norm(optimizer_->parameters(), limit);
  if (!std::isfinite(loss) || !std::isfinite(norm)) explain(loss, norm, before);
  optimizer_->step();
  scheduler_.step();
  std::swap(carry_, after_);
  ++counters_.step;
  loss_.add(loss);
  norm_.add(norm);
  shown_loss_.add(loss);
  unsaved_ = true;
}

/// A text that is changed meanwhile ends the run, which keeps what it has learned until then.
void Trainer::read_batch() {
  try {
    batches_.next(batch_);
  } catch (const tp::FileError& error) {
    if (unsaved_) {
      check_weights();
      write("last.safetensors");
    }
    throw tp::FileError("train", "training stopped after step " + std::to_string(counters_.step) +
                                     ": " + error.what() + ". What was learned until then is in " +
                                     path("last.safetensors"));
  }
}

/// Runs the step again, this time looking for the first number that is not finite.
void Trainer::explain(double loss, double norm, const tp::Generator::State& before) {
  std::string text = "loss " + tp::number_text(loss) + ", gradient norm " + tp::number_text(norm);
  try {
    tp::default_generator().set_state(before);
    tape_.clear();
    tape_.detect_anomaly();
    optimizer_->zero_grad();
    Carry carry = carry_;
    static_cast<void>(loss_of(batch_, carry));
  } catch (const tp::AnomalyError& error) {
    text = error.what();
  }
  throw tp::AnomalyError("train", "training stopped at step " + std::to_string(counters_.step + 1) +
                                      ": " + text + what_to_do());
}

Metrics Trainer::metrics() {
  const double here = std::max(counters_.seconds - seconds_before_, 1e-9);
  const auto steps = static_cast<double>(counters_.step);
  return {.step = counters_.step,
          .epoch = steps / static_cast<double>(batches_.batches_per_epoch()),
          .train_loss = loss_.value(),
          .validation_loss = parts_.validation
                                 ? mean_loss(model_, *parts_.validation, validation_tape_)
                                 : std::numeric_limits<double>::quiet_NaN(),
          .learning_rate = optimizer_->learning_rate(),
          .gradient_norm = norm_.value(),
          .tokens_per_second = static_cast<double>((counters_.step - steps_before_) *
                                                   options_.sequence * options_.batch) /
                               here,
          .seconds = counters_.seconds,
          .resident_megabytes = resident_megabytes()};
}

/// Weights may have become useless by the very last update, when no loss has shown it yet.
void Trainer::check_weights() {
  for (const auto& [name, parameter] : tp::named_parameters(model_))
    for (const float weight : parameter->value())
      if (!std::isfinite(weight)) throw_not_finite("'" + name + "' is");
}

void Trainer::throw_not_finite(const std::string& what) const {
  throw tp::AnomalyError(
      "train", what + " not finite at step " + std::to_string(counters_.step) + what_to_do());
}

std::string Trainer::what_to_do() const {
  return ". The last good checkpoint is " + path("last.safetensors") +
         "; try a lower --learning-rate or --clip";
}

void Trainer::evaluate(Progress& progress) {
  check_weights();
  const Metrics now = metrics();
  const double loss = parts_.validation ? now.validation_loss : now.train_loss;
  if (!std::isfinite(loss)) throw_not_finite("the loss on the held-out text is");
  const double best_before = counters_.best;
  const bool better = loss < best_before;
  counters_.best = std::min(best_before, loss);
  counters_.without_gain = better ? 0 : counters_.without_gain + 1;
  loss_.reset();
  norm_.reset();

  std::string line = "epoch " + fixed(now.epoch, 2) + "  step " + std::to_string(now.step) +
                     "  training " + fixed(now.train_loss, 3);
  if (parts_.validation) line += "  validation " + fixed(now.validation_loss, 3);
  line += " nats, " + fixed(tp::data::bits(loss), 3) + " bits per " + parts_.unit;
  progress.note(line + (better ? "  (best)" : ""));
  try {
    log_->add(now);
  } catch (const tp::FileError& error) {
    progress.note(error.what());
  }
  best_unsaved_ = better && !save("best.safetensors", progress);
  if (best_unsaved_) counters_.best = best_before;
  save("last.safetensors", progress);
}

void Trainer::write(const char* name) {
  auto all = everything();
  tp::save(all, path(name), to_metadata(info_));
}

/// A disk that is full now may not be at the next evaluation: the run goes on, and `finish`
/// insists.
bool Trainer::save(const char* name, Progress& progress) {
  try {
    write(name);
    unsaved_ = false;
    return true;
  } catch (const tp::FileError& error) {
    unsaved_ = true;
    progress.note(std::string(error.what()) + "; training goes on, the file from before is whole");
    return false;
  }
}

Trainer::End Trainer::loop(Progress& progress) {
  while (counters_.step < total_) {
    // Asked before the step, so that a run that is resumed ends where it ended.
    if (options_.patience > 0 && counters_.without_gain >= options_.patience) return End::early;
    step();
    counters_.seconds = seconds_before_ + progress.seconds();
    const auto here = static_cast<double>(counters_.step - steps_before_);
    const double rate = here * static_cast<double>(options_.sequence * options_.batch) /
                        std::max(progress.seconds(), 1e-9);
    progress.show(counters_.step, fixed(shown_loss_.value(), 3) + " nats  " +
                                      fixed(tp::data::bits(shown_loss_.value()), 2) + " bits/" +
                                      parts_.unit + "  norm " + fixed(norm_.value(), 2) + "  " +
                                      fixed(rate / 1000, 1) + "k tokens/s");
    if (counters_.step % every_ == 0 || counters_.step == total_) evaluate(progress);
    if (CatchInterrupts::interrupted() || (run_.seconds > 0 && progress.seconds() > run_.seconds))
      return End::interrupted;
  }
  return End::done;
}

void Trainer::finish(End end) {
  if (unsaved_) {
    check_weights();
    write("last.safetensors");
  }
  const bool best_now = best_unsaved_ && end == End::done;  // nothing was learned since
  if (best_now || !std::filesystem::exists(path("best.safetensors"))) write("best.safetensors");
  const std::string again = "char_rnn train --resume --output " + run_.output;
  std::ostream& out = std::cout ? std::cout : std::cerr;  // someone should know
  if (end == End::interrupted && counters_.step < total_)
    out << "Stopped after " << counters_.step << " of " << total_ << " steps; go on with\n  "
        << again << '\n';
  if (steps_before_ == total_)
    out << "All " << total_ << " steps are done; for more of them begin anew, with more --epochs\n";
  if (end == End::early)
    out << "Stopped early: no gain in " << counters_.without_gain << " evaluations\n";
  out << "Checkpoints: " << path("best.safetensors") << " and " << path("last.safetensors") << '\n';
  if (log_->empty()) {
    out << "No metrics yet: they are first taken after step " << std::min(every_, total_) << '\n';
    return;
  }
  log_->finish();
  out << "Metrics: " << path("metrics.csv");
  try {
    log_->draw();
    out << " and " << path("loss.svg") << '\n';
  } catch (const tp::Error& error) {
    out << "\nNo picture of the losses: " << error.what() << '\n';
  }
}

void Trainer::run() {
  std::cout << parts_.description << "; " << options_.model.layers << " x " << options_.model.hidden
            << " " << options_.model.cell << " with " << tp::count_parameters(model_)
            << " parameters\n";
  if (counters_.step == 0) {
    write("last.safetensors");                          // shows at once whether there is room
    std::filesystem::remove(path("best.safetensors"));  // of a run that this one overwrites
  }
  log_ = std::make_unique<MetricsLog>(run_.output, counters_.step);
  const CatchInterrupts catching;
  End end = End::done;
  {
    Progress progress(std::cout, total_, isatty(STDOUT_FILENO) != 0, counters_.step);
    end = loop(progress);
  }
  finish(end);
}

/// Makes the folder of a new run, and refuses to mix it with another run.
void prepare_folder(const RunOptions& run) {
  const std::filesystem::path folder = run.output;
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    throw tp::FileError("train",
                        "cannot make the folder '" + run.output + "': " + failure.message());
  // Metrics alone are not of a run of ours, and would be lost.
  for (const char* name : {"last.safetensors", "best.safetensors", "metrics.csv", "loss.svg"})
    if (std::filesystem::exists(folder / name) && !run.overwrite)
      throw tp::FileError(
          "train", "'" + run.output + "' holds a run already (" + name + "): go on with it by " +
                       "--resume, begin anew by --overwrite, or choose another " + "--output");
}

/// Nothing that is written is the text itself, whatever it is called.
void check_outputs(const std::string& text, const RunOptions& run) {
  check_standard_output("train", {text, run.output + "/last.safetensors"});
  for (const char* name : {"last.safetensors", "best.safetensors", "metrics.csv", "loss.svg"}) {
    const std::filesystem::path path = std::filesystem::path(run.output) / name;
    check_output("train", path.string(), {path.extension().string()}, {text});
  }
}

}  // namespace

void train(CharRnnOptions options, const RunOptions& run) {
  tp::set_num_threads(run.threads);
  tp::seed(options.seed);
  if (run.resume) {
    const FolderLock lock(run.output);
    remove_what_was_left(run.output);
    CheckpointInfo info = read_info(run.output + "/last.safetensors");
    if (!options.text.empty()) info.options.text = options.text;
    check_outputs(info.options.text, run);
    auto text = std::make_shared<const tp::data::TextTokens>(info.options.text, info.vocabulary);
    if (text->fingerprint() != info.text)
      throw tp::FileError("train", "'" + info.options.text + "' is not the text that the run " +
                                       "in '" + run.output + "' was trained on");
    Trainer trainer(std::move(info), std::move(text), run);
    trainer.resume();
    trainer.run();
    return;
  }
  check_outputs(options.text, run);
  auto vocabulary = tp::data::vocabulary_of_file(options.text, options.tokens.unit,
                                                 vocabulary_options(options.tokens));
  if (vocabulary.unknown() && vocabulary.size() == 1)
    throw tp::ArgumentError("train", "nothing occurs " + std::to_string(options.tokens.min_count) +
                                         " times in '" + options.text +
                                         "'; choose a smaller --min-count");
  auto text = std::make_shared<const tp::data::TextTokens>(options.text, vocabulary);
  const std::uint64_t fingerprint = text->fingerprint();
  Trainer trainer({std::move(options), std::move(vocabulary), fingerprint}, std::move(text), run);
  prepare_folder(run);
  const FolderLock lock(run.output);
  remove_what_was_left(run.output);
  trainer.run();
}
