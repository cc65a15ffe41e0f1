// SPDX-License-Identifier: MIT
#include "pictures/program.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <system_error>

#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/error.hpp"

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

/// Where a program is in PATH; empty if nowhere.
std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string place = (folder.empty() ? "." : folder) + '/' + name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(place, ignored) && access(place.c_str(), X_OK) == 0)
      return place;
  }
  return {};
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

constexpr int not_started = 127;  // as in shells

/// Makes `path` the file `descriptor` of this process.
bool redirect(int descriptor, const char* path, int flags) {
  const int opened = open(path, flags, 0600);
  if (opened < 0 || dup2(opened, descriptor) < 0) return false;
  if (opened != descriptor) close(opened);
  return true;
}

/// What the child does: it turns into the program. A child of a process with threads may only call
/// what is safe in a signal handler, so all strings are made before. It ends with its parent.
[[noreturn]] void become(char* const* arguments, const char* in, const char* out, const char* err,
                         [[maybe_unused]] pid_t parent) {
#if defined(__linux__)
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(not_started);
#endif
  if (redirect(STDIN_FILENO, in, O_RDONLY) && redirect(STDOUT_FILENO, out, O_WRONLY | O_CREAT) &&
      redirect(STDERR_FILENO, err, O_WRONLY | O_CREAT))
    execv(arguments[0], arguments);
  _exit(not_started);
}

/// The exit status of a child, 128 and more where a signal ended it.
int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw std::system_error(errno, std::generic_category());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Runs the program at `place` from the file "in" of the folder to "out" and "err". Returns its
/// exit status.
int run_in(const Folder& folder, std::string place, std::vector<std::string> words) {
  words.insert(words.begin(), std::move(place));
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string in = folder.file("in"), out = folder.file("out"), err = folder.file("err");
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category());
  if (child == 0) become(arguments.data(), in.c_str(), out.c_str(), err.c_str(), parent);
  return wait_for(child);
}

}  // namespace

std::string run_program(std::string_view op, const Program& program, const std::string& input) {
  const std::string name = "'" + std::string(program.name) + "'";
  const std::string found = find_program(program.name);
  if (found.empty())
    throw FileError(op, "the program " + name +
                            " is not installed: this picture needs it (Debian: apt-get install " +
                            program.package + ")");
  try {
    const Folder folder;
    write_text(op, folder.file("in"), input);
    const int status = run_in(folder, found, program.arguments);
    std::string words = read_text(folder.file("err"));
    std::string output = read_text(folder.file("out"));
    if (status != 0 || !words.empty() || output.empty())
      throw FileError(op, name + " failed with status " + std::to_string(status) +
                              (words.empty() ? "" : ": " + words));
    return output;
  } catch (const std::system_error& error) {
    throw FileError(op, "cannot run " + name + ": " + error.code().message());
  }
}

}  // namespace tapestry::detail
