// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// What is known at an evaluation. Losses are in nats per token.
struct Metrics {
  std::uint64_t step = 0;
  double epoch = 0;
  double train_loss = 0;       ///< mean since the evaluation before
  double validation_loss = 0;  ///< NaN without held-out text
  double learning_rate = 0;
  double gradient_norm = 0;  ///< mean since the evaluation before, before clipping
  double tokens_per_second = 0;
  double seconds = 0;             ///< of training, over all runs
  double resident_megabytes = 0;  ///< memory of the process
};

/// The metrics of a run as a CSV file, with a picture of the losses beside it.
class MetricsLog {
 public:
  /// Goes on with the file in `folder`, without what it has after `step`; with step 0 anew.
  MetricsLog(const std::string& folder, std::uint64_t step);

  /// Adds a row and writes the file. Throws FileError; the row is then written with the next.
  void add(const Metrics& metrics);

  /// Writes the rows that could not be written before. Throws FileError.
  void finish();

  [[nodiscard]] bool empty() const { return rows_.empty(); }

  /// Draws the losses against the steps, "loss.svg". Throws FileError, also without gnuplot.
  void draw() const;

 private:
  void write();

  std::string csv_;
  std::string svg_;
  std::vector<Metrics> rows_;
  bool unwritten_ = false;
};

/// Memory of this process now, in megabytes; 0 where the system does not tell.
[[nodiscard]] double resident_megabytes();
