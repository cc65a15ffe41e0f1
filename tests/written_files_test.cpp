// SPDX-License-Identifier: MIT
// How files are written: whole or not at all, in the place and with the rights of the old ones, and
// under names that say what they are.
#define BOOST_TEST_MODULE written_files
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <functional>
#include <thread>

#include "errors.hpp"
#include "files.hpp"
#include "graphviz.hpp"
#include "tapestry/tapestry.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace fs = std::filesystem;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  BOOST_REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

/// All ways to write a file, each with a name that fits.
struct Writer {
  std::string name;
  std::string ending;
  std::function<void(const std::string&)> write;
};

std::vector<Writer> writers() {
  static Tape<double> tape;
  static const auto y = exp(tape.variable(1.0, "x"));
  static layers::Linear<double> linear(2, 2);
  static const TimeTable table;
  static const Curve curve{"a", {1, 2}, {1, 2}};
  static const Array<double> cells{{0.5, 1.0}};
  return {
      {"save_text", ".md", [](const auto& path) { save_text(path, "text"); }},
      {"save_dot", ".dot", [](const auto& path) { save_dot(y, path); }},
      {"save_svg", ".svg", [](const auto& path) { save_svg(y, path); }},
      {"save_curves", ".svg", [](const auto& path) { save_curves({curve}, path); }},
      {"save_csv", ".csv", [](const auto& path) { save_csv(table, path); }},
      {"append_csv", ".csv",
       [](const auto& path) {
         append_csv({.layer = "l", .parameters = {{.name = "w"}}}, path, 1);
       }},
      {"save_activations", ".html", [](const auto& path) { save_activations({"a"}, cells, path); }},
      {"save", ".safetensors", [](const auto& path) { tapestry::save(linear, path); }},
      {"save_npz", ".npz", [](const auto& path) { save_npz(linear, path); }}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(permissions_stay) {
  for (const Writer& writer : writers()) {
    const TemporaryFolder folder;
    const std::string path = folder / "file" + writer.ending;
    for (const mode_t mode : {0600u, 0640u, 0604u, 0664u}) {
      write_bytes(path, "");
      BOOST_REQUIRE(chmod(path.c_str(), mode) == 0);
      writer.write(path);
      BOOST_TEST(mode_of(path) == mode, writer.name);
      BOOST_TEST(fs::file_size(path) > 0u);
    }
    BOOST_TEST(folder.count() == 1);
    const mode_t mask = umask(027);  // a new file is as the user wants files to be
    writer.write(folder / "new" + writer.ending);
    umask(mask);
    BOOST_TEST(mode_of(folder / "new" + writer.ending) == 0640u, writer.name);
  }
}

BOOST_AUTO_TEST_CASE(owner_and_group_stay) {
  const TemporaryFolder folder;
  for (const Writer& writer : writers()) {
    const std::string path = folder / writer.name + writer.ending;
    write_bytes(path, "");
    if (chown(path.c_str(), 12, 34) != 0) return;  // only root may give a file away
    BOOST_REQUIRE(chmod(path.c_str(), 0640) == 0);
    writer.write(path);
    struct stat status {};
    BOOST_REQUIRE(stat(path.c_str(), &status) == 0);
    BOOST_TEST(status.st_uid == 12u, writer.name);
    BOOST_TEST(status.st_gid == 34u, writer.name);
    BOOST_TEST(mode_of(path) == 0640u, writer.name);
  }
}

BOOST_AUTO_TEST_CASE(links_stay_and_what_they_point_to_is_written) {
  for (const Writer& writer : writers()) {
    const TemporaryFolder folder;
    fs::create_directories(folder / "there");
    const std::string target = folder / "there/file" + writer.ending;
    const std::string link = folder / "link" + writer.ending;
    fs::create_symlink("there/file" + writer.ending, folder / "between");
    fs::create_symlink(folder / "between", link);
    writer.write(link);  // to nothing yet
    BOOST_TEST(fs::is_symlink(link), writer.name);
    BOOST_TEST(fs::is_symlink(folder / "between"));
    BOOST_REQUIRE(fs::is_regular_file(target));
    write_bytes(target, "");
    writer.write(link);
    BOOST_TEST(fs::is_symlink(link));
    BOOST_TEST(fs::file_size(target) > 0u, writer.name);
    BOOST_TEST(fs::file_size(target) == fs::file_size(link));
  }
  const TemporaryFolder folder;
  fs::create_symlink("b.dot", folder / "a.dot");
  fs::create_symlink("a.dot", folder / "b.dot");
  BOOST_CHECK_EXCEPTION(save_text(folder / "a.dot", "x"), FileError,
                        says("[save_text] cannot write '" + (folder / "a.dot") +
                             "': Too many levels of symbolic links"));
}

BOOST_AUTO_TEST_CASE(nothing_else_is_touched) {
  for (const Writer& writer : writers()) {
    const TemporaryFolder folder;
    const std::string path = folder / "file" + writer.ending;
    write_bytes(folder / "precious", "precious");
    for (const char* beside : {".partial", ".tmp", ".new", "~"})
      fs::create_symlink(folder / "precious", path + beside);
    writer.write(path);
    BOOST_TEST(read_bytes(folder / "precious") == "precious", writer.name);
    BOOST_TEST(!fs::is_symlink(path));
    BOOST_TEST(folder.count() == 6);
  }
}

BOOST_AUTO_TEST_CASE(threads_that_write_one_path) {
  const TemporaryFolder folder;
  const std::string path = folder / "shared";
  std::atomic<int> failed{0};
  const auto write = [&](char c) {
    for (int i = 0; i < 50; ++i) try {
        save_text(path, std::string(20'000, c));
      } catch (const Error&) {
        ++failed;
      }
  };
  std::thread other(write, 'a');
  write('b');
  other.join();
  BOOST_TEST(failed == 0);
  const std::string text = read_bytes(path);
  BOOST_TEST((text == std::string(20'000, 'a') || text == std::string(20'000, 'b')));
  BOOST_TEST(folder.count() == 1);
}

BOOST_AUTO_TEST_CASE(a_full_disk_leaves_the_old_file) {
  for (const Writer& writer : writers()) {
    BOOST_TEST_CONTEXT(writer.name) {
      const TemporaryFolder folder;
      const std::string path = folder / "file" + writer.ending;
      write_bytes(path, "old");
      // What is drawn by another program fails in it.
      if (writer.ending != ".svg") {
        const FileSizeLimit limit(4);
        if (writer.name == "save_text")
          BOOST_CHECK_THROW(save_text(path, std::string(100, 'x')), FileError);
        else
          BOOST_CHECK_THROW(writer.write(path), FileError);
      }
      BOOST_TEST(read_bytes(path) == "old", writer.name);
      BOOST_TEST(folder.count() == 1);
      if (fs::exists("/dev/full") && writer.name != "save_text")
        BOOST_CHECK_THROW(writer.write("/dev/full"), FileError);
      BOOST_CHECK_THROW(writer.write(folder / "none/file" + writer.ending), FileError);
    }
  }
  if (fs::exists("/dev/full")) BOOST_CHECK_THROW(save_text("/dev/full", "x"), FileError);
}

BOOST_AUTO_TEST_CASE(standard_output_is_not_replaced) {
  // In a child whose output is a file: what it prints before, between and after stays.
  const TemporaryFolder folder;
  const std::string path = folder / "out.txt";
  const pid_t child = fork();
  if (child == 0) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0644);
    dup2(file, STDOUT_FILENO);
    bool fine = write(STDOUT_FILENO, "before\n", 7) == 7;
    try {
      save_text("/dev/stdout", "text\n");
    } catch (const Error&) {
      fine = false;
    }
    fine = write(STDOUT_FILENO, "after\n", 6) == 6 && fine;
    _exit(fine ? 0 : 1);
  }
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  BOOST_TEST(read_bytes(path) == "before\ntext\nafter\n");
  BOOST_TEST(folder.count() == 1);
}

BOOST_AUTO_TEST_CASE(names_say_what_is_in_a_file) {
  const std::vector<std::string> endings{".png", ".PNG", ".pdf",  ".jpeg", ".dot",
                                         ".gv",  ".svg", ".html", ".csv",  ".safetensors",
                                         ".npz", ".npy", ".json", ".pt",   ".svgz"};
  for (const Writer& writer : writers()) {
    if (writer.name == "save_text") continue;  // any text
    const TemporaryFolder folder;
    for (const std::string& ending : endings) {
      if (ending == writer.ending || (writer.ending == ".dot" && ending == ".gv")) continue;
      const std::string path = folder / "a" + ending;
      write_bytes(path, "another");
      BOOST_CHECK_THROW(writer.write(path), ArgumentError);
      BOOST_TEST(read_bytes(path) == "another", writer.name << " to " << ending);
    }
    std::string loud = writer.ending;
    for (char& c : loud) c = static_cast<char>(std::toupper(c));
    for (const std::string& name :
         {"b" + writer.ending, "b" + loud, std::string("b"), std::string(".hidden"),
          std::string("b.run-3"), "b" + writer.ending + ".old"})
      BOOST_CHECK_NO_THROW(writer.write(folder / name));
  }
  Tape<double> tape;
  BOOST_CHECK_EXCEPTION(save_svg(exp(tape.variable(1.0)), "a.png"), ArgumentError,
                        says("[save_svg] 'a.png' is named as a file of another kind; this is SVG, "
                             "give it the ending .svg"));
  BOOST_TEST(!fs::exists("a.png"));
}
