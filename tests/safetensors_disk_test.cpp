// SPDX-License-Identifier: MIT
// Saving when the disk is full, and when the program is killed: the old file stays whole.
#define BOOST_TEST_MODULE safetensors_disk
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <functional>
#include <string>

#include "files.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/npz.hpp"
#include "tapestry/layers/safetensors.hpp"

namespace tp = tapestry;
using tp::test::read_bytes;
using tp::test::TemporaryFolder;
using tp::test::write_bytes;

namespace {

constexpr int skipped = 77;

/// Runs `action` in a process of its own, whose exit code it returns.
pid_t start(const std::function<int()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    int code = 1;
    try {
      code = action();
    } catch (const std::exception& error) {
      fprintf(stderr, "%s\n", error.what());
    }
    _exit(code);
  }
  return child;
}

int exit_code(pid_t child) {
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// What `save` says, without the name of the file: the reason of the system.
template <class Save>
std::string reason(const Save& save) {
  try {
    save();
    return "";
  } catch (const tp::FileError& error) {
    const std::string text = error.what();
    return text.substr(text.rfind(": ") + 2);
  }
}

/// On a disk of 64 kB, which exists for this process only.
int save_on_a_small_disk(const TemporaryFolder& folder) {
  const bool mounted = unshare(CLONE_NEWNS) == 0 &&
                       mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") == 0;
  if (!mounted) return skipped;
  const std::string path = folder / "x";
  tp::layers::Linear<> small(10, 10), large(200, 200);
  tp::save(small, path);
  const std::string old = read_bytes(path);
  const std::string full = "No space left on device";
  if (reason([&] { tp::save(large, path); }) != full) return 2;
  if (reason([&] { tp::save_npz(large, path); }) != full) return 3;
  if (read_bytes(path) != old || folder.count() != 1) return 4;
  tp::load(small, path);
  tp::save(small, path);  // what the failures took up is free again
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_full_disk_keeps_the_old_file) {
  const TemporaryFolder folder;
  const int code = exit_code(start([&] { return save_on_a_small_disk(folder); }));
  if (code == skipped)
    BOOST_TEST_MESSAGE("skipped: no right to mount a small disk");
  else
    BOOST_TEST(code == 0);
}

BOOST_AUTO_TEST_CASE(a_killed_program_leaves_a_whole_file) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  tp::layers::Linear<> model(300, 300), seen(300, 300);
  tp::save(model, path);
  for (useconds_t delay = 1000; delay < 30000; delay += 2000) {
    const pid_t child = start([&] {
      for (float value = 0;; ++value) {
        model.weight().value().fill(value);
        tp::save(model, path);
      }
      return 0;
    });
    usleep(delay);
    kill(child, SIGKILL);
    BOOST_TEST(exit_code(child) == -1);
    BOOST_CHECK_NO_THROW(tp::load(seen, path));
  }
}
