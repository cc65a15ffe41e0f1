// SPDX-License-Identifier: MIT
#include "text_input.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "tapestry/autodiff/error.hpp"
#include "utf8.hpp"

namespace tapestry::data::detail {
namespace {

constexpr std::size_t part_size = 1 << 16;

std::string because(int reason) { return ": " + std::generic_category().message(reason); }

}  // namespace

TextInput::TextInput(const char* op, std::string path) : op_(op), path_(std::move(path)) {
  // A pipe without a writer must not keep us waiting.
  descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail("cannot open it" + because(errno));
  try {
    note_status();
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

TextInput::~TextInput() { close(descriptor_); }

void TextInput::fail(const std::string& what) const { throw FileError(op_, path_ + ": " + what); }

void TextInput::note_status() {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) fail("cannot read it" + because(errno));
  if (S_ISDIR(status.st_mode)) fail("it is a folder");
  if (!S_ISREG(status.st_mode)) fail("it is not a regular file");
  if (status.st_size == 0) fail("it is empty");
  size_ = static_cast<std::uint64_t>(status.st_size);
  written_ = status.st_mtim;
}

void TextInput::check_unchanged() const {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) fail("cannot read it" + because(errno));
  const bool same = static_cast<std::uint64_t>(status.st_size) == size_ &&
                    status.st_mtim.tv_sec == written_.tv_sec &&
                    status.st_mtim.tv_nsec == written_.tv_nsec;
  if (!same) fail("it was written to after it was opened");
}

std::size_t TextInput::read(std::uint64_t offset, std::span<char> into) const {
  const auto wanted = static_cast<std::size_t>(
      std::min<std::uint64_t>(into.size(), size_ - std::min(offset, size_)));
  for (std::size_t done = 0; done < wanted;) {
    const ssize_t count =
        pread(descriptor_, into.data() + done, wanted - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot read it" + because(errno));
    if (count == 0) fail("it became shorter while it was read");
    done += static_cast<std::size_t>(count);
  }
  return wanted;
}

std::uint64_t TextInput::for_each_part(const std::function<void(std::string_view)>& use) const {
  const auto raise_if = [&](const std::optional<utf8::Fault>& fault) {
    if (fault) fail("it is not valid UTF-8 at " + utf8::str(*fault));
  };
  std::vector<char> buffer(part_size);
  Utf8State state;
  Fnv hash;
  for (std::uint64_t offset = 0; offset < size_;) {
    const std::string_view part(buffer.data(), read(offset, buffer));
    const std::size_t zero = part.find('\0');
    raise_if(utf8::check_part(state, part.substr(0, zero)));
    if (zero != std::string_view::npos)
      fail("it is not text: a zero byte at byte " + std::to_string(offset + zero));
    if (size_ == part.size() && part == utf8::byte_order_mark)
      fail("it is empty, but for a byte order mark");
    hash.add(part);
    use(part);
    offset += part.size();
  }
  raise_if(utf8::check_end(state));
  check_unchanged();
  return hash.with_size(size_);
}

}  // namespace tapestry::data::detail
