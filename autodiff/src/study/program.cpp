// SPDX-License-Identifier: MIT
#include "study/program.hpp"

#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/io.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <system_error>

#include "tapestry/autodiff/error.hpp"
#include "text_file.hpp"

namespace tapestry::detail {
namespace {

/// A folder of our own for what goes in and out, gone when done.
class Folder {
 public:
  Folder() {
    std::random_device random;
    do {
      path_ = std::filesystem::temp_directory_path() / ("tapestry-" + std::to_string(random()));
    } while (!std::filesystem::create_directory(path_));
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Where a program is in PATH; empty if nowhere. (Boost's own search needs another library.)
std::string find_program(const std::string& name) {
#ifdef _WIN32
  constexpr char separator = ';';
  const std::string file = name + ".exe";
#else
  constexpr char separator = ':';
  const std::string& file = name;
#endif
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, separator);) {
    std::error_code ignored;
    const std::filesystem::path place = std::filesystem::path(folder) / file;
    if (std::filesystem::is_regular_file(place, ignored)) return place.string();
  }
  return {};
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

std::string run_program(std::string_view op, const Program& program, const std::string& input) {
  namespace bp = boost::process;
  const std::string name = "'" + std::string(program.name) + "'";
  const std::string found = find_program(program.name);
  if (found.empty())
    throw FileError(op, "the program " + name +
                            " is not installed: this picture needs it (Debian: apt-get install " +
                            program.package + ")");
  try {
    const Folder folder;
    write_text(op, folder.file("in"), input);
    bp::child child(bp::exe = found, bp::args = program.arguments,
                    bp::std_in<folder.file("in"), bp::std_out> folder.file("out"),
                    bp::std_err > folder.file("err"));
    child.wait();
    std::string words = read_text(folder.file("err"));
    std::string output = read_text(folder.file("out"));
    if (child.exit_code() != 0 || !words.empty() || output.empty())
      throw FileError(op, name + " failed with status " + std::to_string(child.exit_code()) +
                              (words.empty() ? "" : ": " + words));
    return output;
  } catch (const std::system_error& error) {
    throw FileError(op, "cannot run " + name + ": " + error.code().message());
  }
}

}  // namespace tapestry::detail
