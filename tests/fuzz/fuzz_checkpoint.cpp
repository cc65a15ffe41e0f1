// SPDX-License-Identifier: MIT
// Checkpoints of char_rnn: a line of options, a line of the vocabulary, a line of the header's
// tensors, and their data, put together to a file, so that the lengths in it do not keep a fuzzer
// from what is within. Either all of it is read and can be used, or one FileError is thrown.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "checkpoint.hpp"

namespace {

/// A file without a folder.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("checkpoint", MFD_CLOEXEC)) {
    if (descriptor_ < 0) std::abort();
  }
  void replace(const std::string& bytes) const {
    const bool good =
        ftruncate(descriptor_, 0) == 0 &&
        pwrite(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
    if (!good) std::abort();
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

std::string file_of(std::string_view input) {
  nlohmann::json metadata;
  metadata["format"] = "tapestry char_rnn 1";
  metadata["text"] = "1";
  metadata["options"] = take_line(input);
  metadata["vocabulary"] = take_line(input);
  using Handler = nlohmann::json::error_handler_t;
  std::string header = "{\"__metadata__\":" + metadata.dump(-1, ' ', false, Handler::replace);
  header.append(",").append(take_line(input)) += "}";
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return file.append(header).append(input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  file.replace(file_of({reinterpret_cast<const char*>(data), size}));
  try {
    Checkpoint checkpoint = read_checkpoint(file.path());
    const tapestry::Metadata metadata = to_metadata(checkpoint.info);
    if (to_json(options_from_json(metadata.at("options"), "again")) != metadata.at("options"))
      std::abort();
    tapestry::Tape<> tape;
    const auto no_grad = tape.no_grad();
    Carry carry;
    tapestry::Indices token = tapestry::Indices::from_shape({1, 1});
    token(0, 0) = first_token(checkpoint.info.vocabulary);
    const auto logits = checkpoint.model.logits(tape, token, carry);
    if (logits.shape()[2] != checkpoint.info.vocabulary.size()) std::abort();
  } catch (const tapestry::FileError&) {
  }
  return 0;
}
