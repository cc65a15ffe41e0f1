// SPDX-License-Identifier: MIT
// Pictures of what the studies along time find, as SVG, one call each; curves of any other kind are
// in <tapestry/autodiff/curves.hpp>.
// Gnuplot draws them: its program must be installed where a picture is made (Debian: gnuplot-nox),
// not where it is looked at.
//
//   save_heat_map(table, "table.svg");
//   save_lag_curve({{"LSTM", lstm_table}, {"RNN", rnn_table}}, "lags.svg");
//   save_spectrum({{"LSTM", spectrum}}, "spectrum.svg");
//
// Each has a twin that returns the SVG, for pages of one's own. All throw FileError when gnuplot is
// missing or fails, or the file cannot be written, and ArgumentError when there is nothing to draw
// or the file has the ending of another kind, as "table.png" has.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tapestry/autodiff/curves.hpp"
#include "tapestry/study/state_spectrum.hpp"
#include "tapestry/study/time_table.hpp"

namespace tapestry {

/// What the cells of a heat map show.
enum class HeatMapOf : std::uint8_t {
  share,     ///< signed share of the gradient: blue against, orange for it
  log_norm,  ///< log10 ||w_t G[t,k]||; cells without a path, and below 10^-30 of the largest, white
};

/// Loss time downwards, use time to the right. Uses outside of all steps are left out.
[[nodiscard]] std::string heat_map_svg(const TimeTable& table, HeatMapOf what = HeatMapOf::log_norm,
                                       const PlotOptions& options = {});
void save_heat_map(const TimeTable& table, const std::filesystem::path& path,
                   HeatMapOf what = HeatMapOf::log_norm, const PlotOptions& options = {});

struct NamedTable {
  std::string name;
  TimeTable table;
};

/// Against the lag: the norm of cells, and the bias of truncation at that window.
[[nodiscard]] std::string lag_curve_svg(const std::vector<NamedTable>& tables,
                                        const PlotOptions& options = {});
void save_lag_curve(const std::vector<NamedTable>& tables, const std::filesystem::path& path,
                    const PlotOptions& options = {});

struct NamedSpectrum {
  std::string name;
  StateSpectrum spectrum;
};

/// Against time: the largest and smallest singular value of each step, and its spectral radius;
/// beside it the Lyapunov exponents. What is below 10^-8 is not shown.
[[nodiscard]] std::string spectrum_svg(const std::vector<NamedSpectrum>& spectra,
                                       const PlotOptions& options = {});
void save_spectrum(const std::vector<NamedSpectrum>& spectra, const std::filesystem::path& path,
                   const PlotOptions& options = {});

}  // namespace tapestry
