// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/random.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <istream>
#include <numbers>
#include <ostream>
#include <string>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry {
namespace {

/// Reads digits, whatever the locale of the stream takes for a number.
void read_number(std::istream& in, std::uint64_t& number) {
  std::string digits;
  in >> std::ws;
  for (int c = in.peek(); c >= '0' && c <= '9'; c = in.peek())
    digits += static_cast<char>(in.get());
  const auto read = number_from<std::uint64_t>(digits);
  number = read.value_or(0);
  if (!read) in.setstate(std::ios::failbit);
}

}  // namespace

Generator::Generator(std::uint64_t seed) {
  words_[0] = seed;
  for (std::size_t i = 1; i < word_count; ++i)
    words_[i] = 6364136223846793005u * (words_[i - 1] ^ (words_[i - 1] >> 62)) + i;
}

void Generator::twist() {
  constexpr std::uint64_t lower = (std::uint64_t{1} << 31) - 1;
  for (std::size_t i = 0; i < word_count; ++i) {
    const std::uint64_t x = (words_[i] & ~lower) | (words_[(i + 1) % word_count] & lower);
    words_[i] = words_[(i + word_count / 2) % word_count] ^ (x >> 1) ^
                ((x & 1) != 0 ? 0xB5026F5AA96619E9u : 0u);
  }
  position_ = 0;
}

std::uint64_t Generator::bits() {
  if (position_ == word_count) twist();
  std::uint64_t x = words_[position_++];
  x ^= (x >> 29) & 0x5555555555555555u;
  x ^= (x << 17) & 0x71D67FFFEDA60000u;
  x ^= (x << 37) & 0xFFF7EEE000000000u;
  return x ^ (x >> 43);
}

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

Generator::State Generator::state() const {
  State state{};
  std::copy(words_.begin(), words_.end(), state.begin());
  state[word_count] = position_;
  state[word_count + 1] = has_spare_ ? 1 : 0;
  state[word_count + 2] = std::bit_cast<std::uint64_t>(spare_);
  return state;
}

bool Generator::is_state(const State& state) {
  const auto words_end = state.begin() + word_count;
  const bool only_zeros = std::all_of(state.begin(), words_end, [](auto x) { return x == 0; });
  return !only_zeros && state[word_count] <= word_count && state[word_count + 1] <= 1 &&
         std::isfinite(std::bit_cast<double>(state[word_count + 2]));
}

void Generator::set_state(const State& state) {
  if (!is_state(state)) throw ArgumentError("set_state", "this is not a state of a generator");
  std::copy_n(state.begin(), word_count, words_.begin());
  position_ = static_cast<std::size_t>(state[word_count]);
  has_spare_ = state[word_count + 1] == 1;
  spare_ = std::bit_cast<double>(state[word_count + 2]);
}

std::ostream& operator<<(std::ostream& out, const Generator& generator) {
  std::string text;
  for (const std::uint64_t number : generator.state())
    text += (text.empty() ? "" : " ") + std::to_string(number);
  return out << text;
}

std::istream& operator>>(std::istream& in, Generator& generator) {
  Generator::State state{};
  for (std::uint64_t& number : state) read_number(in, number);
  if (in && !Generator::is_state(state)) in.setstate(std::ios::failbit);
  if (in) generator.set_state(state);
  return in;
}

Generator& default_generator() {
  static std::atomic<std::uint64_t> threads{0};
  thread_local Generator generator(Generator::default_seed + threads++);
  return generator;
}

void seed(std::uint64_t seed) { default_generator().seed(seed); }

}  // namespace tapestry
