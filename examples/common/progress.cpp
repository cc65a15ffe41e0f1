// SPDX-License-Identifier: MIT
#include "progress.hpp"

#include <ostream>

namespace {

constexpr std::size_t bar_width = 24;

std::string clock_text(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  const std::string rest = std::to_string(whole % 60);
  return std::to_string(whole / 60) + ":" + (rest.size() < 2 ? "0" : "") + rest;
}

}  // namespace

Progress::Progress(std::ostream& out, std::size_t total, bool redraws, std::size_t before)
    : out_(out), total_(total), redraws_(redraws), before_(before) {}

Progress::~Progress() {
  if (redraws_) out_ << '\n';
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Progress::note(const std::string& text) {
  out_ << (redraws_ ? "\r\033[K" : "") << text << std::endl;
}

void Progress::show(std::size_t done, const std::string& text) {
  const bool last = done == total_;
  const double since = std::chrono::duration<double>(Clock::now() - shown_).count();
  if (!last && since < (redraws_ ? 0.1 : 5)) return;
  shown_ = Clock::now();
  const double rate = seconds() / static_cast<double>(done - before_);
  const double left = rate * static_cast<double>(total_ - done);
  std::string line;
  if (redraws_) {
    const std::size_t filled = bar_width * done / total_;
    line = "\r";
    for (std::size_t i = 0; i < bar_width; ++i) line += i < filled ? "━" : "·";
    line += ' ';
  }
  line += "step " + std::to_string(done) + "/" + std::to_string(total_) + "  " + text + "  " +
          clock_text(left) + " left";
  out_ << line << (redraws_ ? "\033[K" : "\n") << std::flush;
}
