// SPDX-License-Identifier: MIT
// Models as .npz files, and what happens to damaged ones. That they go both ways between PyTorch
// and us is in interchange_test.cpp.
#define BOOST_TEST_MODULE npz
#include "tapestry/layers/npz.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "errors.hpp"
#include "files.hpp"
#include "parameters.hpp"
#include "python.hpp"
#include "tapestry/layers/bundle.hpp"
#include "tapestry/layers/linear.hpp"

namespace tp = tapestry;
using tp::ArgumentError;
using tp::Array;
using tp::FileError;
using tp::Parameter;
using tp::test::counting;
using tp::test::FileSizeLimit;
using tp::test::needs_python;
using tp::test::read_bytes;
using tp::test::run_python;
using tp::test::says;
using tp::test::TemporaryFolder;
using tp::test::write_bytes;

namespace {

struct Model {
  Parameter<float> w = counting<float>({2, 3}, 5);
  Parameter<double> v = counting<double>({2}, 60);
  Parameter<float> empty = counting<float>({0, 3}, 0);
  Parameter<double> scalar = counting<double>({}, 700);

  void visit(auto&& part) {
    part("w", w);
    part("v", v);
    part("x.empty", empty);
    part("\xC3\xA9", scalar);
  }

  /// All numbers, one after another.
  [[nodiscard]] std::vector<double> numbers() const {
    std::vector<double> all(w.value().begin(), w.value().end());
    all.insert(all.end(), v.value().begin(), v.value().end());
    all.push_back(scalar.value()());
    return all;
  }
};

struct Named {
  const char* name;
  std::size_t length;
  Parameter<float> w = counting<float>({1}, 1);
  void visit(auto&& part) { part(std::string_view(name, length), w); }
};

struct Fixture {
  TemporaryFolder folder;
  std::string path = folder / "m.npz";
  Model model;
  const std::vector<double> before = model.numbers();

  [[nodiscard]] bool untouched() const {
    return model.w.version() == 0 && model.v.version() == 0 && model.numbers() == before;
  }

  /// Expects "[load_npz] path: " and `text` from the file at `path`.
  void expect(const std::string& text) {
    BOOST_CHECK_EXCEPTION(tp::load_npz(model, path), FileError,
                          says("[load_npz] " + path + ": " + text));
    BOOST_TEST(untouched());
  }

  /// Lets NumPy make a file: `program` may use np, path, and the arrays of a fitting file, fit.
  void numpy(const std::string& program) {
    run_python(folder,
               "import io, zipfile\nimport numpy as np\npath = 'm.npz'\n"
               "fit = {'w': np.arange(6, dtype='<f4').reshape(2, 3), 'v': np.ones(2),\n"
               "       'x.empty': np.zeros((0, 3), '<f4'), '\xC3\xA9': np.array(3.)}\n" +
                   program);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(npz, Fixture)

BOOST_AUTO_TEST_CASE(round_trip_is_bitwise) {
  using Limits = std::numeric_limits<float>;
  model.w.value()(0, 0) = -0.0f;
  model.w.value()(0, 1) = Limits::quiet_NaN();
  model.w.value()(0, 2) = Limits::denorm_min();
  model.w.value()(1, 0) = -Limits::infinity();
  tp::save_npz(model, path);
  BOOST_TEST(folder.count() == 1);
  Model other;
  tp::load_npz(other, path);
  BOOST_TEST(std::memcmp(other.w.value().data(), model.w.value().data(), 24) == 0);
  BOOST_TEST(other.w.version() == 1u);
  BOOST_TEST(other.scalar.value()() == 700.0);

  const std::string bytes = read_bytes(path);
  tp::save_npz(other, path);
  BOOST_TEST((read_bytes(path) == bytes));  // nothing in it depends on the time
}

BOOST_AUTO_TEST_CASE(of_nothing) {
  std::vector<Parameter<float>> nothing;
  tp::save_npz(nothing, path);
  tp::load_npz(nothing, path);
  expect("4 problems: 'w' is missing; 'v' is missing; 'x.empty' is missing; '\xC3\xA9' is missing");
}

BOOST_AUTO_TEST_CASE(numpy_reads_ours, *needs_python("numpy")) {
  tp::save_npz(model, path);
  const std::string printed = run_python(folder, R"(
import zipfile
import numpy as np
file = np.load("m.npz", allow_pickle=False)
for name in file.files:
    array = file[name]
    assert array.flags.c_contiguous
    print(ascii(name), array.dtype.str, array.shape, array.reshape(-1).tolist())
archive = zipfile.ZipFile("m.npz")
assert archive.testzip() is None
assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
raw = archive.read("w.npy")
assert raw[:8] == b"\x93NUMPY\1\0" and (len(raw) - 24) % 64 == 0
)");
  BOOST_TEST(printed ==
             "'w' <f4 (2, 3) [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]\n'v' <f8 (2,) [60.0, 61.0]\n"
             "'x.empty' <f4 (0, 3) []\n'\\xe9' <f8 () [700.0]\n");
}

BOOST_AUTO_TEST_CASE(we_read_numpys, *needs_python("numpy")) {
  const std::vector<double> expected{0, 1, 2, 3, 4, 5, 1, 1, 3};
  for (const std::string save :
       {"np.savez(path, **fit)", "np.savez_compressed(path, **fit)",
        "fit['w'] = np.asfortranarray(fit['w']); np.savez(path, **fit)",
        "fit['w'] = np.ascontiguousarray(fit['w'].T).T; np.savez_compressed(path, **fit)"}) {
    Model other;
    numpy(save);
    tp::load_npz(other, path);
    BOOST_TEST(other.numbers() == expected, boost::test_tools::per_element());
  }
  numpy(R"(
with zipfile.ZipFile(path, "w") as archive:
    for i, (name, array) in enumerate(fit.items()):
        with archive.open(name + ".npy", "w") as file:
            np.lib.format.write_array(file, array, version=(i % 3 + 1, 0))
)");
  tp::load_npz(model, path);
  BOOST_TEST(model.numbers() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(fortrans_order_of_three_axes, *needs_python("numpy")) {
  run_python(folder,
             "import numpy as np\n"
             "np.savez('m.npz', a=np.arange(24.).reshape(2, 3, 4).copy(order='F'))\n");
  Array<double> a = Array<double>::from_shape({2, 3, 4});
  std::vector<Parameter<float>> none;
  tp::load_npz(tp::bundle(none, tp::named("a", a)), path);
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(a.data()[i] == static_cast<double>(i));
}

BOOST_AUTO_TEST_CASE(all_that_does_not_fit_is_listed, *needs_python("numpy")) {
  numpy(
      "np.savez(path, w=np.zeros((3, 2), '<f4'), v=np.zeros(2, '>f8'), b=np.zeros(1, bool),\n"
      "         **{'x.empty': np.zeros((0, 3))})");
  expect(
      "5 problems: 'w' has shape (3, 2) in the file, (2, 3) in the model; 'v' is '>f8' in the "
      "file, F64 in the model; 'x.empty' is F64 in the file, F32 in the model; '\xC3\xA9' is "
      "missing; 'b' is not in the model");
  numpy(R"(
np.savez(path, **fit, o=np.array([{}], object), s=np.array([b"x"], [("a", "S1")]))
with zipfile.ZipFile(path, "a") as archive:
    archive.writestr("w", b"text")
    archive.writestr("t.npy", b"x" * 11)
    archive.writestr("read.me", b"text")
    archive.writestr("n.npy", b"text that is long enough")
)");
  expect(
      "9 problems: 's': its header does not describe an array of numbers; 'w' is there twice; 't': "
      "it is too short for an .npy file; 'n': it is not an .npy file of version 1 to 3; 'o' is not "
      "in the model; 's' is not in the model; 't' is not in the model; 'read.me' is not in the "
      "model; 'n' is not in the model");
  numpy(R"(
import warnings
warnings.simplefilter("ignore")
np.savez(path, **fit)
with zipfile.ZipFile(path, "a") as archive:
    archive.writestr("w.npy", b"x" * 11)
)");
  expect("1 problem: it cannot be read as a zip archive: File already exists");
  numpy("np.savez(path, **fit, o=np.array([{}], object))");
  tp::load_npz(model, path, {.ignore_surplus = true});
  BOOST_TEST(model.w.value()(1, 2) == 5.0f);
}

BOOST_AUTO_TEST_CASE(headers_of_arrays, *needs_python("numpy")) {
  const auto with_header = [&](const std::string& literal, const std::string& text) {
    BOOST_TEST_INFO_SCOPE(literal);
    numpy("literal = " + literal + R"(
raw = b"\x93NUMPY\1\0" + len(literal).to_bytes(2, "little") + literal.encode() + bytes(24)
np.savez(path, **{name: array for name, array in fit.items() if name != "w"})
with zipfile.ZipFile(path, "a") as archive:
    archive.writestr("w.npy", raw)
)");
    if (!text.empty()) return expect("1 problem: 'w': " + text);
    Model other;
    tp::load_npz(other, path);
    BOOST_TEST(other.w.value()(1, 2) == 0.0f);
  };
  const std::string none = "its header does not describe an array of numbers";
  with_header(R"("{'descr':'<f4','fortran_order':False,'shape':(2,3)}")", "");
  with_header(R"('{"shape": (2, 3,), "descr": "<f4", "fortran_order": True , } \n')", "");
  for (const std::string literal :
       {"", "{}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 6}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 18446744073709551616)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (2, 3)}"})
    with_header("\"" + literal + "  \"", none);
  with_header(R"("{'descr':'<f4','fortran_order':False,'shape':(2,4)}")",
              "shape (2, 4) and dtype F32 need 32 bytes, it has 24");
  with_header(R"("{'descr':'<f4','fortran_order':False,'shape':(2,9223372036854775811)}")",
              "shape (2, 9223372036854775811) and dtype F32 need more than 2^64 bytes, it has 24");
}

BOOST_AUTO_TEST_CASE(no_archive) {
  const std::string no = "1 problem: it cannot be read as a zip archive: ";
  write_bytes(path, "");
  expect(no + "it is empty");
  write_bytes(path, std::string(1000, 'x'));
  expect(no + "Not a zip archive");
  BOOST_CHECK_EXCEPTION(tp::load_npz(model, folder.path()), FileError,
                        says("[load_npz] " + folder.path() + ": it is not a regular file"));
}

// Each beginning of a file, and each file with one bit changed, either is refused as a whole or
// holds the same numbers: checksums protect them.
BOOST_AUTO_TEST_CASE(no_damage_gets_through) {
  tp::save_npz(model, path);
  const std::string good = read_bytes(path);
  Model other;
  other.w.value().fill(1);
  const std::vector<double> old = other.numbers();
  const auto check = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    try {
      tp::load_npz(other, path);
      BOOST_REQUIRE(other.numbers() == before);
      other.w.value().fill(1);
      return true;
    } catch (const FileError&) {
      BOOST_REQUIRE(other.numbers() == old);
      return false;
    }
  };
  for (std::size_t size = 0; size < good.size(); ++size)
    BOOST_REQUIRE(!check(good.substr(0, size)));
  std::size_t loaded = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    loaded += check(bytes) ? 1 : 0;
  }
  BOOST_TEST(check(good));
  BOOST_TEST(loaded < good.size() / 4);  // those of dates, versions and the like
}

BOOST_AUTO_TEST_CASE(small_files_cannot_claim_endless_data, *needs_python("numpy")) {
  numpy(R"(
np.savez_compressed(path, **fit)
raw = open(path, "rb").read()
size = len(zipfile.ZipFile(path).read("w.npy")).to_bytes(4, "little")
assert raw.count(size) >= 2
open(path, "wb").write(raw.replace(size, b"\xF0\xFF\xFF\x7F", 2))
)");
  BOOST_CHECK_THROW(tp::load_npz(model, path), FileError);
  BOOST_TEST(untouched());
}

BOOST_AUTO_TEST_CASE(failing_half_way_keeps_the_old_file) {
  write_bytes(path, "old");
  tp::layers::Linear<> large(100, 100);
  {
    const FileSizeLimit limit(4096);
    BOOST_CHECK_EXCEPTION(tp::save_npz(large, path), FileError,
                          says("[save_npz] " + path + ": cannot write it: File too large"));
  }
  BOOST_TEST(read_bytes(path) == "old");
  BOOST_TEST(folder.count() == 1);
}

BOOST_AUTO_TEST_CASE(names_that_no_file_can_hold) {
  Named zero{"a\0b", 3}, bytes{"\xFF", 1}, empty{"", 0};
  BOOST_CHECK_EXCEPTION(tp::save_npz(zero, path), ArgumentError,
                        says("[save_npz] the name 'a?b' holds a zero byte"));
  BOOST_CHECK_EXCEPTION(tp::save_npz(bytes, path), ArgumentError,
                        says("[save_npz] the text '\\xFF' is not UTF-8"));
  BOOST_CHECK_EXCEPTION(tp::save_npz(empty, path), ArgumentError,
                        says("[save_npz] a parameter cannot have the name '' in a file"));
  BOOST_CHECK_EXCEPTION(tp::load_npz(empty, path), ArgumentError,
                        says("[load_npz] a parameter cannot have the name '' in a file"));
  BOOST_TEST(folder.count() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
