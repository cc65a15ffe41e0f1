// SPDX-License-Identifier: MIT
// Drawings of a computation in DOT, the language of Graphviz: `dot -Tsvg graph.dot -o graph.svg`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

#include "tapestry/autodiff/dot_overlay.hpp"
#include "tapestry/autodiff/graph.hpp"

namespace tapestry {

/// Which way a drawing runs.
enum class DotDirection : std::uint8_t {
  automatic,      ///< left to right when the graph is recurrent, else top down
  left_to_right,  ///< time steps are columns; without steps the computation runs to the right
  top_down,
};

struct DotOptions {
  /// Print values and gradients: small arrays in full, others as their range and mean.
  bool values = false;
  bool gradients = false;

  /// Fused ops that run over time steps are drawn step by step, others as one node.
  Expand expand = Expand::over_steps;

  DotDirection direction = DotDirection::automatic;

  /// Larger graphs are cut to the part nearest to the roots, and the drawing says so.
  std::size_t max_nodes = 400;

  /// Draw each use of a parameter where it is used. By default a parameter is drawn once, in the
  /// part of the model that it belongs to, outside the time steps.
  bool parameter_uses = false;

  /// Draw three or more time steps that repeat each other as one, marked "⟳ ×48". What is printed
  /// of its values is that of the first. Steps that read further back than one step are not drawn
  /// so: no arrow could say how far.
  bool roll_steps = false;

  /// What to draw differently: a path, the flow of a gradient. The study tools make these.
  DotOverlay overlay = {};
};

/// The graph in DOT. The text depends on the graph alone: nodes are called n0, n1, ... by their
/// number on the tape, and drawn in clusters by scope. Values and gradients are printed if the
/// snapshot has them. Throws ArgumentError when `max_nodes` is 0.
[[nodiscard]] std::string to_dot(const Graph& graph, const DotOptions& options = {});

/// The same, written to a stream.
void to_dot(std::ostream& out, const Graph& graph, const DotOptions& options = {});

/// Writes the DOT text to a file; an existing file is replaced only once all is written. Throws
/// FileError, with the reason, when that fails; ArgumentError when `path` has the ending of another
/// kind of file, as "graph.svg" has.
void save_dot(const Graph& graph, const std::filesystem::path& path,
              const DotOptions& options = {});

/// What `to_dot(y, options)` looks at: the graph of `y`, with the numbers that get printed.
template <class T>
[[nodiscard]] Graph dot_snapshot(const Variable<T>& y, const DotOptions& options = {});

/// The graph of what `y` was computed from, in DOT. Throws StaleVariable, ArgumentError.
template <class T>
[[nodiscard]] std::string to_dot(const Variable<T>& y, const DotOptions& options = {}) {
  return to_dot(dot_snapshot(y, options), options);
}
template <class T>
void to_dot(std::ostream& out, const Variable<T>& y, const DotOptions& options = {}) {
  to_dot(out, dot_snapshot(y, options), options);
}
template <class T>
void save_dot(const Variable<T>& y, const std::filesystem::path& path,
              const DotOptions& options = {}) {
  save_dot(dot_snapshot(y, options), path, options);
}

}  // namespace tapestry
