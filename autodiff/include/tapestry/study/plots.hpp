// SPDX-License-Identifier: MIT
// Pictures of what the studies along time find, and curves of any kind, as SVG, one call each.
// Gnuplot draws them: its program must be installed where a picture is made (Debian: gnuplot-nox),
// not where it is looked at.
//
//   save_heat_map(table, "table.svg");
//   save_lag_curve({{"LSTM", lstm_table}, {"RNN", rnn_table}}, "lags.svg");
//   save_spectrum({{"LSTM", spectrum}}, "spectrum.svg");
//   save_curves({{"training", steps, losses}, {"validation", epochs, held_out}}, "loss.svg");
//
// Each has a twin that returns the SVG, for pages of one's own. All throw FileError when gnuplot is
// missing or fails, or the file cannot be written, and ArgumentError when there is nothing to draw
// or the file has the ending of another kind, as "table.png" has.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tapestry/study/state_spectrum.hpp"
#include "tapestry/study/time_table.hpp"

namespace tapestry {

struct PlotOptions {
  std::string title = {};  ///< plain text
  unsigned width = 0;      ///< pixels; 0: as fits the picture
  unsigned height = 0;
};

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

/// A line through the points (x[i], y[i]), in their order. What is not finite leaves a gap.
struct Curve {
  std::string name = {};  ///< in the legend; none there when it is empty
  std::vector<double> x = {};
  std::vector<double> y = {};
  bool dashed = false;
  int colour = -1;  ///< the same for the same number, six in all; -1: by position
};

struct CurveOptions {
  std::string title = {};  ///< plain text, as the labels and the names
  unsigned width = 0;      ///< pixels; 0: as fits the picture
  unsigned height = 0;
  std::string x_label = {};
  std::string y_label = {};
  bool log_y = false;  ///< logarithmic; what is not positive leaves a gap
};

/// Curves in one picture, their legend below it. Throws ArgumentError also when the x and y of a
/// curve differ in number, and for a colour below -1.
[[nodiscard]] std::string curves_svg(const std::vector<Curve>& curves,
                                     const CurveOptions& options = {});
void save_curves(const std::vector<Curve>& curves, const std::filesystem::path& path,
                 const CurveOptions& options = {});

}  // namespace tapestry
