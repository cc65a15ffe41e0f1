// SPDX-License-Identifier: MIT
// Graphs as SVG in one call. Graphviz draws them: its program `dot` must be installed where the
// picture is made, not where it is looked at.
#pragma once

#include <filesystem>
#include <string>

#include "tapestry/autodiff/dot.hpp"

namespace tapestry {

/// The graph as an SVG picture. Throws as `to_dot`; FileError when there is no `dot`, or with what
/// it has to say.
[[nodiscard]] std::string to_svg(const Graph& graph, const DotOptions& options = {});

/// The same, written to a file, which is replaced only once the picture is drawn. FileError;
/// ArgumentError when `path` has the ending of another kind of file, as "graph.png" has.
void save_svg(const Graph& graph, const std::filesystem::path& path,
              const DotOptions& options = {});

/// The graph of what `y` was computed from.
template <class T>
[[nodiscard]] std::string to_svg(const Variable<T>& y, const DotOptions& options = {}) {
  return to_svg(dot_snapshot(y, options), options);
}
template <class T>
void save_svg(const Variable<T>& y, const std::filesystem::path& path,
              const DotOptions& options = {}) {
  save_svg(dot_snapshot(y, options), path, options);
}

}  // namespace tapestry
