// SPDX-License-Identifier: MIT
// Recurrent language models against libtorch, in one process and turn by turn: a training step
// (forward, loss, backward, clipping by the global norm, Adam), a forward pass, or a step of
// streaming inference. Prints the medians of both in milliseconds, how many times longer libtorch
// takes, and how many times as long as the bare matrix products ours is.
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include "floor.hpp"
#include "memory.hpp"
#include "ours.hpp"
#include "theirs.hpp"

namespace compare {
namespace {

struct Options {
  std::string mode = "train";
  std::vector<std::string> row_names{"tiny", "small", "charrnn", "zaremba-small"};
  std::vector<std::string> cell_names{"lstm", "gru", "rnn"};
  int threads = 1;
  std::size_t rounds = 15;
  bool in_double = false;
  bool memory = false;
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

/// A contestant with its own setting of the threads of ATen and of the BLAS.
class Turn {
 public:
  Turn(std::function<void()> run, int threads, int aten_threads, int blas_threads)
      : run_(std::move(run)), threads_(threads), aten_(aten_threads), blas_(blas_threads) {}

  void take(std::size_t count, bool counts) {
    at::set_num_threads(aten_);
    openblas_set_num_threads(blas_);
    // The threads of OpenBLAS spin for some time after their last product.
    if (threads_ > 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const double time = time_of(count, run_);
    if (counts) times_.push_back(time);
  }
  [[nodiscard]] double time() const { return median(times_); }
  [[nodiscard]] const std::vector<double>& times() const { return times_; }

 private:
  std::function<void()> run_;
  int threads_;  // of all contestants
  int aten_;
  int blas_;
  std::vector<double> times_;
};

std::function<double()> method(auto& model, const std::string& mode) {
  if (mode == "forward") return [&model] { return model.forward(); };
  if (mode == "stream") return [&model] { return model.stream(); };
  return [&model] { return model.train(); };
}

template <class T>
void compare_times(const Options& options, Row row, const std::string& cell) {
  if (options.mode == "stream") row = streamed(row);
  Theirs theirs(row, cell, torch::CppTypeToScalarType<T>());
  const auto ours = make_ours<T>(theirs, cell);
  Floor<T> floor(row, cell);
  const auto their_run = method(theirs, options.mode), our_run = method(*ours, options.mode);
  const double a = their_run(), b = our_run();
  const int n = options.threads;
  // libtorch does best either with the threads of the BLAS alone or with its own too.
  std::vector<Turn> turns{{our_run, n, 1, 1}, {their_run, n, 1, n}};
  turns.emplace_back(
      [&] { options.mode == "train" ? floor.train() : floor.forward(options.mode != "stream"); }, n,
      1, n);
  if (n > 1) turns.emplace_back(their_run, n, n, n);
  const std::size_t inner =
      std::clamp<std::size_t>(static_cast<std::size_t>(20 / time_of(1, our_run)), 1, 200);
  for (std::size_t i = 0; i < options.rounds + 2; ++i)  // two rounds to warm up
    for (std::size_t k = 0; k < turns.size(); ++k)
      turns[k].take(k == 0 ? inner : (inner + 3) / 4, i >= 2);
  const std::size_t best = n > 1 && turns[3].time() < turns[1].time() ? 3 : 1;
  std::vector<double> ratios, above;
  for (std::size_t i = 0; i < options.rounds; ++i) {
    ratios.push_back(turns[best].times()[i] / turns[0].times()[i]);
    above.push_back(turns[0].times()[i] / turns[2].times()[i]);
  }
  std::printf("%-15s %-5s %d %11.4f %11.4f %8.2f %8.2f   %.0e\n", row.name, cell.c_str(), n,
              turns[best].time(), turns[0].time(), median(ratios), median(above), std::abs(a - b));
  std::fflush(stdout);
}

template <class T>
void compare_memory(const Row& row, const std::string& cell) {
  const auto torch_type = torch::CppTypeToScalarType<T>();
  const double theirs = peak_in_child([&] {
    Theirs model(row, cell, torch_type);
    return [model = std::make_shared<Theirs>(std::move(model))] { model->train(); };
  });
  const double ours = peak_in_child([&] {
    std::shared_ptr<OursBase> model = make_ours<T>(Theirs(row, cell, torch_type), cell);
    return [model] { model->train(); };
  });
  std::printf("%-15s %-5s   %11.1f %11.1f %8.2f\n", row.name, cell.c_str(), theirs, ours,
              theirs / ours);
  std::fflush(stdout);
}

template <class T>
void run(const Options& options) {
  std::printf("kernels of OpenBLAS: %s; %s precision\n", openblas_get_corename(),
              options.in_double ? "double" : "single");
  if (options.memory)
    std::printf("%-15s %-5s   %11s %11s %8s\n", "row", "cell", "torch MB", "ours MB", "ratio");
  else
    std::printf("%-15s %-5s %s %11s %11s %8s %8s   %s\n", "row", "cell", "n", "torch ms", "ours ms",
                "ratio", "floor x", "differ");
  const auto asked = [](const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const char* cell : cells)
    for (const Row& row : rows) {
      if (!asked(options.cell_names, cell) || !asked(options.row_names, row.name)) continue;
      if (options.memory)
        compare_memory<T>(row, cell);
      else
        compare_times<T>(options, row, cell);
    }
}

/// Two pools of threads that spin would disturb each other; OpenMP reads this at the start only.
void make_threads_passive(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY")) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  execv("/proc/self/exe", argv);
}

}  // namespace
}  // namespace compare

int main(int argc, char** argv) {
  compare::make_threads_passive(argv);
  compare::Options options;
  std::vector<std::string> row_names;
  for (const compare::Row& row : compare::rows) row_names.emplace_back(row.name);
  CLI::App app("Recurrent models against libtorch, turn by turn in one process");
  app.option_defaults()->always_capture_default();
  app.add_option("--mode", options.mode, "what is timed")
      ->check(CLI::IsMember({"train", "forward", "stream"}));
  app.add_option("--rows", options.row_names, "sizes, separated by commas")
      ->delimiter(',')
      ->check(CLI::IsMember(row_names));
  app.add_option("--cells", options.cell_names, "separated by commas")
      ->delimiter(',')
      ->check(CLI::IsMember({"lstm", "gru", "rnn"}));
  app.add_option("--threads", options.threads, "of both")->check(CLI::PositiveNumber);
  app.add_option("--rounds", options.rounds, "turns of each side")->check(CLI::PositiveNumber);
  app.add_flag("--double", options.in_double, "double precision");
  app.add_flag("--memory", options.memory, "peak memory of training steps instead of times");
  CLI11_PARSE(app, argc, argv);
  at::set_num_interop_threads(1);
  tapestry::set_num_threads(options.threads);
  if (options.in_double)
    compare::run<double>(options);
  else
    compare::run<float>(options);
  return 0;
}
