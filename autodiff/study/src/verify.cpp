// SPDX-License-Identifier: MIT
#include "tapestry/study/verify.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <ostream>
#include <type_traits>

#include "larger.hpp"
#include "path_set.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/study/crossings.hpp"
#include "tapestry/study/flow.hpp"
#include "text.hpp"

namespace tapestry {
namespace {

using detail::larger;
using detail::Numbers;
using detail::numbers_of;
using detail::Record;

/// The largest difference, relative to the largest number of either side; NaN where it cannot be
/// told, as one of them is not finite.
template <class T>
double relative(const Numbers<T>& a, const Numbers<T>& b) {
  double difference = 0;
  double largest = 0;
  for (std::size_t k = 0; k < std::max(a.size(), b.size()); ++k) {
    const double x = a.empty() ? 0 : static_cast<double>(a[k]);
    const double y = b.empty() ? 0 : static_cast<double>(b[k]);
    difference = larger(difference, std::abs(x - y));
    largest = larger(largest, larger(std::abs(x), std::abs(y)));
  }
  return largest == 0 ? 0 : difference / largest;
}

template <class T>
class Verifier {
 public:
  Verifier(const Source<T>& from, const Variable<T>& to, Paths<T> paths, GradientFlow<T> flow,
           const VerifyOptions& options)
      : options_(options),
        record_("verify", from, to),
        paths_(std::move(paths)),
        flow_(std::move(flow)),
        gradient_(gradient_of(record_, record_.everything(), {T{1}})) {
    if (!(options_.tolerance > 0)) options_.tolerance = std::is_same_v<T, float> ? 1e-3 : 1e-9;
  }

  Verification run(const std::vector<CrossingSpectrum<T>>& spectra) {
    check_backward();
    check_sum();
    check_counts();
    check_flow();
    check_spectra(spectra);
    check_ops();
    check_difference();
    return Verification(std::move(results_));
  }

 private:
  void add(std::string name, double difference, std::string note) {
    if (std::isnan(difference)) note += "; a value or gradient is not finite";
    results_.push_back({std::move(name), true, difference, options_.tolerance, std::move(note)});
  }
  void leave_out(std::string name, std::string why) {
    results_.push_back({std::move(name), false, 0, options_.tolerance, std::move(why)});
  }

  void check_backward() {
    const std::string name = "the sweep over all paths is the gradient";
    if (record_.live().has_hooks())
      return leave_out(name, "hooks may replace gradients in backward");
    const std::optional<Numbers<T>> gradient = record_.live().by_backward();
    if (!gradient) return leave_out(name, "it is within a fused op");
    add(name, relative(gradient_, *gradient),
        std::to_string(record_.size()) + " values, " + std::to_string(record_.edges().size()) +
            " arrows");
  }

  void check_sum() {
    const std::string name = "paths sum to the gradient";
    const PathCount& count = paths_.count();
    if (PathCount(options_.most_paths) < count)
      return leave_out(name, count.brief() + " paths are too many to be listed");
    Numbers<T> sum;
    for (const Path<T>& path : paths_) detail::accumulate(sum, numbers_of(path.contribution()));
    add(name, relative(sum, gradient_), count.brief() + " paths");
  }

  void check_counts() {
    const std::string name = "paths by length are all paths";
    try {
      PathCount total;
      for (const PathCount& count : paths_.counts_by_length()) total = total + count;
      add(name, total == paths_.count() ? 0 : 1, paths_.count().brief() + " paths");
    } catch (const ArgumentError& error) {
      leave_out(name, error.what());
    }
  }

  void check_flow() {
    const std::string edges = std::to_string(record_.edges().size()) + " arrows";
    add("what flows in flows out", flow_.imbalance(), edges);
    double largest = 0;
    for (const auto& arrow : flow_.arrows()) largest = larger(largest, std::abs(arrow.flow));
    constexpr std::size_t most_cuts = 100;
    const std::size_t step = record_.size() / most_cuts + 1;
    double difference = 0;
    std::size_t cuts = 0;
    for (std::size_t node = 0; node + 1 < record_.size(); node += step, ++cuts)
      difference =
          larger(difference,
                 std::abs(flow_.cut(record_.id(static_cast<std::uint32_t>(node))) - flow_.total()));
    add("every cut carries the total", largest == 0 ? 0 : difference / largest,
        std::to_string(cuts) + " cuts");
  }

  void check_spectra(const std::vector<CrossingSpectrum<T>>& spectra) {
    constexpr double z = 0.5;
    double difference = 0;
    for (const CrossingSpectrum<T>& spectrum : spectra) {
      difference = larger(difference, relative(numbers_of(spectrum.gradient()), gradient_));
      difference = larger(difference, relative(numbers_of(spectrum.at(1)), gradient_));
      if (detail::norm(numbers_of(spectrum.rest())) > 0) continue;
      Numbers<T> sum;
      double power = 1;
      for (std::size_t m = 0; m < spectrum.size(); ++m, power *= z) {
        Numbers<T> term = numbers_of(spectrum[m]);
        for (T& element : term) element = static_cast<T>(static_cast<double>(element) * power);
        detail::accumulate(sum, std::move(term));
      }
      difference = larger(difference, relative(numbers_of(spectrum.at(z)), sum));
    }
    add("the gradient split by crossings adds up", difference,
        std::to_string(spectra.size()) + " ways to mark arrows");
  }

  void check_ops() {
    Generator generator(options_.seed);
    double worst = 0;
    std::string where;
    std::size_t count = 0;
    std::vector<Numbers<T>> results;
    for (std::uint32_t node = 0; node < record_.size(); ++node) {
      const auto edges = record_.in(node);
      if (edges.empty()) continue;
      ++count;
      std::map<std::uint32_t, Numbers<T>> x;
      for (const std::uint32_t edge : edges) {
        Numbers<T>& numbers = x[record_.edges()[edge].from];
        if (numbers.empty()) numbers = random(generator, record_.edges()[edge].from);
      }
      const Numbers<T> y = random(generator, node);
      Numbers<T> moved;
      record_.add_jvp(
          edges, [&](std::uint32_t n) -> const Numbers<T>& { return x.at(n); }, moved);
      record_.vjp(edges, y, results);
      double back = 0;
      double size = detail::norm(moved) * detail::norm(y);
      for (std::size_t k = 0; k < edges.size(); ++k) {
        const Numbers<T>& along = x.at(record_.edges()[edges[k]].from);
        back += detail::dot(results[k], along);
        size = larger(size, detail::norm(results[k]) * detail::norm(along));
      }
      const double difference =
          size == 0 ? std::abs(back) : std::abs(detail::dot(moved, y) - back) / size;
      if (std::isnan(worst) || difference <= worst) continue;
      worst = difference;
      where = record_.label(node);
    }
    add("each op's derivatives agree from both sides", worst,
        std::to_string(count) + " ops" + (where.empty() ? "" : ", largest at " + where));
  }

  void check_difference() {
    const std::string name = "a small step changes the result as the gradient says";
    const double slope = detail::norm(gradient_);
    if constexpr (std::is_same_v<T, float>) return leave_out(name, "in single precision");
    if (slope == 0) return leave_out(name, "the gradient is zero");
    const auto source = record_.live().value("verify", record_.position(record_.sources()[0]));
    const Numbers<T> value(source.begin(), source.end());
    const double step = 1e-6 * std::max(1.0, detail::norm(value));
    const auto at = [&](double distance) {
      Numbers<T> moved = value;
      for (std::size_t k = 0; k < moved.size(); ++k)
        moved[k] += static_cast<T>(distance * static_cast<double>(gradient_[k]) / slope);
      return static_cast<double>(record_.replay(moved)[0]);
    };
    try {
      const double measured = (at(step) - at(-step)) / (2 * step);
      const double around = std::abs(at(0)) * 1e-16 / step;  // rounding of the values
      add(name, std::abs(measured - slope) / slope,
          "slope " + number_text(slope, 5) + ", step " + number_text(step, 2));
      results_.back().tolerance = std::max(1e-5, 100 * around / slope);
    } catch (const GradientError& error) {
      leave_out(name, error.what());
    }
  }

  Numbers<T> random(Generator& generator, std::uint32_t node) const {
    Numbers<T> numbers(record_.shape(node).size());
    for (T& element : numbers) element = static_cast<T>(generator.uniform(-1, 1));
    return numbers;
  }

  VerifyOptions options_;
  Record<T> record_;
  Paths<T> paths_;
  GradientFlow<T> flow_;
  Numbers<T> gradient_;
  std::vector<Identity> results_;
};

/// Two ways to mark arrows: those between time steps, and half of all, whichever they are.
std::vector<ArrowMark> marks() {
  return {into_other_steps(),
          [](const StudyValue& from, const StudyValue& to) { return (from.id + to.id) % 2 == 1; }};
}

}  // namespace

bool Verification::holds() const { return std::ranges::all_of(identities_, &Identity::holds); }

std::string Verification::str() const {
  std::vector<std::vector<std::string>> rows;
  for (const Identity& identity : identities_)
    rows.push_back({identity.name,
                    !identity.applies  ? "not tested"
                    : identity.holds() ? "holds"
                                       : "FAILS",
                    identity.applies ? number_text(identity.difference, 2) : "", identity.note});
  return detail::table(rows, 3);
}

std::ostream& operator<<(std::ostream& out, const Verification& verification) {
  return out << verification.str();
}

template <class T>
Verification verify(const Source<std::type_identity_t<T>>& from, const Variable<T>& to,
                    const VerifyOptions& options) {
  detail::check_scalar("verify", to);
  PathOptions listed;
  listed.cap = std::max<std::size_t>(options.most_paths, 1);
  std::vector<CrossingSpectrum<T>> spectra;
  for (const ArrowMark& mark : marks())
    spectra.push_back(crossings<T>(from, to, mark, {.most = 12}));
  Verifier<T> verifier(from, to, paths<T>(from, to, listed), gradient_flow<T>(from, to), options);
  return verifier.run(spectra);
}

TAPESTRY_INSTANTIATE(verify)

}  // namespace tapestry
