// SPDX-License-Identifier: MIT
#include "tapestry/study/path_count.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <iterator>
#include <limits>
#include <ostream>
#include <ranges>

#include "counting.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry {
namespace {

using boost::multiprecision::cpp_int;

cpp_int integer_of(const std::vector<std::uint64_t>& limbs) {
  cpp_int value;
  if (!limbs.empty()) import_bits(value, limbs.begin(), limbs.end(), 64, false);
  return value;
}

PathCount count_of(const cpp_int& value) {
  std::vector<std::uint64_t> limbs;
  if (value > 0) export_bits(value, std::back_inserter(limbs), 64, false);
  return PathCount(std::move(limbs));
}

}  // namespace

PathCount::PathCount(std::uint64_t count) {
  if (count > 0) limbs_.push_back(count);
}

PathCount::PathCount(std::vector<std::uint64_t> limbs) : limbs_(std::move(limbs)) {
  while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
}

// By hand: what Boost prints depends on the locale.
std::string PathCount::str() const {
  constexpr std::uint64_t block = 1'000'000'000'000'000'000;  // 18 digits at a time
  cpp_int rest = integer_of(limbs_);
  std::string text;
  while (rest >= block) {
    const std::string digits = std::to_string(static_cast<std::uint64_t>(rest % block));
    text.insert(0, std::string(18 - digits.size(), '0') + digits);
    rest /= block;
  }
  return std::to_string(static_cast<std::uint64_t>(rest)) + text;
}

std::string PathCount::brief(int digits) const {
  if (*this < PathCount(1'000'000)) return str();
  const double log10 = log() / std::log(10.0);
  auto exponent = static_cast<std::int64_t>(std::floor(log10));
  double mantissa = std::pow(10.0, log10 - static_cast<double>(exponent));
  if (std::isfinite(static_cast<double>(*this)))
    mantissa = static_cast<double>(*this) / std::pow(10.0, static_cast<double>(exponent));
  std::string text = fixed_text(mantissa, digits - 1);
  if (text.starts_with("10")) {
    ++exponent;
    text = fixed_text(mantissa / 10, digits - 1);
  }
  return text + 'e' + std::to_string(exponent);
}

std::pair<double, std::int64_t> PathCount::scaled() const {
  double leading = 0;
  const std::size_t used = std::min<std::size_t>(limbs_.size(), 2);
  for (std::size_t k = 0; k < used; ++k)
    leading = leading * 0x1p64 + static_cast<double>(limbs_[limbs_.size() - 1 - k]);
  int exponent = 0;
  const double mantissa = std::frexp(leading, &exponent);
  return {mantissa, exponent + 64 * static_cast<std::int64_t>(limbs_.size() - used)};
}

PathCount::operator double() const {
  const auto [mantissa, exponent] = scaled();
  return exponent > 2000 ? std::numeric_limits<double>::infinity()
                         : std::ldexp(mantissa, static_cast<int>(exponent));
}

double PathCount::log() const {
  if (limbs_.empty()) return -std::numeric_limits<double>::infinity();
  const auto [mantissa, exponent] = scaled();
  return std::log(mantissa) + static_cast<double>(exponent) * std::log(2.0);
}

std::strong_ordering operator<=>(const PathCount& a, const PathCount& b) {
  if (a.limbs_.size() != b.limbs_.size()) return a.limbs_.size() <=> b.limbs_.size();
  return std::lexicographical_compare_three_way(a.limbs_.rbegin(), a.limbs_.rend(),
                                                b.limbs_.rbegin(), b.limbs_.rend());
}

PathCount operator-(const PathCount& a, const PathCount& b) {
  return count_of(integer_of(a.limbs_) - integer_of(b.limbs_));
}

PathCount operator+(const PathCount& a, const PathCount& b) {
  return count_of(integer_of(a.limbs_) + integer_of(b.limbs_));
}

std::ostream& operator<<(std::ostream& out, const PathCount& count) { return out << count.str(); }

namespace detail {

PathCount count_paths(const Arrows& arrows) {
  std::vector<cpp_int> count(arrows.size);
  if (arrows.sink == none) return {};
  std::vector<bool> source(arrows.size);
  for (const std::uint32_t node : arrows.sources) source[node] = true;
  count[arrows.sink] = 1;
  cpp_int total = 0;
  auto arrow = arrows.ends.rbegin();  // ends are ascending by `to`
  for (auto node = static_cast<std::uint32_t>(arrows.size); node-- > 0;) {
    const cpp_int here = std::exchange(count[node], 0);  // gone: there may be many digits
    if (source[node]) total += here;
    for (; arrow != arrows.ends.rend() && arrow->to == node; ++arrow) count[arrow->from] += here;
  }
  return count_of(total);
}

std::vector<PathCount> count_by_length(const Arrows& arrows) {
  std::vector<std::vector<cpp_int>> count(arrows.size);
  std::vector<cpp_int> total;
  if (arrows.sink == none) return {};
  std::vector<bool> source(arrows.size);
  for (const std::uint32_t node : arrows.sources) source[node] = true;
  count[arrows.sink] = {1};
  const auto add = [](std::vector<cpp_int>& to, const std::vector<cpp_int>& from, std::size_t by) {
    if (to.size() < from.size() + by) to.resize(from.size() + by);
    for (std::size_t k = 0; k < from.size(); ++k)
      if (!from[k].is_zero()) to[k + by] += from[k];
  };
  auto arrow = arrows.ends.rbegin();
  for (auto node = static_cast<std::uint32_t>(arrows.size); node-- > 0;) {
    const std::vector<cpp_int> here = std::exchange(count[node], {});
    if (source[node]) add(total, here, 0);
    for (; arrow != arrows.ends.rend() && arrow->to == node; ++arrow)
      add(count[arrow->from], here, 1);
  }
  std::vector<PathCount> counts;
  counts.reserve(total.size());
  for (const cpp_int& n : total) counts.push_back(count_of(n));
  return counts;
}

PathLengths path_lengths(const Arrows& arrows) {
  PathLengths lengths;
  if (arrows.sink == none) return lengths;
  constexpr std::size_t far = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> shortest(arrows.size, far);
  std::vector<std::size_t> longest(arrows.size, 0);
  shortest[arrows.sink] = 0;
  for (auto arrow = arrows.ends.rbegin(); arrow != arrows.ends.rend(); ++arrow) {
    const auto [from, to] = *arrow;
    if (shortest[to] == far) continue;
    shortest[from] = std::min(shortest[from], shortest[to] + 1);
    longest[from] = std::max(longest[from], longest[to] + 1);
  }
  lengths.shortest = far;
  for (const std::uint32_t node : arrows.sources) {
    if (shortest[node] == far) continue;
    lengths.shortest = std::min(lengths.shortest, shortest[node]);
    lengths.longest = std::max(lengths.longest, longest[node]);
  }
  lengths.to_sink_shortest = std::move(shortest);
  lengths.to_sink_longest = std::move(longest);
  return lengths;
}

}  // namespace detail
}  // namespace tapestry
