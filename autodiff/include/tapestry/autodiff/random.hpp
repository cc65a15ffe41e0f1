// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>

namespace tapestry {

/// A source of random numbers whose sequence is the same on every platform: the Mersenne twister
/// std::mt19937_64 (Matsumoto and Nishimura 2000) with our own conversions, since the standard
/// distributions differ by library; and so does what the standard engine shows of its state.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = default_seed);

  void seed(std::uint64_t seed) { *this = Generator(seed); }

  /// 64 random bits.
  std::uint64_t bits();

  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Normal with mean 0 and variance 1 (Box-Muller).
  double normal();

  /// Uniform integer in [0, n). `n` must be positive.
  std::uint64_t below(std::uint64_t n);

  static constexpr std::uint64_t default_seed = 0x7A9E57A7;

  /// The name of a generator among the parts of a `bundle`.
  static constexpr const char* part_name = "generator";

  static constexpr std::size_t word_count = 312;

  /// All that determines the numbers to come: the words of the twister, the position in them (at
  /// most `word_count`), 1 if a second normal number is waiting, and its bits.
  using State = std::array<std::uint64_t, word_count + 3>;

  [[nodiscard]] State state() const;

  /// Whether a generator can be in this state.
  [[nodiscard]] static bool is_state(const State& state);

  /// Goes on as the generator did whose state it is. Throws ArgumentError when it is none.
  void set_state(const State& state);

  /// The state as text: its numbers in decimal, with spaces between them. Reading anything else
  /// fails as it does for numbers, and changes nothing.
  friend std::ostream& operator<<(std::ostream& out, const Generator& generator);
  friend std::istream& operator>>(std::istream& in, Generator& generator);

 private:
  void twist();

  std::array<std::uint64_t, word_count> words_;
  std::size_t position_ = word_count;  // of the next word; at the end they are made anew
  double spare_ = 0;
  bool has_spare_ = false;
};

/// The generator that initialisers and dropout draw from: one per thread, so threads neither wait
/// for each other nor disturb each other's numbers. It starts from a fixed seed.
[[nodiscard]] Generator& default_generator();

/// Seeds the calling thread's default generator.
void seed(std::uint64_t seed);

}  // namespace tapestry
