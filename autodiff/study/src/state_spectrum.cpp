// SPDX-License-Identifier: MIT
#include "tapestry/study/state_spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <ostream>

#include "linear_algebra.hpp"
#include "long_product.hpp"
#include "state_gaps.hpp"
#include "sweep.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/kernels/gemm.hpp"

namespace tapestry {
namespace {

using detail::LiveGraph;
using detail::Numbers;
using detail::Record;
using detail::ReverseSweep;
using detail::StatePositions;

/// The numbers of one sequence in the parts of a state, one after another.
template <class T>
class StateLayout {
 public:
  StateLayout(const char* op, const StateAt<T>& state, std::size_t sequence) : op_(op) {
    if (state.parts.empty()) throw ArgumentError(op, "a state has no parts");
    for (const Variable<T>& part : state.parts) {
      const Shape shape = part.shape();
      if (shape.rank() == 0 || shape.rank() > 2)
        throw ShapeError(
            op, "a part of the state has shape " + shape.str() + ": it must be (n) or (B, n)");
      if (sequence > 0 && (shape.rank() == 1 || sequence >= shape[0]))
        throw IndexError(op, "there is no sequence " + std::to_string(sequence) +
                                 " in a state of shape " + shape.str());
      parts_.push_back({size_, sequence * shape.back(), shape.back(), shape.size()});
      size_ += shape.back();
    }
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  /// Gradients at the parts: `u`, of size(), at this sequence and 0 at others. Empty for zeros.
  [[nodiscard]] std::vector<Numbers<T>> seeds(std::span<const double> u) const {
    std::vector<Numbers<T>> seeds;
    for (const Part& part : parts_) {
      const auto own = u.subspan(part.place, part.width);
      seeds.emplace_back();
      if (std::ranges::all_of(own, [](double x) { return x == 0; })) continue;
      seeds.back().resize(part.elements);
      for (std::size_t k = 0; k < part.width; ++k)
        seeds.back()[part.start + k] = static_cast<T>(own[k]);
    }
    return seeds;
  }

  /// Reads the gradient at part `p` into `u`.
  void read(std::size_t p, const Numbers<T>& gradient, std::int64_t exponent, double* u) const {
    const Part& part = parts_[p];
    for (std::size_t k = 0; k < part.width; ++k) {
      double& to = u[part.place + k];
      to = detail::times_power(static_cast<double>(gradient[part.start + k]), exponent);
      if (!std::isfinite(to)) throw GradientError(op_, "a derivative of the state is not finite");
    }
  }

 private:
  struct Part {
    std::size_t place;  // among the numbers of the state
    std::size_t start;  // of the sequence in the part
    std::size_t width;
    std::size_t elements;
  };

  const char* op_;
  std::vector<Part> parts_;
  std::size_t size_ = 0;
};

/// The way from one state to a later value, backwards. The parts of a state count as independent
/// of each other.
template <class T>
class StateLink {
 public:
  StateLink(const std::shared_ptr<const LiveGraph<T>>& live, const StatePositions& to,
            const StatePositions& from, StateLayout<T> to_layout, StateLayout<T> from_layout)
      : record_(live, from.parts, to.parts),
        to_(std::move(to_layout)),
        from_(std::move(from_layout)),
        part_at_(record_.size()) {
    for (const std::uint32_t node : record_.sources())
      part_at_[node] = static_cast<std::size_t>(
          std::ranges::find(from.parts, record_.position(node)) - from.parts.begin());
    for (const detail::StudyEdge& edge : record_.edges())
      kept_.push_back(!record_.is_source(edge.to));
  }

  /// Jᵀ u.
  [[nodiscard]] std::vector<double> back(std::span<const double> u) const {
    std::vector<double> result(from_.size());
    pull(to_.seeds(u), result.data());
    return result;
  }

  /// The gradient of a scalar that `to` is.
  [[nodiscard]] std::vector<double> back_from_scalar() const {
    std::vector<double> result(from_.size());
    pull({{T{1}}}, result.data());
    return result;
  }

  [[nodiscard]] Array<double> jacobian() const {
    Array<double> j = Array<double>::from_shape({to_.size(), from_.size()});
    j.fill(0);
    std::vector<double> one(to_.size());
    for (std::size_t i = 0; i < to_.size(); ++i) {
      one[i] = 1;
      pull(to_.seeds(one), j.data() + i * from_.size());
      one[i] = 0;
    }
    return j;
  }

 private:
  /// What arrives at `from` when the parts of `to` have these gradients.
  void pull(const std::vector<Numbers<T>>& seeds, double* result) const {
    ReverseSweep<T> sweep(record_, kept_, {.hooks = true, .rescales = true});
    for (std::size_t p = 0; p < seeds.size(); ++p)
      if (const std::uint32_t sink = record_.sinks()[p]; sink != detail::none)
        sweep.seed(sink, seeds[p]);
    sweep.run([&](std::uint32_t node, const Numbers<T>& gradient) {
      if (record_.is_source(node)) from_.read(part_at_[node], gradient, sweep.exponent(), result);
    });
  }

  Record<T> record_;
  StateLayout<T> to_;
  StateLayout<T> from_;
  std::vector<std::size_t> part_at_;  // by node of a source
  std::vector<bool> kept_;
};

/// States as positions in a graph of all of them.
template <class T>
class StateGraph {
 public:
  /// With the value that `loss` is, if it is given.
  StateGraph(const char* op, const std::vector<StateAt<T>>& states, std::size_t sequence,
             const std::optional<Variable<T>>& loss = {}) {
    std::vector<Variable<T>> parts;
    for (const StateAt<T>& state : states) {
      layouts_.emplace_back(op, state, sequence);
      parts.insert(parts.end(), state.parts.begin(), state.parts.end());
    }
    if (loss) parts.push_back(*loss);
    std::vector<Variable<T>> from;
    std::ranges::copy_if(parts, std::back_inserter(from), &Variable<T>::requires_grad);
    live_ = std::make_shared<const LiveGraph<T>>(op, from, parts);
    for (const StateAt<T>& state : states) positions_.push_back(at(op, state));
    if (loss) loss_ = at(op, {0, {*loss}});
  }

  [[nodiscard]] const Graph& graph() const { return live_->graph(); }
  [[nodiscard]] const std::vector<StatePositions>& positions() const { return positions_; }
  [[nodiscard]] const StateLayout<T>& layout(std::size_t i) const { return layouts_[i]; }
  [[nodiscard]] StateLink<T> link(std::size_t to, std::size_t from) const {
    return {live_, positions_[to], positions_[from], layouts_[to], layouts_[from]};
  }
  [[nodiscard]] StateLink<T> link_of_loss() const {
    return {live_, loss_, positions_.back(), layouts_.back(), layouts_.back()};
  }

 private:
  [[nodiscard]] StatePositions at(const char* op, const StateAt<T>& state) const {
    StatePositions positions{state.time, {}};
    for (const Variable<T>& part : state.parts)
      positions.parts.push_back(live_->find(op, part).value());
    return positions;
  }

  std::shared_ptr<const LiveGraph<T>> live_;
  std::vector<StateLayout<T>> layouts_;
  std::vector<StatePositions> positions_;
  StatePositions loss_;
};

double norm_of(const std::vector<double>& x) {
  double largest = 0;
  for (const double value : x) largest = std::max(largest, std::abs(value));
  if (largest == 0) return 0;
  double squares = 0;  // which neither overflow nor vanish
  for (const double value : x) squares += (value / largest) * (value / largest);
  return largest * std::sqrt(squares);
}

void scale_to_one(std::vector<double>& x) {
  const double norm = norm_of(x);
  for (double& value : x) value /= norm == 0 ? 1 : norm;
}

Array<double> matrix_product(const Array<double>& a, const Array<double>& b) {
  const std::size_t rows = a.shape()[0], inner = b.shape()[0], columns = b.shape()[1];
  Array<double> c = Array<double>::from_shape({rows, columns});
  detail::gemm(false, false, rows, columns, inner, a.data(), b.data(), c.data(), false);
  return c;
}

template <class T>
class SpectrumBuilder {
 public:
  SpectrumBuilder(const std::vector<StateAt<T>>& states, const StateSpectrumOptions<T>& options)
      : states_(states), options_(options) {}

  StateSpectrum build() {
    if (states_.size() < 2)
      throw ArgumentError(op, "a step leads from one state to another: there must be two, not " +
                                  std::to_string(states_.size()));
    if (options_.loss && options_.loss->size() != 1)
      throw GradientError(
          op, "the loss has shape " + options_.loss->shape().str() + ": it must be a scalar");
    graph_.emplace(op, states_, options_.sequence, options_.loss);
    spectrum_.steps.resize(states_.size() - 1);
    spectrum_.size = graph_->layout(0).size();
    check_sizes();
    check_complete();
    follow_gradient();
    walk();
    return std::move(spectrum_);
  }

 private:
  static constexpr const char* op = "state_spectrum";

  void check_sizes() const {
    for (std::size_t i = 1; i < states_.size(); ++i) {
      const std::size_t size = graph_->layout(i).size();
      if (size != spectrum_.size)
        throw ShapeError(op, "the states of steps " + std::to_string(states_[i - 1].time) +
                                 " and " + std::to_string(states_[i].time) + " have " +
                                 std::to_string(spectrum_.size) + " and " + std::to_string(size) +
                                 " numbers");
    }
  }

  /// Throws unless the Jacobian over several steps is the product of theirs: a state that lacks
  /// something of what is carried has other exponents than the model.
  void check_complete() {
    const Graph& graph = graph_->graph();
    const auto refuse = [&](const detail::StateGap& gap) {
      if (!is_open(gap)) return;
      const auto step = [](std::int64_t time) { return "step " + std::to_string(time); };
      throw ArgumentError(
          op, "the state is not complete: '" + detail::name_of(graph[gap.value]) + "' of " +
                  step(gap.value_time) + " goes on to " + step(states_[gap.to].time) +
                  " beside the state of " + step(states_[gap.from + 1].time) +
                  ", so the product of the steps' Jacobians is not that of all of them; a state "
                  "holds all that is carried on");
    };
    detail::for_each_gap(graph, graph_->positions(), refuse);
  }

  /// Whether what goes around a state matters: compares the product with the direct Jacobian.
  bool is_open(const detail::StateGap& gap) {
    const auto link = [&](std::size_t to, std::size_t from) {
      return graph_->link(to, from).jacobian();
    };
    const Array<double> direct = link(gap.to, gap.from);
    Array<double> product = link(gap.from + 1, gap.from);
    for (std::size_t i = gap.from + 1; i < gap.to; ++i)
      product = matrix_product(link(i + 1, i), product);
    double apart = 0, size = 0;
    for (std::size_t k = 0; k < direct.size(); ++k) {
      apart = std::max(apart, std::abs(direct.data()[k] - product.data()[k]));
      size = std::max({size, std::abs(direct.data()[k]), std::abs(product.data()[k])});
    }
    return apart > std::sqrt(static_cast<double>(std::numeric_limits<T>::epsilon())) * size;
  }

  /// The gradient at the last state, of length 1.
  std::vector<double> first_gradient() {
    std::vector<double> u(spectrum_.size, 1);
    if (options_.loss) {
      u = graph_->link_of_loss().back_from_scalar();
      if (norm_of(u) == 0) throw GradientError(op, "the loss does not depend on the last state");
    }
    scale_to_one(u);
    return u;
  }

  /// Carries a gradient from the last state to the first.
  void follow_gradient() {
    std::vector<double> u = first_gradient();
    double growth = 0;
    for (std::size_t i = states_.size() - 1; i > 0; --i) {
      u = graph_->link(i, i - 1).back(u);
      spectrum_.steps[i - 1].norm_ratio = norm_of(u);
      growth += std::log(norm_of(u));
      scale_to_one(u);
    }
    spectrum_.realised = growth / static_cast<double>(spectrum_.steps.size());
  }

  void walk() {
    const std::size_t n = spectrum_.size;
    detail::LongProduct product(n);
    for (std::size_t i = 1; i < states_.size(); ++i) {
      Array<double> j = graph_->link(i, i - 1).jacobian();
      product.multiply(j);
      describe(spectrum_.steps[i - 1], states_[i].time, std::move(j));
    }
    spectrum_.exponents = product.log_singular_values();
    for (double& exponent : spectrum_.exponents)
      exponent /= static_cast<double>(spectrum_.steps.size());
  }

  void describe(StateStep& step, std::int64_t time, Array<double> j) {
    step.time = time;
    step.singular_values = detail::singular_values(j);
    if (options_.eigenvalues) step.spectral_radius = detail::spectral_radius(j);
    if (options_.keep_jacobians) step.jacobian = std::move(j);
  }

  const std::vector<StateAt<T>>& states_;
  const StateSpectrumOptions<T>& options_;
  std::optional<StateGraph<T>> graph_;
  StateSpectrum spectrum_;
};

}  // namespace

template <class T>
Array<double> state_jacobian(const StateAt<T>& to, const StateAt<T>& from, std::size_t sequence) {
  return StateGraph<T>("state_jacobian", {to, from}, sequence).link(0, 1).jacobian();
}

template <class T>
double step_bound(const Array<T>& weight, double slope) {
  if (weight.dimension() != 2 || weight.size() == 0)
    throw ShapeError("step_bound", "weights " + Shape(weight.shape()).str() +
                                       " must have shape (n, m), neither of them 0");
  Array<double> matrix = Array<double>::from_shape({weight.shape()[0], weight.shape()[1]});
  std::copy(weight.begin(), weight.end(), matrix.begin());
  return slope * detail::singular_values(matrix).front();
}

template <class T>
StateSpectrum state_spectrum(const std::vector<StateAt<T>>& states,
                             const StateSpectrumOptions<std::type_identity_t<T>>& options) {
  return SpectrumBuilder<T>(states, options).build();
}

double StateSpectrum::half_life() const { return std::numbers::ln2 / std::abs(realised); }

GradientTrend StateSpectrum::flow() const {
  if (half_life() >= static_cast<double>(steps.size())) return GradientTrend::stable;
  return realised < 0 ? GradientTrend::vanishing : GradientTrend::exploding;
}

std::string StateSpectrum::verdict() const {
  const auto number = [](double x) { return number_text(x, 3); };
  const std::string exponent = "largest Lyapunov exponent " + number(exponents.front()) + ")";
  if (realised == -std::numeric_limits<double>::infinity())
    return "vanishing: nothing of the gradient arrives (" + exponent;
  std::string line;
  switch (flow()) {
    case GradientTrend::vanishing:
      line = "vanishing: the gradient halves every " + number(half_life()) + " steps";
      break;
    case GradientTrend::stable:
      line = "stable: the gradient changes by less than a factor of 2 over " +
             std::to_string(steps.size()) + " steps";
      break;
    case GradientTrend::exploding:
      line = "exploding: the gradient doubles every " + number(half_life()) + " steps";
      break;
  }
  return line + " (rate " + number(realised) + " per step, " + exponent;
}

std::ostream& operator<<(std::ostream& out, const StateSpectrum& spectrum) {
  return out << spectrum.verdict();
}

TAPESTRY_INSTANTIATE(state_jacobian, step_bound, state_spectrum)

}  // namespace tapestry
