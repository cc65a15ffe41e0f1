// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iosfwd>
#include <random>

namespace tapestry {

/// A source of random numbers whose sequence is the same on every platform: Mersenne twister
/// (mt19937_64) with our own conversions, since the standard distributions differ by library.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = default_seed) : engine_(seed) {}

  void seed(std::uint64_t seed) { *this = Generator(seed); }

  /// 64 random bits.
  std::uint64_t bits() { return engine_(); }

  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Normal with mean 0 and variance 1 (Box-Muller).
  double normal();

  /// Uniform integer in [0, n). `n` must be positive.
  std::uint64_t below(std::uint64_t n);

  static constexpr std::uint64_t default_seed = 0x7A9E57A7;

  /// The whole state as text, to save and resume.
  friend std::ostream& operator<<(std::ostream& out, const Generator& generator);
  friend std::istream& operator>>(std::istream& in, Generator& generator);

 private:
  std::mt19937_64 engine_;
  double spare_ = 0;
  bool has_spare_ = false;
};

/// The generator that initialisers and dropout draw from: one per thread, so threads neither wait
/// for each other nor disturb each other's numbers. It starts from a fixed seed.
[[nodiscard]] Generator& default_generator();

/// Seeds the calling thread's default generator.
void seed(std::uint64_t seed);

}  // namespace tapestry
