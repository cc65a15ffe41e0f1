// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/svg.hpp"

#include "pictures/program.hpp"
#include "tapestry/autodiff/detail/text_file.hpp"

namespace tapestry {
namespace {

std::string drawn(const char* op, const Graph& graph, const DotOptions& options) {
  return detail::run_program(op, {"dot", "graphviz", {"-Tsvg"}}, to_dot(graph, options));
}

}  // namespace

std::string to_svg(const Graph& graph, const DotOptions& options) {
  return drawn("to_svg", graph, options);
}

void save_svg(const Graph& graph, const std::filesystem::path& path, const DotOptions& options) {
  detail::check_ending("save_svg", path, detail::FileKind::svg);
  detail::write_text("save_svg", path, drawn("save_svg", graph, options));
}

}  // namespace tapestry
