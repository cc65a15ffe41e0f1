// SPDX-License-Identifier: MIT
#include "metrics_log.hpp"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <tapestry/autodiff/curves.hpp>
#include <tapestry/autodiff/number_text.hpp>
#include <tapestry/autodiff/save_text.hpp>
#include <tapestry/data.hpp>

namespace tp = tapestry;

namespace {

constexpr const char* header =
    "step,epoch,train_loss,validation_loss,bits_per_token,perplexity,learning_rate,"
    "gradient_norm,tokens_per_second,seconds,resident_megabytes";

std::string line_of(const Metrics& m) {
  const double loss = std::isnan(m.validation_loss) ? m.train_loss : m.validation_loss;
  std::string line = std::to_string(m.step);
  for (const double value :
       {m.epoch, m.train_loss, m.validation_loss, tp::data::bits(loss), tp::data::perplexity(loss),
        m.learning_rate, m.gradient_norm, m.tokens_per_second, m.seconds, m.resident_megabytes})
    line += "," + tp::exact_text(value);
  return line;
}

/// The row of a line; of a line that was cut short, one with step 0.
Metrics row_of(const std::string& line) {
  std::vector<double> values;
  std::istringstream cells(line);
  for (std::string cell; std::getline(cells, cell, ',');)
    values.push_back(tp::number_from<double>(cell).value_or(std::nan("")));
  if (values.size() != 11 || !(values[0] >= 0 && values[0] < 0x1p63)) return {};
  return {static_cast<std::uint64_t>(values[0]),
          values[1],
          values[2],
          values[3],
          values[6],
          values[7],
          values[8],
          values[9],
          values[10]};
}

}  // namespace

MetricsLog::MetricsLog(const std::string& folder, std::uint64_t step)
    : csv_((std::filesystem::path(folder) / "metrics.csv").string()),
      svg_((std::filesystem::path(folder) / "loss.svg").string()) {
  if (step == 0) {
    std::error_code ignored;  // what cannot be removed is replaced, or that fails with its name
    for (const std::string& old : {csv_, svg_}) std::filesystem::remove(old, ignored);
    return;
  }
  std::ifstream file(csv_);
  std::string line;
  std::getline(file, line);  // the header
  while (std::getline(file, line)) {
    const Metrics row = row_of(line);
    if (row.step > 0 && row.step <= step) rows_.push_back(row);
  }
}

void MetricsLog::add(const Metrics& metrics) {
  rows_.push_back(metrics);
  unwritten_ = true;
  write();
}

void MetricsLog::finish() {
  if (unwritten_) write();
}

void MetricsLog::write() {
  std::string text = std::string(header) + "\n";
  for (const Metrics& row : rows_) text += line_of(row) + "\n";
  tp::save_text(csv_, text);
  unwritten_ = false;
}

void MetricsLog::draw() const {
  tp::Curve train{"training", {}, {}}, validation{"validation", {}, {}};
  for (const Metrics& row : rows_) {
    train.x.push_back(static_cast<double>(row.step));
    train.y.push_back(row.train_loss);
    if (std::isnan(row.validation_loss)) continue;
    validation.x.push_back(static_cast<double>(row.step));
    validation.y.push_back(row.validation_loss);
  }
  std::vector<tp::Curve> curves{train};
  if (!validation.x.empty()) curves.push_back(validation);
  tp::save_curves(curves, svg_, {.x_label = "step", .y_label = "loss, nats per token"});
}

double resident_megabytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}
