// SPDX-License-Identifier: MIT
// What the examples that train share: the loop, its progress bar, and the line that says whether
// the goal was reached.
#pragma once

#include <tapestry/autodiff.hpp>
#include <tapestry/optim.hpp>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

/// What can be said on the command line of each of these examples.
struct TrainingOptions {
  std::size_t steps = 0;
  std::size_t batch = 0;  ///< 0: all there are, and no option
  std::size_t hidden = 0;
  double learning_rate = 0;
  std::uint64_t seed = 1;

  /// Adds the options to a command line; the values at this time are the defaults.
  void add_to(CLI::App& app);
};

/// When to stop: the measure, taken every `every` steps, is below the goal.
struct Goal {
  std::string measure;  ///< "mean squared error"
  double value = 0;
  std::string baseline;  ///< what to compare it with: "always saying 1: 0.167"
  std::size_t every = 100;
  std::string picture = {};  ///< a file for the curve of the measure; none if empty
};

/// Calls `step`, which trains once and returns its loss, until `measure` reaches the goal or the
/// steps are used up. Prints a progress bar and whether it got there; returns that. Draws how the
/// measure went, if a picture is asked for.
bool train_until(const Goal& goal, std::size_t steps, const std::function<double()>& step,
                 const std::function<double()>& measure);

/// What follows the loss in each step: gradients, clipped to a norm of 1, and an update of the
/// parameters. Returns the loss.
double update(const tapestry::Variable<>& loss, tapestry::optim::Adam<>& adam);

/// Parses the command line, to which `more` may add options, and runs the example; what main
/// returns. Errors are one line.
int run_example(int argc, char** argv, const std::string& description, TrainingOptions options,
                const std::function<void(const TrainingOptions&)>& run,
                const std::function<void(CLI::App&)>& more = {});
