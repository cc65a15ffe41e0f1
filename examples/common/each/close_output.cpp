// SPDX-License-Identifier: MIT
// A part of each example: one whose output was not written, be it that the disk is full, ends with
// an error.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

namespace {

/// Whether the output is a pipe that nobody reads any more, as of `| head`.
bool is_left() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

void close_output() {
  errno = 0;
  std::cout.flush();
  if (std::cout && std::ferror(stdout) == 0) return;
  if (!is_left()) {
    if (errno == 0 && write(STDOUT_FILENO, "\n", 1) == 1)
      errno = EIO;  // it failed some time before
    std::cerr << "cannot write to the standard output: " << std::strerror(errno) << std::endl;
  }
  std::_Exit(1);
}

/// Where the standard output is closed, no file that is opened may take its place.
bool prepare_output() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF)
      (void)!open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  return std::atexit(&close_output) == 0;
}

const bool prepared = prepare_output();

}  // namespace
