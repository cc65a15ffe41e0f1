// SPDX-License-Identifier: MIT
// A health report in words and numbers.
#include <algorithm>
#include <cmath>
#include <ostream>
#include <system_error>

#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/utf8.hpp"
#include "tapestry/layers/health.hpp"

namespace tapestry {
namespace {

std::string left(std::string text, std::size_t width) {
  const std::size_t used = utf8::count(text);
  return text.append(width - std::min(width, used), ' ');
}

/// `x` with three digits, right-aligned; a dash where there is none.
std::string cell(double x, std::size_t width, const std::string& unit = "") {
  const std::string text = std::isnan(x) ? "-" : number_text(x, 3);
  return std::string(width - std::min(width, text.size()), ' ') + text +
         (std::isnan(x) ? std::string(unit.size(), ' ') : unit);
}

std::string direction_of(const ValueHealth& value) {
  return value.direction == layers::Direction::forward ? "forward" : "reverse";
}

/// Numbers in a CSV file: empty where there is none.
std::string field(double x) { return std::isnan(x) ? "" : exact_text(x); }

/// Quotes a name that would upset the columns.
std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

std::string line_of(const ValueHealth& value) {
  const StepHealth none{.norm = std::nan("")};
  const StepHealth& first = value.steps.empty() ? none : value.steps.front();
  const StepHealth& last = value.steps.empty() ? none : value.steps.back();
  const std::string place = "layer " + std::to_string(value.layer) +
                            (value.direction == layers::Direction::reverse ? " reverse " : " ") +
                            value.name;
  return left(place, 18) + cell(first.norm, 9) + cell(last.norm, 9) +
         cell(first.gradient_norm, 10) + cell(last.gradient_norm, 10) +
         cell(100 * value.low, 7, "%") + cell(100 * value.high, 7, "%") + left("", 4) +
         std::to_string(value.dead) + '/' + std::to_string(value.units) + '\n';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const std::vector<ParameterHealth>& parameters) {
  std::size_t width = 18;
  for (const ParameterHealth& parameter : parameters)
    width = std::max(width, utf8::count(parameter.name) + 1);
  std::string text = left("parameter", width) + "     norm      grad  update/weight\n";
  for (const ParameterHealth& parameter : parameters) {
    text += left(utf8::shown(parameter.name), width) + cell(parameter.norm, 9) +
            cell(parameter.gradient_norm, 10) + cell(parameter.update_ratio, 15);
    if (parameter.not_finite > 0)
      text += "  " + std::to_string(parameter.not_finite) + " not finite";
    text += '\n';
  }
  return out << text;
}

std::ostream& operator<<(std::ostream& out, const HealthReport& report) {
  std::string text =
      left(report.layer, 18) + "norm: first    last grad: first   last    low    high    dead\n";
  for (const ValueHealth& value : report.values) text += line_of(value);
  return out << text << report.parameters;
}

void append_csv(const HealthReport& report, const std::filesystem::path& path,
                std::uint64_t training_step) {
  detail::check_ending("append_csv", path, detail::FileKind::csv);
  std::error_code ignored;
  const bool fresh =
      !std::filesystem::exists(path, ignored) || (std::filesystem::is_regular_file(path, ignored) &&
                                                  std::filesystem::file_size(path, ignored) == 0);
  std::string text;
  if (fresh)
    text =
        "training_step,what,name,layer,direction,time,norm,gradient_norm,low,high,dead,"
        "update_ratio\n";
  const std::string begin = std::to_string(training_step) + ',';
  for (const ValueHealth& value : report.values)
    for (const StepHealth& step : value.steps)
      text += begin + "value," + csv_text(value.name) + ',' + std::to_string(value.layer) + ',' +
              direction_of(value) + ',' + std::to_string(step.time) + ',' + field(step.norm) + ',' +
              field(step.gradient_norm) + ',' + field(step.low) + ',' + field(step.high) + ',' +
              std::to_string(value.dead) + ",\n";
  for (const ParameterHealth& parameter : report.parameters)
    text += begin + "parameter," + csv_text(parameter.name) + ",,,," + field(parameter.norm) + ',' +
            field(parameter.gradient_norm) + ",,,," + field(parameter.update_ratio) + '\n';
  detail::append_text("append_csv", path, text);
}

}  // namespace tapestry
