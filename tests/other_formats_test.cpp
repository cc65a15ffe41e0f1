// SPDX-License-Identifier: MIT
// Files that are not what a reader was promised, and files that claim more than they hold: each is
// named for what it is, and nothing large is read or built before that.
#define BOOST_TEST_MODULE other_formats
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "files.hpp"
#include "parameters.hpp"
#include "python.hpp"
#include "tapestry/layers/npz.hpp"
#include "tapestry/layers/safetensors.hpp"

namespace tp = tapestry;
using tp::FileError;
using tp::test::filled;
using tp::test::needs_python;
using tp::test::read_bytes;
using tp::test::run_python;
using tp::test::TemporaryFolder;
using tp::test::write_bytes;
using namespace std::string_literals;

namespace {

struct Model {
  tp::Parameter<float> w = filled<float>({2, 3}, 5);
  void visit(auto&& part) { part("w", w); }
};

/// With its length before it and zeros behind it.
std::string file_of(const std::string& header, std::size_t data = 24) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + std::string(data, '\0');
}

/// Megabytes of memory that `action` needs beyond what was needed before it; 0 under a sanitizer,
/// which keeps what was given back.
double megabytes_for(const std::function<void()>& action) {
  const auto peak = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
  };
  const double before = peak();
  action();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0 * before;
#else
  return peak() - before;
#endif
}

struct Fixture {
  TemporaryFolder folder;
  std::string path = folder / "m";
  Model model;

  /// What is wrong with the file; "" when it is loaded.
  [[nodiscard]] std::string refusal(bool npz, bool ignore_surplus = false) {
    try {
      npz ? tp::load_npz(model, path, {.ignore_surplus = ignore_surplus})
          : tp::load(model, path, {.ignore_surplus = ignore_surplus});
      return "";
    } catch (const FileError& error) {
      return error.what();
    }
  }
  void expect(bool npz, const std::string& part) {
    const std::string text = refusal(npz);
    BOOST_TEST(text.find(part) != std::string::npos, text << " has no " << part);
    BOOST_TEST(model.w.version() == 0u);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(other_formats, Fixture)

BOOST_AUTO_TEST_CASE(both_readers_name_what_a_file_is) {
  const std::string rest(600, '\1');
  const std::vector<std::pair<std::string, std::string>> cases{
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", "Git LFS"},
      {"/annex/objects/SHA256E-s1--4d7a.safetensors\n", "git-annex"},
      {"\x80\x02\x8a\x0al\xfc\x9c" + rest, "torch.save"},
      {"\x80\x04\x95" + rest, "pickle"},
      {"PK\3\4" + std::string(22, '\0') + "\x10\0\0\0archive/data.pkl"s + rest, "torch.save"},
      {"\x89HDF\r\n\x1a\n" + rest, "HDF5"},
      {"\x1f\x8b\x08\0\0\0\0\0\0\3"s + rest + std::string(600'000, '\0'), "gzip"},
      {"\x1f\x8b\x08\0"s, "gzip"},
      {"BZh91AY&SY" + rest, "bzip2"},
      {"\xfd\x37zXZ\0\0"s + rest, "xz"},
      {"\x28\xb5\x2f\xfd" + rest, "zstd"},
      {std::string(257, 'x') + "ustar" + rest, "tar"},
      {"\n <!DOCTYPE HTML><title>404</title>", "HTML"},
      {"\xEF\xBB\xBF<html>", "HTML"},
      {R"({"weight_map": {}, "metadata": {}})", "JSON"},
      {"GGUF\3\0\0\0"s + rest, "GGUF"},
      {"\x93NUMPY\1\0v\0{'descr': '<f4'"s + rest, ".npy"}};
  for (const auto& [bytes, name] : cases) {
    if (bytes.size() < 8) continue;
    write_bytes(path, bytes);
    expect(false, name);
    expect(true, name);
  }
}

BOOST_AUTO_TEST_CASE(each_reader_knows_the_other_ones_files) {
  tp::save_npz(model, path);
  expect(false, "it is an .npz file, which load_npz reads");
  tp::save(model, path);
  expect(true, "it is a safetensors file, which load reads");
  write_bytes(path, "step,loss\n1,0.5\n");
  expect(false, "it is text");
}

BOOST_AUTO_TEST_CASE(metadata_may_be_null) {
  write_bytes(path, file_of(R"({"w":null})", 0));
  expect(false, "'w' is not an object");
  write_bytes(path, file_of(R"({"__metadata__":null,"w":{"dtype":"F32","shape":[2,3],)"
                            R"("data_offsets":[0,24]}})"));
  BOOST_TEST(refusal(false) == "");
  BOOST_TEST(tp::read_metadata(path).empty());
}

BOOST_AUTO_TEST_CASE(a_surplus_tensor_may_be_of_any_type) {
  write_bytes(path, file_of(R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                            R"("q":{"dtype":"F4","shape":[16],"data_offsets":[24,32]}})",
                            32));
  expect(false, "'q' has the unknown dtype 'F4'");
  BOOST_TEST(refusal(false, true) == "");
  BOOST_TEST(tp::read_metadata(path).empty());
  BOOST_TEST(tp::read_shapes(path).at("w") == (std::vector<std::uint64_t>{2, 3}));
  BOOST_TEST(!tp::read_shapes(path).contains("q"));  // nothing tells how many bytes it needs

  // But one that is wanted must be known, and the data must still belong to the tensors.
  write_bytes(path, file_of(R"({"w":{"dtype":"F4","shape":[2,3],"data_offsets":[0,24]}})"));
  BOOST_TEST(refusal(false, true).find("unknown dtype") != std::string::npos);
  write_bytes(path, file_of(R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                            R"("q":{"dtype":"F4","shape":[16],"data_offsets":[20,28]}})",
                            28));
  BOOST_TEST(refusal(false, true).find("overlap") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(surplus_arrays_may_be_of_any_type, *needs_python("numpy")) {
  run_python(folder, R"(
import zipfile, numpy as np
np.savez("m.npz", w=np.arange(6, dtype="<f4").reshape(2, 3), s=np.array([b"x"], [("a", "S1")]),
         o=np.array([{}], object), d=np.array(["2020"], "datetime64[D]"), q=np.zeros(2, "<f16"))
with zipfile.ZipFile("m.npz", "a") as archive:
    archive.writestr("later.npy", b"\x93NUMPY\x09\0" + bytes(100))
    archive.writestr("packed.npy", b"text" * 99, zipfile.ZIP_LZMA)
)");
  path = folder / "m.npz";
  BOOST_TEST(refusal(true).find("'s': its header") != std::string::npos);
  BOOST_TEST(refusal(true, true) == "");
  BOOST_TEST(model.w.value()(1, 2) == 5.0f);
}

// What NumPy wrote under Python 2, where sizes are long numbers on some systems.
BOOST_AUTO_TEST_CASE(headers_of_python_2, *needs_python("numpy")) {
  for (const std::string shape : {"(2L, 3L)", "(2L, 3L,)", "( 2L ,\t3 )"}) {
    run_python(folder,
               "import io, zipfile, numpy as np\n"
               "text = b\"{'descr': '<f4', 'fortran_order': False, 'shape': " +
                   shape +
                   ", }\"\n"
                   "raw = b'\\x93NUMPY\\1\\0' + len(text).to_bytes(2, 'little') + text\n"
                   "raw += np.arange(6, dtype='<f4').tobytes()\n"
                   "assert np.load(io.BytesIO(raw)).shape == (2, 3)\n"
                   "with zipfile.ZipFile('m', 'w') as archive:\n"
                   "    archive.writestr('w.npy', raw)\n");
    BOOST_TEST(refusal(true) == "", shape);
    BOOST_TEST(model.w.value()(1, 2) == 5.0f);
  }
}

BOOST_AUTO_TEST_CASE(large_files_of_another_kind_are_not_read) {
  for (const std::string begin : {"PK\3\4", "xxxx", ""}) {
    write_bytes(path, begin);
    std::filesystem::resize_file(path, 20'000'000'000);  // takes no room on the disk
    for (const bool npz : {false, true})
      BOOST_TEST(megabytes_for([&] { BOOST_TEST(refusal(npz) != ""); }) < 50);
  }
}

BOOST_AUTO_TEST_CASE(deep_and_wide_headers_take_no_more_than_a_few_times_their_size) {
  const std::size_t size = 20'000'000;
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"__metadata__":)", "["},
      {R"({"__metadata__":{"a":)", "["},
      {R"({"w":)", "["},
      {R"({"w":{"x":)", R"({"a":)"},
      {R"({"w":{"dtype":"F32","shape":[)", "1,"},
      {R"({"__metadata__":{)", R"("":"",)"},
      {R"({)", R"("a":[],)"}};
  for (const auto& [begin, more] : cases) {
    std::string header = begin;
    while (header.size() < size) header += more;
    write_bytes(path, file_of(header));
    header = {};
    BOOST_TEST(megabytes_for([&] { BOOST_TEST(refusal(false) != ""); }) < 200, begin);
  }
}

// A list of files that an archive does not have, with sizes that no data stand behind.
BOOST_AUTO_TEST_CASE(archives_that_claim_more_than_they_hold) {
  tp::save_npz(model, path);
  const std::string whole = read_bytes(path);
  const std::size_t entry = whole.find("PK\1\2"), end = whole.find("PK\5\6");
  for (const auto& [at, count] : {std::pair{entry + 20, 4}, {entry + 24, 4}, {end + 8, 4}}) {
    std::string bytes = whole;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) bytes[at + i] = '\x7e';
    write_bytes(path, bytes);
    BOOST_TEST(megabytes_for([&] { BOOST_TEST(refusal(true) != ""); }) < 50);
  }
  // The same in the form for large archives: 2^56 files, in a list of as many bytes.
  std::string large = "PK\6\6"s + ",\0\0\0\0\0\0\0-\0-\0\0\0\0\0\0\0\0\0"s;
  for (int i = 0; i < 3; ++i) large += "\0\0\0\0\0\0\0\1"s;
  large += std::string(8, '\0');
  std::string locator = "PK\6\7"s + std::string(4, '\0');
  for (int i = 0; i < 8; ++i) locator += static_cast<char>(end >> (8 * i) & 0xFF);
  locator += "\1\0\0\0"s;
  std::string tail = whole.substr(end);
  for (std::size_t i = 8; i < 20; ++i) tail[i] = '\xff';
  write_bytes(path, whole.substr(0, end) + large + locator + tail);
  BOOST_TEST(megabytes_for([&] { BOOST_TEST(refusal(true) != ""); }) < 50);
}

BOOST_AUTO_TEST_SUITE_END()
