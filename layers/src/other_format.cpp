// SPDX-License-Identifier: MIT
#include "other_format.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "problems.hpp"

namespace tapestry::detail {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t head_size = 512;

struct Magic {
  std::string_view bytes;
  const char* text;
  std::size_t offset = 0;
};

constexpr auto magics = std::to_array<Magic>({
    {"version https://git-lfs.github.com/spec/"sv,
     "a pointer of Git LFS, not the file that it stands for: 'git lfs pull' fetches that"},
    {"/annex/objects/"sv,
     "a pointer of git-annex, not the file that it stands for: 'git annex get' fetches that"},
    {"\x93NUMPY"sv, "a single .npy array; numpy.savez writes an .npz file, which load_npz reads"},
    {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file, such as Keras writes (.h5)"},
    {"\x1f\x8b"sv, "compressed by gzip; unpack it first"},
    {"BZh"sv, "compressed by bzip2; unpack it first"},
    {"\xfd\x37zXZ\0"sv, "compressed by xz; unpack it first"},
    {"\x28\xb5\x2f\xfd"sv, "compressed by zstd; unpack it first"},
    {"7z\xbc\xaf\x27\x1c"sv, "an archive of 7-Zip; unpack it first"},
    {"Rar!\x1a\x07"sv, "an archive of RAR; unpack it first"},
    {"ustar"sv, "an archive of tar; unpack it first", 257},
    {"GGUF"sv, "a GGUF file, as llama.cpp reads"},
    {"TFL3"sv, "a model of TensorFlow Lite", 4},
    {"\x7f"
     "ELF"sv,
     "a program or library (ELF)"},
    {"%PDF-"sv, "a PDF document"},
    {"\x89PNG\r\n"sv, "a picture (PNG)"},
});

constexpr const char* torch_file =
    "a file of PyTorch's torch.save; in Python, safetensors.torch.save_file writes a state_dict as "
    "a file that load reads";

constexpr const char* pickle =
    "a pickle of Python, perhaps of an old torch.save; in Python, safetensors.torch.save_file "
    "writes a state_dict as a file that load reads";

/// The first bytes of the file, at most `head_size`.
std::string head_of(const ByteSource& file) {
  std::string head(std::min<std::uint64_t>(file.size(), head_size), '\0');
  file.read(0, head.data(), head.size());
  return head;
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

/// Pickles of protocol 2 and later begin with its number and, but for the oldest, with a frame.
bool is_pickle(std::string_view head) {
  return head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}

bool is_safetensors(std::string_view head, std::uint64_t size) {
  return head.size() > 8 && head[8] == '{' && little_endian(head.substr(0, 8)) <= size - 8;
}

/// A page or data in marks, such as a server's "not found" that was saved in place of the file.
const char* markup(std::string_view head) {
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n"), head.size()));
  std::string start(head.substr(0, 14));
  for (char& c : start)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (start.starts_with("<!doctype html") || start.starts_with("<html"))
    return "a page of HTML, perhaps a server's message in place of the file";
  if (start.starts_with("<?xml")) return "XML";
  if (start.starts_with("{") || start.starts_with("["))
    return "JSON, such as the index of a model that is in several files";
  return nullptr;
}

/// What an archive is, by the first file in it. Any that is not of a known kind may hold arrays.
std::string kind_of_zip(std::string_view head, Format wanted) {
  constexpr std::size_t fixed = 30;
  const bool any = wanted == Format::npz;
  if (head.size() < fixed) return any ? "" : "a zip archive";
  const auto name = head.substr(fixed, little_endian(head.substr(26, 2)));
  if (name.ends_with(".npy")) return any ? "" : "an .npz file, which load_npz reads";
  for (const std::string_view part :
       {"/data.pkl", "/.format_version", "/byteorder", "/version", "/constants.pkl", "/.data/"})
    if (name.find(part) != std::string_view::npos) return torch_file;
  if (name == "metadata.json" || name == "config.json") return "a model of Keras (.keras)";
  return any ? "" : "a zip archive that begins with " + in_quotes(name);
}

}  // namespace

std::string other_format(const ByteSource& file, Format wanted) {
  const std::string head = head_of(file);
  for (const Magic& magic : magics)
    if (head.size() > magic.offset &&
        std::string_view(head).substr(magic.offset).starts_with(magic.bytes))
      return magic.text;
  if (head.starts_with("PK\5\6")) return wanted == Format::npz ? "" : "an empty zip archive";
  if (head.starts_with("PK\3\4")) return kind_of_zip(head, wanted);
  if (is_safetensors(head, file.size()))
    return wanted == Format::safetensors ? "" : "a safetensors file, which load reads";
  if (is_pickle(head)) return pickle;
  if (const char* kind = markup(head)) return kind;
  return "";
}

}  // namespace tapestry::detail
