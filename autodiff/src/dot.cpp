// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/dot.hpp"

#include <cerrno>
#include <fstream>
#include <ostream>
#include <system_error>

#include "dot_text.hpp"
#include "dot_writer.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace {

void write_file(const std::filesystem::path& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw std::system_error(errno != 0 ? errno : EIO, std::generic_category());
}

}  // namespace

std::string to_dot(const Graph& graph, const DotOptions& options) {
  if (options.max_nodes == 0) throw ArgumentError("to_dot", "max_nodes must be at least 1, not 0");
  return detail::write_dot(graph, options);
}

void to_dot(std::ostream& out, const Graph& graph, const DotOptions& options) {
  out << to_dot(graph, options);
}

void save_dot(const Graph& graph, const std::filesystem::path& path, const DotOptions& options) {
  const std::string text = to_dot(graph, options);
  std::error_code ignored;
  const bool other = std::filesystem::exists(path, ignored) &&
                     !std::filesystem::is_regular_file(path, ignored);  // such as /dev/stdout
  std::filesystem::path partial = path;
  if (!other) partial += ".partial";
  try {
    write_file(partial, text);
    if (!other) std::filesystem::rename(partial, path);
  } catch (const std::system_error& error) {
    if (!other) std::filesystem::remove(partial, ignored);
    throw FileError("save_dot", "cannot write '" + path.string() + "': " + error.code().message());
  }
}

template <class T>
Graph dot_snapshot(const Variable<T>& y, const DotOptions& options) {
  return snapshot(y, {.values = options.values,
                      .gradients = options.gradients,
                      .expand = options.expand,
                      .max_elements = detail::few_elements});
}

template Graph dot_snapshot(const Variable<float>&, const DotOptions&);
template Graph dot_snapshot(const Variable<double>&, const DotOptions&);

}  // namespace tapestry
