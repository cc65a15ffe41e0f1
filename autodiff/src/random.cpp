// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/random.hpp"

#include <atomic>
#include <cmath>
#include <istream>
#include <numbers>
#include <ostream>

namespace tapestry {

double Generator::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  const double angle = 2.0 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

std::uint64_t Generator::below(std::uint64_t n) {
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;
  std::uint64_t draw = bits();
  while (draw > limit) draw = bits();  // the last, incomplete block would favour small numbers
  return draw % n;
}

std::ostream& operator<<(std::ostream& out, const Generator& generator) {
  const auto precision = out.precision(17);
  out << generator.engine_ << ' ' << generator.has_spare_ << ' ' << generator.spare_;
  out.precision(precision);
  return out;
}

std::istream& operator>>(std::istream& in, Generator& generator) {
  return in >> generator.engine_ >> generator.has_spare_ >> generator.spare_;
}

Generator& default_generator() {
  static std::atomic<std::uint64_t> threads{0};
  thread_local Generator generator(Generator::default_seed + threads++);
  return generator;
}

void seed(std::uint64_t seed) { default_generator().seed(seed); }

}  // namespace tapestry
