// SPDX-License-Identifier: MIT
#include "tapestry/study/plots.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tapestry/autodiff/detail/gnuplot.hpp"
#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry {
namespace {

using detail::datum;
using detail::Script;
using detail::shade_of;

std::string draw_heat_map(const char* op, const TimeTable& table, HeatMapOf what,
                          const PlotOptions& options) {
  std::vector<std::size_t> columns;
  for (std::size_t c = 0; c < table.use_times.size(); ++c)
    if (table.use_times[c] != no_step) columns.push_back(c);
  if (columns.empty() || table.loss_times.empty())
    throw ArgumentError(op, "the table has no uses within time steps");
  double most = -std::numeric_limits<double>::infinity();
  double largest = 0;
  for (const double x : table.log_norms) most = std::max(most, x);
  for (const double x : table.shares) largest = std::max(largest, std::abs(x));
  if (largest == 0) largest = 1;
  const bool share = what == HeatMapOf::share;
  const double lowest = most - 30 * std::numbers::ln10;
  std::string rows;
  for (std::size_t r = 0; r < table.loss_times.size(); ++r) {
    for (const std::size_t c : columns) {
      const double log_norm = table.log_norm(r, c);
      const bool path = std::isfinite(log_norm);
      const double value =
          share ? (path ? table.share(r, c) : std::nan(""))
                : (log_norm >= lowest ? log_norm / std::numbers::ln10 : std::nan(""));
      rows += std::to_string(table.use_times[c]) + ' ' + std::to_string(table.loss_times[r]) + ' ' +
              (std::isfinite(value) ? exact_text(value) : "NaN") + '\n';
    }
    rows += '\n';
  }
  Script script(op, options, 620, 520);
  script.data("cells", rows);
  script.title();
  script.line("set xlabel 'use at step k'");
  script.line("set ylabel 'loss at step t'");
  script.line("set yrange [*:*] reverse");
  script.line("set autoscale xfix");
  script.line("set autoscale yfix");
  script.line("unset grid");
  script.line("set size ratio " +
              exact_text(std::clamp(static_cast<double>(table.loss_times.size()) /
                                        static_cast<double>(columns.size()),
                                    0.12, 1.5)));
  if (share) {
    script.line(
        "set palette defined (-1 '#0B4F8A', -0.3 '#7FB3DA', 0 '#F7F7F7', 0.3 '#F4A26B', "
        "1 '#B8400E')");
    script.line("set cbrange [" + exact_text(-largest) + ":" + exact_text(largest) + "]");
    script.line("set cblabel 'share of the gradient'");
  } else {
    script.line(
        "set palette defined (0 '#EEF3F8', 0.35 '#8FBBDD', 0.65 '#3A7FB5', 0.85 '#1D3F72', "
        "1 '#0B1E3F')");
    script.line("set format cb '10^{%g}'");
    script.line("set cblabel '‖w_t G[t,k]‖'");
  }
  script.line("plot $cells using 1:2:3 with image pixels notitle");
  return script.draw();
}

std::string draw_lag_curve(const char* op, const std::vector<NamedTable>& tables,
                           const PlotOptions& options) {
  if (tables.empty()) throw ArgumentError(op, "there are no tables");
  Script script(op, options, 880, 400);
  std::string norms = "plot ";
  std::string biases = "plot ";
  std::vector<std::string> names;
  bool any = false;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    names.push_back(tables[i].name);
    const std::string number = std::to_string(i);
    std::string rows;
    for (const LagPoint& point : tables[i].table.lag_curve()) {
      any |= std::isfinite(point.log_norm);
      rows += std::to_string(point.lag) + ' ' + datum(point.log_norm / std::numbers::ln10) + '\n';
    }
    script.data("norms" + number, rows);
    rows.clear();
    for (const TruncationBias& bias : tables[i].table.biases)
      rows += std::to_string(bias.window) + ' ' + datum(100 * bias.bias) + '\n';
    script.data("biases" + number, rows.empty() ? "0 ?\n" : rows);
    const std::string style = std::string(" with lines lw 2 lc rgb '") + shade_of(i) + "' notitle";
    norms += (i > 0 ? ", " : "") + ("$norms" + number) + " using 1:2" + style;
    biases += (i > 0 ? ", " : "") + ("$biases" + number) + " using 1:2" + style;
  }
  if (!any) throw ArgumentError(op, "all cells are zero");
  script.panels(names);
  script.line("set xlabel 'lag t − k'");
  script.line("set ylabel '‖w_t G[t,k]‖, mean over t'");
  script.line("set format y '10^{%g}'");
  script.line(norms);
  script.second_panel();
  script.line("set xlabel 'window K of truncated backpropagation'");
  script.line("set ylabel 'bias of the gradient'");
  script.line("set format y '%g %%'");
  script.line("set yrange [0:*]");
  script.line(biases);
  script.line("unset multiplot");
  return script.draw();
}

std::string draw_spectrum(const char* op, const std::vector<NamedSpectrum>& spectra,
                          const PlotOptions& options) {
  if (spectra.empty()) throw ArgumentError(op, "there are no spectra");
  Script script(op, options, 940, 420);
  std::string values = "plot 0 with lines lw 1 dt 2 lc rgb '#8793A0' notitle";
  std::string exponents = "plot 0 with lines lw 1 dt 2 lc rgb '#8793A0' notitle";
  std::vector<std::string> names;
  for (std::size_t i = 0; i < spectra.size(); ++i) {
    names.push_back(spectra[i].name);
    const StateSpectrum& spectrum = spectra[i].spectrum;
    const std::string number = std::to_string(i);
    std::string rows;
    for (const StateStep& step : spectrum.steps)
      rows += std::to_string(step.time) + ' ' + datum(std::log10(step.sigma_max())) + ' ' +
              datum(std::log10(step.spectral_radius)) + ' ' +
              datum(std::log10(std::max(step.sigma_min(), 1e-300))) + '\n';
    script.data("steps" + number, rows);
    rows.clear();
    for (std::size_t k = 0; k < spectrum.exponents.size(); ++k)
      rows += std::to_string(k + 1) + ' ' + datum(spectrum.exponents[k]) + '\n';
    script.data("exponents" + number, rows);
    const std::string shade = std::string(" lc rgb '") + shade_of(i) + "' ";
    const std::string curve = ", $steps" + number + " using 1:";
    values += curve + "2 with lines lw 2.2" + shade + "notitle";
    if (std::isfinite(spectrum.steps.at(0).spectral_radius))
      values += curve + "3 with lines lw 1.6 dt '-'" + shade + "notitle";
    values += curve + "4 with lines lw 1.2 dt '.'" + shade + "notitle";
    exponents += ", $exponents" + number + " using 1:2 with linespoints lw 1.4 pt 7 ps 0.35" +
                 shade + "notitle";
  }
  script.panels(names);
  script.line("set yrange [-8:*]");
  script.line("set xlabel 'step t'");
  script.line("set ylabel 'σ_{max} —   |λ|_{max} - -   σ_{min} ···   of ∂s_t/∂s_{t−1}'");
  script.line("set format y '10^{%g}'");
  script.line(values);
  script.line("set xlabel 'number'");
  script.line("set ylabel 'Lyapunov exponent, 1/step'");
  script.line("set format y '%g'");
  script.line("set yrange [*:*]");
  script.second_panel();
  script.line(exponents);
  script.line("unset multiplot");
  return script.draw();
}

}  // namespace

std::string heat_map_svg(const TimeTable& table, HeatMapOf what, const PlotOptions& options) {
  return draw_heat_map("heat_map_svg", table, what, options);
}
void save_heat_map(const TimeTable& table, const std::filesystem::path& path, HeatMapOf what,
                   const PlotOptions& options) {
  detail::check_ending("save_heat_map", path, detail::FileKind::svg);
  detail::write_text("save_heat_map", path, draw_heat_map("save_heat_map", table, what, options));
}

std::string lag_curve_svg(const std::vector<NamedTable>& tables, const PlotOptions& options) {
  return draw_lag_curve("lag_curve_svg", tables, options);
}
void save_lag_curve(const std::vector<NamedTable>& tables, const std::filesystem::path& path,
                    const PlotOptions& options) {
  detail::check_ending("save_lag_curve", path, detail::FileKind::svg);
  detail::write_text("save_lag_curve", path, draw_lag_curve("save_lag_curve", tables, options));
}

std::string spectrum_svg(const std::vector<NamedSpectrum>& spectra, const PlotOptions& options) {
  return draw_spectrum("spectrum_svg", spectra, options);
}
void save_spectrum(const std::vector<NamedSpectrum>& spectra, const std::filesystem::path& path,
                   const PlotOptions& options) {
  detail::check_ending("save_spectrum", path, detail::FileKind::svg);
  detail::write_text("save_spectrum", path, draw_spectrum("save_spectrum", spectra, options));
}

}  // namespace tapestry
