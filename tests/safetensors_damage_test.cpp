// SPDX-License-Identifier: MIT
// Files that are damaged or of another model: one error that lists all that does not fit, and a
// model that is as before.
#define BOOST_TEST_MODULE safetensors_damage
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "files.hpp"
#include "parameters.hpp"
#include "tapestry/layers/safetensors.hpp"

using tapestry::Array;
using tapestry::FileError;
using tapestry::Parameter;
using tapestry::test::filled;
using tapestry::test::read_bytes;
using tapestry::test::says;
using tapestry::test::TemporaryFolder;
using tapestry::test::write_bytes;

namespace {

struct Model {
  Parameter<float> w = filled<float>({2, 3}, 5);
  Parameter<double> v = filled<double>({2}, 6);

  void visit(auto&& part) {
    part("w", w);
    part("v", v);
  }

  [[nodiscard]] bool untouched() const {
    const auto is = [](auto x) { return [x](auto value) { return value == x; }; };
    return w.version() == 0 && v.version() == 0 && w.value().size() == 6 && v.value().size() == 2 &&
           std::all_of(w.value().begin(), w.value().end(), is(5.0f)) &&
           std::all_of(v.value().begin(), v.value().end(), is(6.0));
  }
};

const std::string good_w = R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]})";
const std::string good_v = R"("v":{"dtype":"F64","shape":[2],"data_offsets":[24,40]})";
constexpr std::size_t good_data = 40;

/// A file: the length of the header, or `length` in its place, the header, zeros as data.
std::string file_of(const std::string& header, std::size_t data = good_data,
                    std::uint64_t length = ~std::uint64_t{0}) {
  if (length == ~std::uint64_t{0}) length = header.size();
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xFF);
  return bytes + header + std::string(data, '\0');
}

struct Fixture {
  TemporaryFolder folder;
  std::string path = folder / "m";
  Model model;

  /// Loads a file of these bytes and expects "[load] path: " and `text`.
  void expect(const std::string& bytes, const std::string& text) {
    write_bytes(path, bytes);
    BOOST_CHECK_EXCEPTION(tapestry::load(model, path), FileError,
                          says("[load] " + path + ": " + text));
    BOOST_TEST(model.untouched());
  }
  void expect_one(const std::string& header, const std::string& text,
                  std::size_t data = good_data) {
    BOOST_TEST_INFO_SCOPE(header.substr(0, 500));
    expect(file_of(header, data), "1 problem: " + text);
  }
  /// The same for an entry that stands in place of a good "w".
  void expect_w(const std::string& entry, const std::string& text) {
    expect_one("{\"w\":" + entry + "," + good_v + "}", text);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(damage, Fixture)

BOOST_AUTO_TEST_CASE(the_undamaged_file_loads) {
  write_bytes(path, file_of("{" + good_v + "," + good_w + "}  "));
  tapestry::load(model, path);
  BOOST_TEST(model.w.value()(1, 2) == 0.0f);
  BOOST_TEST(model.v.value()(1) == 0.0);
  write_bytes(path, file_of("{" + good_w + ", \"__metadata__\" : {}, " + good_v + "}"));
  BOOST_CHECK_NO_THROW(tapestry::load(model, path));
}

BOOST_AUTO_TEST_CASE(no_file) {
  const std::string none = folder / "none";
  BOOST_CHECK_EXCEPTION(tapestry::load(model, none), FileError,
                        says("[load] " + none + ": cannot open it: No such file or directory"));
  BOOST_CHECK_EXCEPTION(
      (void)tapestry::read_metadata(none), FileError,
      says("[read_metadata] " + none + ": cannot open it: No such file or directory"));
  BOOST_CHECK_EXCEPTION(tapestry::load(model, folder.path()), FileError,
                        says("[load] " + folder.path() + ": it is not a regular file"));
  BOOST_TEST(model.untouched());
}

BOOST_AUTO_TEST_CASE(length_of_the_header) {
  expect("", "1 problem: its 0 bytes are too few for a header");
  expect("1234567", "1 problem: its 7 bytes are too few for a header");
  expect(file_of("{}", 0, 3), "1 problem: a header of 3 bytes does not fit into 10");
  expect(file_of("{}", 0, ~std::uint64_t{0} - 7),
         "1 problem: a header of 18446744073709551608 bytes does not fit into 10");
  write_bytes(path, file_of("{}", 0, 100'000'001));
  std::filesystem::resize_file(path, 200'000'000);  // takes no room on the disk
  BOOST_CHECK_EXCEPTION(
      tapestry::load(model, path), FileError,
      says("[load] " + path + ": 1 problem: a header of 100000001 bytes is longer than 100 MB"));
}

BOOST_AUTO_TEST_CASE(header_that_is_no_object) {
  for (const std::string header : {"", "[]", "3", "null", "\"w\"", " {}", "\xEF\xBB\xBF{}"})
    expect_one(header, "its header is not a JSON object");
  expect_one(std::string("{}\0x", 4), "its header is not a JSON object");
}

BOOST_AUTO_TEST_CASE(header_that_is_not_json) {
  expect_one("{", "its header is not valid JSON at byte 2");
  expect_one("{}}", "its header is not valid JSON at byte 3");
  expect_one("{\"w\":}", "its header is not valid JSON at byte 6");
  expect_one("{'w':1}", "its header is not valid JSON at byte 2");
  expect_one("{\"\xFF\":1}", "its header is not valid JSON at byte 3");
  expect_one("{\"w\":1e999}", "its header is not valid JSON at byte 10");
  expect_one("{\"w\":" + std::string(100'000, '['), "its header is not valid JSON at byte 100006");
}

BOOST_AUTO_TEST_CASE(entries) {
  for (const std::string entry : {"1", "-1", "1.5", "true", "null", "\"F32\"", "[{}]", "[[],[1]]"})
    expect_w(entry, "'w' is not an object");
  expect_w(R"({"shape":[2,3],"data_offsets":[0,24]})", "'w' has no dtype");
  expect_w(R"({"dtype":"F32","data_offsets":[0,24]})", "'w' has no shape");
  expect_w(R"({"dtype":"F32","shape":[2,3]})", "'w' has no data_offsets");
  expect_w(R"({"dtype":"F32","dtype":"F32","shape":[2,3],"data_offsets":[0,24]})",
           "'w' has its dtype twice");
  expect_one("{" + good_w + "," + good_v + "," + good_w + "}", "'w' is there twice");
  expect_one("{" + good_w + "," + good_v + ",\"w\":{}}", "'w' is there twice");
  // What later versions of the format may add.
  write_bytes(path, file_of("{\"w\":{\"order\":{\"shape\":[[1]]},\"dtype\":\"F32\",\"shape\":[2,3],"
                            "\"data_offsets\":[0,24],\"x\":[1,{}]}," +
                            good_v + "}"));
  BOOST_CHECK_NO_THROW(tapestry::load(model, path));
}

BOOST_AUTO_TEST_CASE(dtypes) {
  for (const std::string dtype : {"1", "null", "[\"F32\"]", "{\"F32\":1}"})
    expect_w("{\"dtype\":" + dtype + R"(,"shape":[2,3],"data_offsets":[0,24]})",
             "'w' has a dtype that is not a text");
  expect_w(R"({"dtype":"F31","shape":[2,3],"data_offsets":[0,24]})",
           "'w' has the unknown dtype 'F31'");
  expect_w(R"({"dtype":"f32","shape":[2,3],"data_offsets":[0,24]})",
           "'w' has the unknown dtype 'f32'");
  expect_w(R"({"dtype":"I32","shape":[2,3],"data_offsets":[0,24]})",
           "'w' is I32 in the file, F32 in the model");
}

BOOST_AUTO_TEST_CASE(shapes) {
  std::string of_65_sizes = "[6";
  for (int i = 0; i < 64; ++i) of_65_sizes += ",1";
  const std::string too_large = "[18446744073709551616]";
  for (const std::string& shape :
       std::vector<std::string>{"6", "\"2,3\"", "{}", "[-2,3]", "[2.0,3]", "[2,null]", "[2,[3]]",
                                too_large, of_65_sizes + "]"})
    expect_w("{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[0,24]}",
             "'w' has a shape that is not a list of at most 64 sizes");
  expect_w(R"({"dtype":"F32","shape":[3,2],"data_offsets":[0,24]})",
           "'w' has shape (3, 2) in the file, (2, 3) in the model");
  expect_w(R"({"dtype":"F32","shape":[6],"data_offsets":[0,24]})",
           "'w' has shape (6,) in the file, (2, 3) in the model");
  expect_w(R"({"dtype":"F32","shape":[2,3,1,1,1,1,1,1,1,1],"data_offsets":[0,24]})",
           "'w' has shape (2, 3, 1, 1, 1, 1, 1, 1, 1, 1) in the file, (2, 3) in the model");
  expect_w(R"({"dtype":"F32","shape":[2,4],"data_offsets":[0,24]})",
           "'w' of shape (2, 4) and dtype F32 needs 32 bytes, its data is at [0, 24)");
  expect_w(R"({"dtype":"F32","shape":[0,18446744073709551615,2],"data_offsets":[0,24]})",
           "'w' of shape (0, 18446744073709551615, 2) and dtype F32 needs 0 bytes, its data is at "
           "[0, 24)");
  expect_w(R"({"dtype":"F32","shape":[4611686018427387904,4,6],"data_offsets":[0,24]})",
           "'w' of shape (4611686018427387904, 4, 6) and dtype F32 needs more than 2^64 bytes, its "
           "data is at [0, 24)");
  // 6 modulo 2^64 elements.
  expect_w(R"({"dtype":"F32","shape":[2,9223372036854775811],"data_offsets":[0,24]})",
           "'w' of shape (2, 9223372036854775811) and dtype F32 needs more than 2^64 bytes, its "
           "data is at [0, 24)");
}

BOOST_AUTO_TEST_CASE(offsets) {
  for (const std::string offsets :
       {"24", "{}", "[]", "[24]", "[0,8,24]", "[-24,0]", "[0,\"24\"]", "[0,24.0]", "[[0,24]]"})
    expect_w("{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":" + offsets + "}",
             "'w' has a data_offsets that is not a list of two positions");
  expect_w(R"({"dtype":"F32","shape":[2,3],"data_offsets":[24,0]})",
           "'w' has data at [24, 0), outside the 40 bytes of data");
  expect_w(R"({"dtype":"F32","shape":[2,3],"data_offsets":[17,41]})",
           "'w' has data at [17, 41), outside the 40 bytes of data");
  expect_w(R"({"dtype":"F32","shape":[2,3],"data_offsets":[18446744073709551592,0]})",
           "'w' has data at [18446744073709551592, 0), outside the 40 bytes of data");
  const std::string w = R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":)";
  expect(file_of(w + "[4,28]}," + good_v + "}"),
         "2 problems: the bytes [0, 4) of its data belong to no tensor; 'w' and 'v' overlap at "
         "[24, 28)");
  expect_one(w + "[0,24]}}", "'v' is missing", 24);
}

BOOST_AUTO_TEST_CASE(cover) {
  const std::string both = "{" + good_w + "," + good_v + "}";
  expect_one(both, "the bytes [40, 41) of its data belong to no tensor", 41);
  expect_one(both, "'v' has data at [24, 40), outside the 39 bytes of data", 39);
  const std::string v = R"("v":{"dtype":"F64","shape":[2],"data_offsets":[26,42]})";
  expect_one("{" + good_w + "," + v + "}", "the bytes [24, 26) of its data belong to no tensor",
             42);
  expect(file_of("{" + good_w + "," + good_v +
                 R"(,"a":{"dtype":"U8","shape":[8],"data_offsets":[4,12]},)"
                 R"("b":{"dtype":"U8","shape":[8],"data_offsets":[20,28]}})"),
         "5 problems: 'w' and 'a' overlap at [4, 12); 'w' and 'b' overlap at [20, 24); "
         "'b' and 'v' overlap at [24, 28); 'a' is not in the model; 'b' is not in the model");
}

BOOST_AUTO_TEST_CASE(metadata) {
  const std::string rest = "," + good_w + "," + good_v + "}";
  expect_one("{\"__metadata__\":3" + rest, "'__metadata__' is not an object");
  expect_one("{\"__metadata__\":[{}]" + rest, "'__metadata__' is not an object");
  expect_one("{\"__metadata__\":{\"a\":\"\",\"b\":{\"c\":\"\"}}" + rest,
             "the metadata 'b' is not a text");
  expect_one("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}" + rest, "the metadata 'a' is there twice");
  BOOST_CHECK_EXCEPTION(
      (void)tapestry::read_metadata(path), FileError,
      says("[read_metadata] " + path + ": 1 problem: the metadata 'a' is there twice"));
}

BOOST_AUTO_TEST_CASE(another_model) {
  expect_one("{" + good_w + R"(,"u":{"dtype":"BF16","shape":[8],"data_offsets":[24,40]},)" +
                 R"("v":{"dtype":"F64","shape":[2],"data_offsets":[40,56]}})",
             "'u' is not in the model", 56);
  expect(file_of(R"({"v":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 16),
         "3 problems: 'w' is missing; 'v' is F32 in the file, F64 in the model; 'v' has shape (4,) "
         "in the file, (2,) in the model");
  expect(file_of("{}", 0), "2 problems: 'w' is missing; 'v' is missing");
}

BOOST_AUTO_TEST_CASE(all_at_once) {
  expect(file_of(R"({"__metadata__":{"a":1},"w":{"dtype":"F32","shape":[6]},"x":null,)"
                 R"("y":{"dtype":"I8","shape":[],"data_offsets":[0,2]}})",
                 3),
         "7 problems: the metadata 'a' is not a text; 'w' has no data_offsets; 'x' is not an "
         "object; 'y' of shape () and dtype I8 needs 1 bytes, its data is at [0, 2); 'v' is "
         "missing; 'x' is not in the model; 'y' is not in the model");
}

BOOST_AUTO_TEST_CASE(names_in_messages_are_short_and_on_one_line) {
  const std::string entry = R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  const std::string good = "{" + good_w + "," + good_v + ",\"";
  expect_one(good + R"(a\nb\u007Fc)" + entry, "'a?b?c' is not in the model");
  expect_one(good + R"(w\u0000)" + entry, "'w?' is not in the model");
  std::string accents;
  for (int i = 0; i < 99; ++i) accents += "\xC3\xA9";
  expect_one(good + "e" + accents + accents + entry, "'e" + accents + "...' is not in the model");
}

BOOST_AUTO_TEST_CASE(too_much_to_list) {
  std::string header = "{" + good_w + "," + good_v;
  for (int i = 0; i < 1500; ++i)
    header += ",\"x" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  write_bytes(path, file_of(header + "}"));
  std::string text;
  try {
    tapestry::load(model, path);
  } catch (const FileError& error) {
    text = error.what();
  }
  BOOST_TEST(
      text.starts_with("[load] " + path + ": 1500 problems: 'x0' is not in the model; 'x1'"));
  BOOST_TEST(text.ends_with("; 'x999' is not in the model; and 500 more"));

  std::string many = "{";
  for (int i = 0; i < 1'000'001; ++i) many += "\"" + std::to_string(i) + "\":{},";
  expect(file_of(many), "1 problem: it has more than 1000000 tensors");
}

// Each beginning of a file, and each file with one byte of its header changed, either is refused
// as a whole or is another way to write the same.
BOOST_AUTO_TEST_CASE(no_damage_gets_through) {
  const std::string good = file_of("{" + good_w + "," + good_v + "}");
  for (std::size_t size = 0; size < good.size(); ++size) {
    write_bytes(path, good.substr(0, size));
    BOOST_CHECK_THROW(tapestry::load(model, path), FileError);
    BOOST_REQUIRE(model.untouched());
  }
  std::size_t loaded = 0;
  for (std::size_t i = 0; i < good.size() - good_data; ++i) {
    for (const char c : std::string("\0\x01 \"09-[]{},:aF\x7F\x80\xFF", 18)) {
      std::string bytes = good;
      bytes[i] = c;
      write_bytes(path, bytes);
      Model fresh;
      try {
        tapestry::load(fresh, path);
        ++loaded;
        BOOST_REQUIRE(fresh.w.value()(1, 2) == 0.0f && fresh.v.value()(1) == 0.0);
      } catch (const FileError&) {
        BOOST_REQUIRE(fresh.untouched());
      }
    }
  }
  BOOST_TEST(loaded > 0u);  // those that changed nothing
  BOOST_TEST(loaded < 100u);
}

BOOST_AUTO_TEST_SUITE_END()
