// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/text_file.hpp"

#include <algorithm>
#include <array>
#include <system_error>

#include "tapestry/autodiff/detail/output_file.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/save_text.hpp"

namespace tapestry {
namespace detail {
namespace {

/// Runs `write`; what it throws becomes a FileError.
template <class Write>
void attempt_file(std::string_view op, const std::filesystem::path& path, const Write& write) {
  try {
    write();
  } catch (const std::system_error& error) {
    throw FileError(op, "cannot write '" + path.string() + "': " + error.code().message());
  }
}

/// What each kind of file is called, and its endings.
struct Kind {
  std::string_view name;
  std::array<std::string_view, 2> endings;
};

constexpr std::array<Kind, 6> kinds{{{"DOT", {".dot", ".gv"}},
                                     {"SVG", {".svg"}},
                                     {"HTML", {".html", ".htm"}},
                                     {"CSV", {".csv", ".txt"}},
                                     {"safetensors", {".safetensors"}},
                                     {"npz", {".npz"}}}};

// Endings of what is not written here, but looked for under them.
constexpr std::array other_endings = std::to_array<std::string_view>({
    ".png", ".jpg",  ".jpeg", ".gif",    ".bmp",  ".tif",   ".tiff",   ".webp", ".ico",  ".pdf",
    ".ps",  ".eps",  ".svgz", ".txt",    ".md",   ".rst",   ".tex",    ".json", ".yaml", ".yml",
    ".xml", ".tsv",  ".xls",  ".xlsx",   ".ods",  ".npy",   ".pt",     ".pth",  ".ckpt", ".onnx",
    ".h5",  ".hdf5", ".pkl",  ".pickle", ".gguf", ".keras", ".tflite", ".mat",  ".zip",  ".gz",
    ".xz",  ".bz2",  ".zst",  ".tar",    ".cpp",  ".hpp",   ".c",      ".h",    ".py",   ".js",
});

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

bool has(const Kind& kind, std::string_view ending) {
  return std::ranges::find(kind.endings, ending) != kind.endings.end();
}

}  // namespace

void write_text(std::string_view op, const std::filesystem::path& path, const std::string& text) {
  attempt_file(op, path, [&] {
    OutputFile file(path);
    file.write(text.data(), text.size());
    file.commit();
  });
}

void append_text(std::string_view op, const std::filesystem::path& path, const std::string& text) {
  attempt_file(op, path, [&] { append(path, text); });
}

void check_ending(std::string_view op, const std::filesystem::path& path, FileKind kind) {
  const std::string ending = lower_case(path.extension().string());
  const Kind& own = kinds[static_cast<std::size_t>(kind)];
  if (ending.empty() || has(own, ending)) return;
  const bool other = std::ranges::find(other_endings, ending) != other_endings.end() ||
                     std::ranges::any_of(kinds, [&](const Kind& k) { return has(k, ending); });
  if (other)
    throw ArgumentError(op, "'" + path.string() + "' is named as a file of another kind; this is " +
                                std::string(own.name) + ", give it the ending " +
                                std::string(own.endings[0]));
}

}  // namespace detail

void save_text(const std::filesystem::path& path, const std::string& text) {
  detail::write_text("save_text", path, text);
}

}  // namespace tapestry
