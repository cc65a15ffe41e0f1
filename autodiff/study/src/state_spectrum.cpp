// SPDX-License-Identifier: MIT
#include "tapestry/study/state_spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "linear_algebra.hpp"
#include "long_product.hpp"
#include "state_gaps.hpp"
#include "sweep.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/kernels/gemm.hpp"
#include "tapestry/study/time_table.hpp"

namespace tapestry {
namespace {

using detail::AtTarget;
using detail::Sweep;
using detail::SweepSeed;
using detail::TapeState;

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
      entries_.push_back(part.index());
      starts_.push_back(sequence * shape.back());
      widths_.push_back(shape.back());
      elements_.push_back(shape.size());
      size_ += shape.back();
    }
  }

  [[nodiscard]] const std::vector<std::uint32_t>& entries() const { return entries_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// Gradients at the parts: `u`, of size(), at this sequence and 0 at others.
  [[nodiscard]] std::vector<SweepSeed<T>> seeds(std::span<const double> u) const {
    std::vector<SweepSeed<T>> seeds;
    std::size_t from = 0;
    for (std::size_t p = 0; p < entries_.size(); from += widths_[p++]) {
      const auto part = u.subspan(from, widths_[p]);
      if (std::ranges::all_of(part, [](double x) { return x == 0; })) continue;
      seeds.push_back({entries_[p], std::vector<T>(elements_[p])});
      for (std::size_t k = 0; k < widths_[p]; ++k)
        seeds.back().seed[starts_[p] + k] = static_cast<T>(part[k]);
    }
    return seeds;
  }

  /// Reads the gradient at part `p` into `u`.
  void read(std::size_t p, std::span<const T> gradient, std::int64_t exponent, double* u) const {
    u += std::accumulate(widths_.begin(), widths_.begin() + static_cast<std::ptrdiff_t>(p),
                         std::size_t{0});
    for (std::size_t k = 0; k < widths_[p]; ++k) {
      u[k] = detail::times_power(static_cast<double>(gradient[starts_[p] + k]), exponent);
      if (!std::isfinite(u[k])) throw GradientError(op_, "a derivative of the state is not finite");
    }
  }

 private:
  const char* op_;
  std::vector<std::uint32_t> entries_;
  std::vector<std::size_t> starts_;  // of the sequence
  std::vector<std::size_t> widths_;
  std::vector<std::size_t> elements_;
  std::size_t size_ = 0;
};

template <class T>
TapeState<T>& check_states(const char* op, const StateAt<T>& a, const StateAt<T>& b) {
  TapeState<T>* tape = nullptr;
  for (const StateAt<T>* state : {&a, &b})
    for (const Variable<T>& part : state->parts) {
      TapeState<T>& own = part.state(op);
      if (tape && tape != &own) own.throw_foreign(op);
      tape = &own;
    }
  if (!tape) throw ArgumentError(op, "a state has no parts");
  return *tape;
}

/// The way from one state to the next, backwards.
template <class T>
class StateLink {
 public:
  StateLink(const char* op, const StateAt<T>& to, const StateAt<T>& from, std::size_t sequence)
      : to_(op, to, sequence),
        from_(op, from, sequence),
        sweep_(check_states(op, to, from), op, from_.entries(), AtTarget::stop) {}

  [[nodiscard]] std::size_t rows() const { return to_.size(); }
  [[nodiscard]] std::size_t columns() const { return from_.size(); }

  /// Jᵀ u.
  [[nodiscard]] std::vector<double> back(std::span<const double> u) {
    std::vector<double> result(columns());
    pull(to_.seeds(u), result.data());
    return result;
  }

  /// The gradients by the state `from` of whatever `seeds` says.
  void pull(const std::vector<SweepSeed<T>>& seeds, double* result) {
    sweep_.run(seeds, [&](std::size_t p, std::span<const T> gradient, std::int64_t exponent) {
      from_.read(p, gradient, exponent, result);
    });
  }

  [[nodiscard]] Array<double> jacobian() {
    Array<double> j = Array<double>::from_shape({rows(), columns()});
    j.fill(0);
    std::vector<double> one(rows());
    for (std::size_t i = 0; i < rows(); ++i) {
      one[i] = 1;
      pull(to_.seeds(one), j.data() + i * columns());
      one[i] = 0;
    }
    return j;
  }

 private:
  StateLayout<T> to_;
  StateLayout<T> from_;
  Sweep<T> sweep_;
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
    spectrum_.steps.resize(states_.size() - 1);
    spectrum_.size = StateLayout<T>(op, states_[0], options_.sequence).size();
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
      const std::size_t size = StateLayout<T>(op, states_[i], options_.sequence).size();
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
    TapeState<T>& tape = check_states(op, states_.back(), states_.front());
    const auto refuse = [&](const detail::StateGap& gap) {
      if (!is_open(gap)) return;
      const auto step = [](std::int64_t time) { return "step " + std::to_string(time); };
      throw ArgumentError(
          op, "the state is not complete: '" + tape.display_name(gap.value) + "' of " +
                  step(gap.value_time) + " goes on to " + step(states_[gap.to].time) +
                  " beside the state of " + step(states_[gap.from + 1].time) +
                  ", so the product of the steps' Jacobians is not that of all of them; a state "
                  "holds all that is carried on");
    };
    detail::for_each_gap<T>(tape, states_, refuse);
  }

  /// Whether what goes around a state matters: compares the product with the direct Jacobian.
  bool is_open(const detail::StateGap& gap) {
    const auto link = [&](std::size_t to, std::size_t from) {
      return StateLink<T>(op, states_[to], states_[from], options_.sequence).jacobian();
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
      if (options_.loss->size() != 1)
        throw GradientError(
            op, "the loss has shape " + options_.loss->shape().str() + ": it must be a scalar");
      const StateAt<T> loss{0, {*options_.loss}};
      check_states(op, loss, states_.back());
      const StateLayout<T> at(op, states_.back(), options_.sequence);
      Sweep<T> sweep(options_.loss->state(op), op, at.entries(), AtTarget::stop);
      std::ranges::fill(u, 0);
      const SweepSeed<T> seed{options_.loss->index(), {}};
      sweep.run(std::span(&seed, 1),
                [&](std::size_t p, std::span<const T> gradient, std::int64_t exponent) {
                  at.read(p, gradient, exponent, u.data());
                });
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
      u = StateLink<T>(op, states_[i], states_[i - 1], options_.sequence).back(u);
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
      StateLink<T> link(op, states_[i], states_[i - 1], options_.sequence);
      Array<double> j = link.jacobian();
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
  StateSpectrum spectrum_;
};

}  // namespace

template <class T>
Array<double> state_jacobian(const StateAt<T>& to, const StateAt<T>& from, std::size_t sequence) {
  return StateLink<T>("state_jacobian", to, from, sequence).jacobian();
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

template Array<double> state_jacobian(const StateAt<float>&, const StateAt<float>&, std::size_t);
template Array<double> state_jacobian(const StateAt<double>&, const StateAt<double>&, std::size_t);
template double step_bound(const Array<float>&, double);
template double step_bound(const Array<double>&, double);
template StateSpectrum state_spectrum(const std::vector<StateAt<float>>&,
                                      const StateSpectrumOptions<float>&);
template StateSpectrum state_spectrum(const std::vector<StateAt<double>>&,
                                      const StateSpectrumOptions<double>&);

}  // namespace tapestry
