// SPDX-License-Identifier: MIT
#include "training.hpp"

#include <unistd.h>

#include <exception>
#include <iostream>

#include "draw_curves.hpp"
#include "progress.hpp"
#include "text.hpp"

void TrainingOptions::add_to(CLI::App& app) {
  app.add_option("--steps", steps, "training steps at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  if (batch > 0)
    app.add_option("--batch", batch, "sequences a step")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
  app.add_option("--hidden", hidden, "hidden units")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--learning-rate", learning_rate, "of Adam")->capture_default_str();
  app.add_option("--seed", seed, "of all random numbers")->capture_default_str();
}

bool train_until(const Goal& goal, std::size_t steps, const std::function<double()>& step,
                 const std::function<double()>& measure) {
  double measured = measure();
  tapestry::Curve curve{.x = {0}, .y = {measured}};
  double seconds = 0;
  std::size_t done = 0;
  {
    Progress progress(std::cout, steps, isatty(STDOUT_FILENO) != 0);
    while (done < steps && !(measured < goal.value)) {
      const double loss = step();
      ++done;
      if (done % goal.every == 0 || done == steps) {
        measured = measure();
        curve.x.push_back(static_cast<double>(done));
        curve.y.push_back(measured);
      }
      progress.show(done,
                    "loss " + fixed(loss, 4) + "  " + goal.measure + " " + fixed(measured, 4));
    }
    seconds = progress.seconds();
  }
  const bool reached = measured < goal.value;
  std::cout << goal.measure << ' ' << fixed(measured, 4) << " after " << done << " steps and "
            << fixed(seconds, 1) << " s: " << (reached ? "got" : "did not get")
            << " there\n  (goal: below " << fixed(goal.value, 4) << "; " << goal.baseline << ")\n";
  if (!goal.picture.empty())
    draw_curves({curve}, goal.picture, {.x_label = "training step", .y_label = goal.measure});
  return reached;
}

double update(const tapestry::Variable<>& loss, tapestry::optim::Adam<>& adam) {
  loss.backward();
  tapestry::optim::clip_grad_norm(adam.parameters(), 1.0);
  adam.step();
  adam.zero_grad();
  return loss.item();
}

int run_example(int argc, char** argv, const std::string& description, TrainingOptions options,
                const std::function<void(const TrainingOptions&)>& run,
                const std::function<void(CLI::App&)>& more) {
  CLI::App app(description);
  if (more) more(app);
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << app.get_name() << ": " << error.what() << '\n';
    return 1;
  }
  return 0;
}
