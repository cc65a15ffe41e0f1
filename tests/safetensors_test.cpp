// SPDX-License-Identifier: MIT
// Saving and loading of models. What happens to damaged files is in safetensors_damage_test.cpp.
#define BOOST_TEST_MODULE safetensors
#include "tapestry/layers/safetensors.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "files.hpp"
#include "parameters.hpp"
#include "python.hpp"
#include "reference.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/layers/embedding.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/lstm.hpp"

using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::FileError;
using tapestry::Metadata;
using tapestry::Parameter;
using tapestry::test::FileSizeLimit;
using tapestry::test::filled;
using tapestry::test::read_bytes;
using tapestry::test::Reference;
using tapestry::test::says;
using tapestry::test::TemporaryFolder;
using tapestry::test::write_bytes;

namespace {

using Types = std::tuple<float, double>;

/// Parameters of both types, with names that a header must escape.
struct Mixed {
  Parameter<float> a = filled<float>({2, 1}, 1.5f);
  Parameter<double> b = filled<double>({}, -2);
  std::vector<Parameter<float>> rest = {filled<float>({0, 3}, 0), filled<float>({1}, 0.25f)};

  void visit(auto&& part) {
    part("a", a);
    part("say \"b\"", b);
    part("rest", rest);
  }
};

struct Nothing {
  void visit(auto&&) {}
};

struct Named {
  const char* first;
  const char* second;
  Parameter<float> a = filled<float>({1}, 1);
  Parameter<float> b = filled<float>({1}, 2);
  void visit(auto&& part) {
    part(first, a);
    part(second, b);
  }
};

template <class T>
struct Model {
  using value_type = T;
  tapestry::layers::Embedding<T> embed{7, 3};
  std::vector<tapestry::layers::GRU<T>> stack{
      2, tapestry::layers::GRU<T>({.input_size = 3, .hidden_size = 3})};
  std::optional<tapestry::layers::Linear<T>> head{std::in_place, 3, 7};

  void visit(auto&& part) {
    part("embed", embed);
    part("stack", stack);
    part("head", head);
  }
};

template <class T>
bool same_bits(const Array<T>& a, const Array<T>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(round_trip)

BOOST_AUTO_TEST_CASE_TEMPLATE(is_bitwise, T, Types) {
  using Limits = std::numeric_limits<T>;
  const TemporaryFolder folder;
  tapestry::seed(1);
  Model<T> model;
  auto& weight = model.head->weight().value();
  weight(0, 0) = -T{0};
  weight(0, 1) = Limits::infinity();
  weight(0, 2) = Limits::denorm_min();
  weight(1, 0) = Limits::quiet_NaN();
  weight(1, 1) = Limits::lowest();
  tapestry::save(model, folder / "model.safetensors");

  tapestry::seed(2);
  Model<T> other;
  BOOST_REQUIRE(!same_bits(model.embed.weight().value(), other.embed.weight().value()));
  tapestry::load(other, folder / "model.safetensors");
  const auto expected = tapestry::named_parameters(model);
  const auto actual = tapestry::named_parameters(other);
  BOOST_REQUIRE(actual.size() == 11u);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    BOOST_TEST(actual[i].first == expected[i].first);
    BOOST_TEST(same_bits(actual[i].second->value(), expected[i].second->value()), actual[i].first);
  }
}

BOOST_AUTO_TEST_CASE(file_is_as_specified) {
  const TemporaryFolder folder;
  Mixed model;
  tapestry::save(model, folder / "x", {{"step", "3"}, {"q\"\n", "\xC3\xBC"}});
  const std::string header =
      R"({"__metadata__":{"q\"\n":")"
      "\xC3\xBC"
      R"(","step":"3"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("say \"b\"":{"dtype":"F64","shape":[],"data_offsets":[8,16]},)"
      R"("rest.0":{"dtype":"F32","shape":[0,3],"data_offsets":[16,16]},)"
      R"("rest.1":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}})";
  const std::size_t padded = (header.size() + 7) / 8 * 8;
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(padded & 0xFF);
  bytes[1] = static_cast<char>(padded >> 8);
  bytes += header + std::string(padded - header.size(), ' ');
  bytes += std::string("\0\0\xC0\x3F\0\0\xC0\x3F", 8) + std::string("\0\0\0\0\0\0\0\xC0", 8);
  bytes += std::string("\0\0\x80\x3E", 4);
  BOOST_TEST(read_bytes(folder / "x") == bytes);
  BOOST_TEST(folder.count() == 1);
}

BOOST_AUTO_TEST_CASE(both_scalar_types_no_elements_and_rank_0) {
  const TemporaryFolder folder;
  Mixed model, other;
  model.a.value()(1, 0) = 7;
  model.b.value()() = 1e300;
  tapestry::save(model, folder / "x");
  tapestry::load(other, folder / "x");
  BOOST_TEST(other.a.value()(0, 0) == 1.5f);
  BOOST_TEST(other.a.value()(1, 0) == 7.0f);
  BOOST_TEST(other.b.value()() == 1e300);
  BOOST_TEST(other.rest[1].value()(0) == 0.25f);
  BOOST_TEST(other.rest[0].shape().str() == "(0, 3)");
}

BOOST_AUTO_TEST_CASE(of_nothing) {
  Nothing nothing;
  const TemporaryFolder folder;
  tapestry::save(nothing, folder / "x");
  BOOST_TEST(read_bytes(folder / "x") == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  BOOST_CHECK_NO_THROW(tapestry::load(nothing, folder / "x"));
}

BOOST_AUTO_TEST_CASE(metadata) {
  const TemporaryFolder folder;
  Mixed model;
  const Metadata metadata{{"text", "line 1\nline \"2\" \xE2\x82\xAC"}, {"", "empty key"}};
  tapestry::save(model, folder / "x", metadata);
  BOOST_CHECK(tapestry::read_metadata(folder / "x") == metadata);
  BOOST_CHECK_NO_THROW(tapestry::load(model, folder / "x"));
  tapestry::save(model, folder / "x");
  BOOST_CHECK(tapestry::read_metadata(folder / "x").empty());
  const Metadata pytorch = tapestry::read_metadata(Reference::path("lstm_float32.safetensors"));
  BOOST_CHECK((pytorch == Metadata{{"format", "pt"}}));
}

BOOST_AUTO_TEST_CASE(loading_counts_as_an_update) {
  const TemporaryFolder folder;
  Mixed model;
  tapestry::save(model, folder / "x");
  BOOST_TEST(model.a.version() == 0u);
  tapestry::Tape<float> tape;
  const auto loss = tapestry::sum(tapestry::square(tape.watch(model.a)));
  loss.backward();
  tapestry::load(model, folder / "x");
  BOOST_TEST(model.a.version() == 1u);
  BOOST_TEST(model.b.version() == 1u);
  BOOST_TEST(model.a.grad()(0, 0) == 3.0f);  // gradients are none of its business
  BOOST_CHECK_THROW(loss.backward(), tapestry::GradientError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(python)

// Python reads what we write, by the specification alone. Skipped where there is no Python.
BOOST_AUTO_TEST_CASE(python_reads_ours, *tapestry::test::needs_python("json, struct")) {
  const TemporaryFolder folder;
  Model<double> model;
  model.embed.weight().value()(0, 0) = 0.1;
  tapestry::save(model, folder / "x", {{"who", "\"us\""}});
  const std::string printed = tapestry::test::run_python(folder, R"(
import json, struct
with open("x", "rb") as file:
    length, = struct.unpack("<Q", file.read(8))
    assert length % 8 == 0
    header = json.loads(file.read(length))
    data = file.read()
print(json.dumps(header.pop("__metadata__")))
covered = 0
for name, tensor in header.items():
    begin, end = tensor["data_offsets"]
    assert begin == covered and tensor["dtype"] == "F64"
    covered = end
    values = struct.unpack("<%dd" % ((end - begin) // 8), data[begin:end])
    print(name, *tensor["shape"], *(value.hex() for value in values))
assert covered == len(data)
)");
  std::string expected = "{\"who\": \"\\\"us\\\"\"}\n";
  for (const auto& [name, parameter] : tapestry::named_parameters(model)) {
    expected += name;
    for (const std::size_t extent : parameter->shape()) expected += " " + std::to_string(extent);
    for (const double value : parameter->value()) {
      char text[40];
      std::snprintf(text, sizeof(text), " %.13a", value);
      expected += text;
    }
    expected += "\n";
  }
  BOOST_TEST(printed == expected);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(saving)

BOOST_AUTO_TEST_CASE(says_what_the_system_says) {
  const TemporaryFolder folder;
  Mixed model;
  const std::string missing = folder / "none/x";
  BOOST_CHECK_EXCEPTION(tapestry::save(model, missing), FileError,
                        says("[save] " + missing +
                             ": cannot create a file in its folder: No such file or directory"));
  write_bytes(folder / "file", "");
  const std::string below = folder / "file/x";
  BOOST_CHECK_EXCEPTION(
      tapestry::save(model, below), FileError,
      says("[save] " + below + ": cannot create a file in its folder: Not a directory"));
  BOOST_CHECK_EXCEPTION(tapestry::save(model, folder.path()), FileError,
                        says("[save] " + folder.path() + ": it is not a regular file"));
  const std::string pipe = folder / "pipe";
  BOOST_REQUIRE(mkfifo(pipe.c_str(), 0644) == 0);
  BOOST_CHECK_EXCEPTION(tapestry::save(model, pipe), FileError,
                        says("[save] " + pipe + ": it is not a regular file"));
  BOOST_CHECK_EXCEPTION(tapestry::load(model, pipe), FileError,
                        says("[load] " + pipe + ": it is not a regular file"));
  BOOST_TEST(folder.count() == 2);
}

BOOST_AUTO_TEST_CASE(an_unwritable_folder_or_file,
                     *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
                       return geteuid() != 0;  // root may write anywhere
                     })) {
  const TemporaryFolder folder;
  Mixed model;
  const std::string path = folder / "x";
  write_bytes(path, "old");
  BOOST_REQUIRE(chmod(path.c_str(), 0444) == 0);
  BOOST_CHECK_EXCEPTION(tapestry::save(model, path), FileError,
                        says("[save] " + path + ": cannot write it: Permission denied"));
  BOOST_REQUIRE(chmod(path.c_str(), 0644) == 0 && chmod(folder.path().c_str(), 0555) == 0);
  BOOST_CHECK_EXCEPTION(
      tapestry::save(model, path), FileError,
      says("[save] " + path + ": cannot create a file in its folder: Permission denied"));
  BOOST_TEST(read_bytes(path) == "old");
  BOOST_REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
}

BOOST_AUTO_TEST_CASE(failing_half_way_keeps_the_old_file) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  write_bytes(path, "old");
  tapestry::layers::Linear<> large(100, 100);
  for (const rlim_t bytes : {0u, 8u, 100u, 4096u, 40000u}) {
    {
      const FileSizeLimit limit(bytes);
      BOOST_CHECK_EXCEPTION(tapestry::save(large, path), FileError,
                            says("[save] " + path + ": cannot write it: File too large"));
    }
    BOOST_TEST(read_bytes(path) == "old");
    BOOST_TEST(folder.count() == 1);
  }
  tapestry::save(large, path);
  BOOST_TEST(folder.count() == 1);
  BOOST_CHECK_NO_THROW(tapestry::load(large, path));
}

BOOST_AUTO_TEST_CASE(readers_see_a_whole_file_at_any_time) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  auto written = filled<double>({5000}, 0);
  std::vector<Parameter<double>> model{written}, seen{written};
  tapestry::save(model, path);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 1; i <= 30; ++i) {
      model[0].value().fill(i);
      tapestry::save(model, path);
    }
    done = true;
  });
  bool whole = true;
  double last = 0;
  while (!done || last < 30) {
    tapestry::load(seen, path);
    const auto& value = seen[0].value();
    whole = whole && value(0) >= last && std::count(value.begin(), value.end(), value(0)) == 5000;
    last = value(0);
  }
  writer.join();
  BOOST_TEST(whole);
  BOOST_TEST(last == 30.0);
}

BOOST_AUTO_TEST_CASE(keeps_permissions_and_links) {
  const TemporaryFolder folder;
  Mixed model;
  const std::string target = folder / "target", link = folder / "link";
  write_bytes(target, "old");
  BOOST_REQUIRE(chmod(target.c_str(), 0640) == 0);
  std::filesystem::create_symlink("target", link);
  tapestry::save(model, link);
  BOOST_TEST(std::filesystem::is_symlink(link));
  BOOST_CHECK_NO_THROW(tapestry::load(model, target));
  struct stat status {};
  BOOST_REQUIRE(stat(target.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0640u);

  const mode_t mask = umask(027);
  tapestry::save(model, folder / "new");
  umask(mask);
  BOOST_REQUIRE(stat((folder / "new").c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0640u);
}

BOOST_AUTO_TEST_CASE(names_that_no_file_can_hold) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  Named twice{"w", "w"}, empty{"w", ""}, reserved{"__metadata__", "w"}, bytes{"w", "\xFF"};
  BOOST_CHECK_EXCEPTION(tapestry::save(twice, path), ArgumentError,
                        says("[save] two parameters have the name 'w'"));
  BOOST_CHECK_EXCEPTION(tapestry::load(twice, path), ArgumentError,
                        says("[load] two parameters have the name 'w'"));
  BOOST_CHECK_EXCEPTION(tapestry::save(empty, path), ArgumentError,
                        says("[save] a parameter cannot have the name '' in a file"));
  BOOST_CHECK_EXCEPTION(tapestry::save(reserved, path), ArgumentError,
                        says("[save] a parameter cannot have the name '__metadata__' in a file"));
  BOOST_CHECK_EXCEPTION(tapestry::save(bytes, path), ArgumentError,
                        says("[save] the text '\\xFF' is not UTF-8"));
  Mixed model;
  BOOST_CHECK_EXCEPTION(tapestry::save(model, path, {{"key", "\xC3"}}), ArgumentError,
                        says("[save] the text '\\xC3' is not UTF-8"));
  BOOST_TEST(folder.count() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
