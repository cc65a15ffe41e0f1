// SPDX-License-Identifier: MIT
#include "zip.hpp"

#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <exception>

namespace tapestry::detail {

/// Where libzip puts what went wrong.
class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  ~ZipError() { zip_error_fini(&error_); }

  [[nodiscard]] zip_error_t* get() { return &error_; }
  [[nodiscard]] Complaint text() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_{};
};

namespace {

using Archive = std::unique_ptr<zip_t, ZipDeleter>;
using Source = std::unique_ptr<zip_source_t, ZipDeleter>;

/// Deflate turns at most 1032 bytes into one, and a stored file only itself into itself.
constexpr std::uint64_t max_expansion = 1032;

Complaint text_of(zip_t* archive) { return zip_strerror(archive); }

/// Takes over the reference to `source` when it succeeds.
Archive open_archive(Source& source, int flags, ZipError& error) {
  Archive archive(source ? zip_open_from_source(source.get(), flags, error.get()) : nullptr);
  if (archive) static_cast<void>(source.release());
  return archive;
}

/// libzip does not write to what it is given to read, though its types do not say so.
zip_uint8_t* as_libzip_wants(std::span<const std::byte> bytes) {
  return reinterpret_cast<zip_uint8_t*>(const_cast<std::byte*>(bytes.data()));
}

/// Adds an uncompressed file. Its header and data must outlive the archive.
bool add(zip_t* archive, const ZipFile& file) {
  std::vector<zip_buffer_fragment_t> fragments;  // libzip 1.7 stumbles over empty ones
  for (const auto& part : {std::as_bytes(std::span(file.header)), file.data})
    if (!part.empty()) fragments.push_back({as_libzip_wants(part), part.size()});
  Source source(zip_source_buffer_fragment(archive, fragments.data(), fragments.size(), 0));
  if (!source) return false;
  const zip_int64_t position =
      zip_file_add(archive, file.name.c_str(), source.get(), ZIP_FL_ENC_UTF_8);
  if (position < 0) return false;
  static_cast<void>(source.release());
  const auto index = static_cast<zip_uint64_t>(position);
  constexpr zip_uint16_t first_of_january_1980 = (1u << 5) | 1u;
  return zip_set_file_compression(archive, index, ZIP_CM_STORE, 0) == 0 &&
         zip_file_set_dostime(archive, index, 0, first_of_january_1980, 0) == 0;
}

/// An archive of no files, which libzip would rather delete: nothing but the end of a directory.
Complaint make_empty_zip(std::vector<std::byte>& bytes) {
  bytes.assign(22, std::byte{0});
  std::ranges::copy(std::as_bytes(std::span("PK\5\6", 4)), bytes.begin());
  return "";
}

/// All bytes of a source.
Complaint read_all(zip_source_t* source, std::vector<std::byte>& bytes) {
  zip_stat_t status;
  zip_stat_init(&status);
  bool good = zip_source_stat(source, &status) == 0 && zip_source_open(source) == 0;
  if (good) {
    bytes.resize(status.size);
    good = zip_source_read(source, bytes.data(), bytes.size()) ==
           static_cast<zip_int64_t>(bytes.size());
    zip_source_close(source);
  }
  return good ? "" : zip_error_strerror(zip_source_error(source));
}

}  // namespace

void ZipDeleter::operator()(zip* archive) const { zip_discard(archive); }
void ZipDeleter::operator()(zip_file* file) const { zip_fclose(file); }
void ZipDeleter::operator()(zip_source* source) const { zip_source_free(source); }

Complaint ZipEntry::read(std::span<std::byte> to) {
  while (!to.empty()) {
    const zip_int64_t count = zip_fread(file_.get(), to.data(), to.size());
    if (count < 0) return zip_file_strerror(file_.get());
    if (count == 0) return "it ends too early";
    to = to.subspan(static_cast<std::size_t>(count));
  }
  return "";
}

Complaint ZipEntry::finish() {
  std::byte more{};
  const zip_int64_t count = zip_fread(file_.get(), &more, 1);
  if (count < 0) return zip_file_strerror(file_.get());
  return count == 0 ? "" : "it is longer than it says";
}

/// A file that libzip reads from. Its functions are C: errors become numbers.
class ZipReader::Stream {
 public:
  explicit Stream(const ByteSource& file) : file_(file) {}

  /// What libzip asks for.
  static zip_int64_t answer(void* stream, void* data, zip_uint64_t size, zip_source_cmd_t command) {
    return static_cast<Stream*>(stream)->answer(data, size, command);
  }

 private:
  zip_int64_t answer(void* data, zip_uint64_t size, zip_source_cmd_t command);
  zip_int64_t read(void* to, zip_uint64_t bytes);

  const ByteSource& file_;
  std::uint64_t at_ = 0;
  ZipError error_;
};

zip_int64_t ZipReader::Stream::answer(void* data, zip_uint64_t size, zip_source_cmd_t command) {
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                            ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                            ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, -1);
    case ZIP_SOURCE_OPEN:
      at_ = 0;
      return 0;
    case ZIP_SOURCE_READ:
      return read(data, size);
    case ZIP_SOURCE_SEEK: {
      const zip_int64_t to =
          zip_source_seek_compute_offset(at_, file_.size(), data, size, error_.get());
      if (to >= 0) at_ = static_cast<std::uint64_t>(to);
      return to >= 0 ? 0 : -1;
    }
    case ZIP_SOURCE_TELL:
      return static_cast<zip_int64_t>(at_);
    case ZIP_SOURCE_STAT: {
      auto* status = static_cast<zip_stat_t*>(data);
      zip_stat_init(status);
      status->size = file_.size();
      status->valid = ZIP_STAT_SIZE;
      return sizeof(*status);
    }
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(error_.get(), data, size);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
      return 0;
    default:
      zip_error_set(error_.get(), ZIP_ER_OPNOTSUPP, 0);
      return -1;
  }
}

zip_int64_t ZipReader::Stream::read(void* to, zip_uint64_t bytes) {
  try {
    const auto count = std::min<std::uint64_t>(bytes, file_.size() - at_);
    file_.read(at_, to, count);
    at_ += count;
    return static_cast<zip_int64_t>(count);
  } catch (const std::exception&) {
    zip_error_set(error_.get(), ZIP_ER_READ, EIO);
    return -1;
  }
}

ZipReader::ZipReader() = default;
ZipReader::~ZipReader() = default;

Complaint ZipReader::open(const ByteSource& file) {
  if (file.size() == 0) return "it is empty";  // libzip would take it for an archive of no files
  size_ = file.size();
  stream_ = std::make_unique<Stream>(file);
  ZipError error;
  Source source(zip_source_function_create(&Stream::answer, stream_.get(), error.get()));
  archive_ = open_archive(source, ZIP_RDONLY | ZIP_CHECKCONS, error);
  return archive_ ? "" : error.text();
}

std::uint64_t ZipReader::count() const {
  return static_cast<std::uint64_t>(zip_get_num_entries(archive_.get(), 0));
}

Complaint ZipReader::describe(std::uint64_t position, Description& description) const {
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_stat_index(archive_.get(), position, 0, &status) != 0) return text_of(archive_.get());
  description.name = status.name;
  description.size = status.size;
  const bool stored = status.comp_method == ZIP_CM_STORE;
  if (status.comp_size > size_)
    return "its " + std::to_string(status.comp_size) + " bytes are more than those of the archive";
  const bool possible =
      stored ? status.size == status.comp_size : status.size / max_expansion <= status.comp_size;
  if (possible) return "";
  return "its " + std::to_string(status.comp_size) + " bytes cannot hold " +
         std::to_string(status.size);
}

Complaint ZipReader::open(std::uint64_t position, ZipEntry& entry) const {
  entry.file_.reset(zip_fopen_index(archive_.get(), position, 0));
  return entry.file_ ? "" : text_of(archive_.get());
}

Complaint make_zip(const std::vector<ZipFile>& files, std::vector<std::byte>& bytes) {
  if (files.empty()) return make_empty_zip(bytes);
  ZipError error;
  Source source(zip_source_buffer_create(nullptr, 0, 0, error.get()));
  if (!source) return error.text();
  zip_source_keep(source.get());  // for us, to read it at the end
  const Source result(source.get());
  Archive archive = open_archive(source, ZIP_TRUNCATE, error);
  if (!archive) return error.text();
  const bool added = std::all_of(files.begin(), files.end(),
                                 [&](const ZipFile& file) { return add(archive.get(), file); });
  if (!added || zip_close(archive.get()) != 0) return text_of(archive.get());
  static_cast<void>(archive.release());
  return read_all(result.get(), bytes);
}

}  // namespace tapestry::detail
