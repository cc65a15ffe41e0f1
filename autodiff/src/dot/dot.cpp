// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/dot.hpp"

#include <ostream>

#include "dot/text.hpp"
#include "dot/writer.hpp"
#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {
std::string to_dot(const Graph& graph, const DotOptions& options) {
  if (options.max_nodes == 0) throw ArgumentError("to_dot", "max_nodes must be at least 1, not 0");
  return detail::write_dot(graph, options);
}

void to_dot(std::ostream& out, const Graph& graph, const DotOptions& options) {
  out << to_dot(graph, options);
}

void save_dot(const Graph& graph, const std::filesystem::path& path, const DotOptions& options) {
  detail::check_ending("save_dot", path, detail::FileKind::dot);
  detail::write_text("save_dot", path, to_dot(graph, options));
}

template <class T>
Graph dot_snapshot(const Variable<T>& y, const DotOptions& options) {
  return snapshot(y, {.values = options.values,
                      .gradients = options.gradients,
                      .expand = options.expand,
                      .max_elements = detail::few_elements});
}

TAPESTRY_INSTANTIATE(dot_snapshot)

}  // namespace tapestry
