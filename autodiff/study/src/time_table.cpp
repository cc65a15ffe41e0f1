// SPDX-License-Identifier: MIT
#include "tapestry/study/time_table.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "sweep.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/kernels/gemm.hpp"
#include "truncation.hpp"
#include "uses.hpp"

namespace tapestry {
namespace {

using detail::ParameterUse;
using detail::ParameterUses;
using detail::SweepSeed;
using detail::TapeState;

template <class T>
SweepSeed<T> seed_of(const LossTerm<T>& term, double weight) {
  SweepSeed<T> seed{term.loss.index(), term.seed};
  if (seed.seed.empty()) seed.seed = {T{1}};
  for (T& x : seed.seed) x = static_cast<T>(x * weight);
  return seed;
}

/// A gradient of the size of the parameter, with an exponent: values * 2^exponent.
struct Scaled {
  std::vector<double> values;
  std::int64_t exponent = 0;

  template <class T>
  void add(std::span<const T> gradient, std::int64_t of) {
    if (values.empty()) {
      exponent = of;
      values.resize(gradient.size());
    }
    const double factor = detail::times_power(1.0, of - exponent);
    for (std::size_t k = 0; k < gradient.size(); ++k) values[k] += factor * gradient[k];
  }

  void scale_back() {
    for (double& x : values) x = detail::times_power(x, exponent);
    exponent = 0;
  }
};

double norm_of(std::span<const double> x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
}

/// The gradients of the objective by the uses of each time.
template <class T>
std::vector<Scaled> column_gradients(TapeState<T>& state, std::string_view op,
                                     const LossTerms<T>& terms, const ParameterUses& uses) {
  std::vector<std::uint32_t> leaves;
  for (const ParameterUse& use : uses.uses) leaves.push_back(use.leaf);
  std::vector<SweepSeed<T>> seeds;
  for (const LossTerm<T>& term : terms) seeds.push_back(seed_of(term, term.weight));
  std::vector<Scaled> columns(uses.times.size());
  detail::Sweep<T> sweep(state, op, leaves);
  sweep.run(seeds, [&](std::size_t number, std::span<const T> gradient, std::int64_t exponent) {
    columns[uses.uses[number].column].add(gradient, exponent);
  });
  for (Scaled& column : columns) column.scale_back();
  return columns;
}

template <class T>
class TableBuilder {
 public:
  TableBuilder(const LossTerms<T>& terms, const Parameter<T>& parameter,
               const TimeTableOptions<T>& options)
      : terms_(terms),
        parameter_(parameter),
        options_(options),
        state_(detail::check_terms(op, terms)),
        uses_(detail::find_uses(state_, op, parameter)),
        size_(parameter.size()) {}

  TimeTable build() {
    table_.use_times = uses_.times;
    for (const LossTerm<T>& term : terms_) table_.loss_times.push_back(term.time);
    const std::size_t cells = terms_.size() * uses_.times.size();
    table_.shares.assign(cells, 0);
    table_.log_norms.assign(cells, -std::numeric_limits<double>::infinity());
    add_margins();
    choose_direction();
    prepare_factors();
    sweep_rows();
    // Uses outside of the steps have no lag: what a window leaves out of them is not known.
    if (uses_.times.front() != no_step) table_.biases = bands_->biases(gradient_, limited());
    return std::move(table_);
  }

 private:
  static constexpr const char* op = "time_table";

  /// What is known of a use before the sweeps.
  struct Factors {
    std::vector<T> with_direction;  // <G, d> = <gradient of the product, this>
    std::vector<double> gram;       // inner products of the rows of the other factor
  };

  /// One backward pass gives the gradient, and what each time contributes to it.
  void add_margins() {
    gradient_.assign(size_, 0);
    for (const Scaled& column : column_gradients(state_, op, terms_, uses_)) {
      table_.use_norms.push_back(norm_of(column.values));
      for (std::size_t k = 0; k < column.values.size(); ++k) gradient_[k] += column.values[k];
    }
    table_.gradient_norm = norm_of(gradient_);
    if (!std::isfinite(table_.gradient_norm))
      throw GradientError(op, "the gradient of '" + parameter_.name() + "' is not finite");
  }

  /// The direction as a unit vector, which is in the range of T however small it is.
  void choose_direction() {
    std::vector<double> direction = gradient_;
    if (options_.direction) {
      const Array<T>& given = *options_.direction;
      if (!(Shape(given.shape()) == parameter_.shape()))
        throw ShapeError(op, "the direction " + Shape(given.shape()).str() +
                                 " must be shaped like '" + parameter_.name() + "' " +
                                 parameter_.shape().str());
      direction.assign(given.begin(), given.end());
    }
    const double length = norm_of(direction);
    table_.total = std::inner_product(gradient_.begin(), gradient_.end(), direction.begin(), 0.0);
    direction_.resize(size_);
    for (std::size_t k = 0; k < size_ && length > 0; ++k)
      direction_[k] = static_cast<T>(direction[k] / length);
    to_share_ = table_.total == 0 ? 0 : length / table_.total;
  }

  void prepare_factors() {
    factors_.resize(uses_.uses.size());
    for (std::size_t u = 0; u < uses_.uses.size(); ++u)
      if (uses_.uses[u].factored) prepare(uses_.uses[u], factors_[u]);
  }

  void prepare(const ParameterUse& use, Factors& factors) const {
    const T* x = state_.entries[use.other].data;
    const std::size_t p = parameter_.shape()[0], q = parameter_.shape()[1];
    const std::size_t width = use.gradient_left ? q : p;
    factors.with_direction.resize(use.rows * (use.gradient_left ? p : q));
    detail::gemm(false, use.gradient_left, use.rows, use.gradient_left ? p : q, width, x,
                 direction_.data(), factors.with_direction.data(), false);
    factors.gram = gram(x, use.rows, width);
  }

  /// Inner products of the rows. They are brought to about 1 before, so that squares stay in range.
  static std::vector<double> gram(const T* x, std::size_t rows, std::size_t width) {
    if (rows == 1) return {std::inner_product(x, x + width, x, 0.0)};
    T most = 0;
    for (std::size_t k = 0; k < rows * width; ++k) most = std::max(most, std::abs(x[k]));
    if (most == 0) return std::vector<double>(rows * rows);
    const int exponent = std::max(std::ilogb(most), -100);
    std::vector<T> scaled(rows * width);
    const T factor = std::ldexp(T{1}, -exponent);
    for (std::size_t k = 0; k < scaled.size(); ++k) scaled[k] = factor * x[k];
    std::vector<T> products(rows * rows);
    detail::gemm(false, true, rows, rows, width, scaled.data(), scaled.data(), products.data(),
                 false);
    std::vector<double> result(products.begin(), products.end());
    for (double& product : result) product = std::ldexp(product, 2 * exponent);
    return result;
  }

  void sweep_rows() {
    std::vector<std::uint32_t> targets;
    for (const ParameterUse& use : uses_.uses) targets.push_back(use.target);
    bands_.emplace(table_, size_, options_.windows, options_.bias_memory, options_.max_lag);
    detail::Sweep<T> sweep(state_, op, targets);
    for (row_ = 0; row_ < terms_.size(); ++row_) {
      if (!sweep.reaches(terms_[row_].loss.index())) continue;
      const std::vector<bool> wanted = within_reach();
      if (!wanted.empty() && std::ranges::find(wanted, true) == wanted.end()) continue;
      sums_.assign(uses_.times.size(), {});
      const SweepSeed<T> seed = seed_of(terms_[row_], 1);
      const auto read = [this](std::size_t u, std::span<const T> gradient, std::int64_t exponent) {
        if (bands_->reaches(lag(uses_.uses[u].column))) add(u, gradient, exponent);
      };
      sweep.run(std::span(&seed, 1), read, wanted);
      for (std::size_t c = 0; c < sums_.size(); ++c)
        if (!sums_[c].values.empty()) add_cell(c, std::exchange(sums_[c], {}));
    }
  }

  [[nodiscard]] bool limited() const {
    return options_.max_lag != std::numeric_limits<std::int64_t>::max();
  }

  /// Flags of the uses that the row has to be followed to; empty for all.
  [[nodiscard]] std::vector<bool> within_reach() const {
    std::vector<bool> wanted;
    if (limited())
      for (const ParameterUse& use : uses_.uses) wanted.push_back(bands_->reaches(lag(use.column)));
    return wanted;
  }

  [[nodiscard]] std::optional<std::int64_t> lag(std::size_t column) const {
    if (uses_.times[column] == no_step) return std::nullopt;
    return terms_[row_].time - uses_.times[column];
  }

  void add(std::size_t u, std::span<const T> gradient, std::int64_t exponent) {
    const ParameterUse& use = uses_.uses[u];
    if (uses_.counts[use.column] > 1)
      sums_[use.column].add(gradient, exponent);
    else if (use.factored)
      add_product(use, factors_[u], gradient, exponent);
    else
      add_gradient(use.column, gradient, exponent);
  }

  /// A cell whose gradient is of rank `use.rows` or less.
  void add_product(const ParameterUse& use, const Factors& factors, std::span<const T> gradient,
                   std::int64_t exponent) {
    const double along =
        std::inner_product(gradient.begin(), gradient.end(), factors.with_direction.begin(), 0.0);
    const std::vector<double> own = gram(gradient.data(), use.rows, gradient.size() / use.rows);
    const double square =
        std::inner_product(own.begin(), own.end(), factors.gram.begin(), 0.0);  // ||G||²
    set_cell(use.column, along, std::sqrt(std::max(square, 0.0)), exponent);
    const auto factor = static_cast<T>(detail::times_power(terms_[row_].weight, exponent));
    bands_->add(lag(use.column), factor, gradient, {state_.entries[use.other].data, use.rows},
                use.gradient_left);
  }

  void add_gradient(std::size_t column, std::span<const T> gradient, std::int64_t exponent) {
    const double along =
        std::inner_product(gradient.begin(), gradient.end(), direction_.begin(), 0.0);
    const double square =
        std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0);
    set_cell(column, along, std::sqrt(square), exponent);
    const auto factor = static_cast<T>(detail::times_power(terms_[row_].weight, exponent));
    bands_->add(lag(column), factor, gradient);
  }

  void add_cell(std::size_t column, const Scaled& sum) {
    const std::vector<T> values(sum.values.begin(), sum.values.end());
    add_gradient(column, values, sum.exponent);
  }

  void set_cell(std::size_t column, double along, double norm, std::int64_t exponent) {
    const std::size_t cell = row_ * uses_.times.size() + column;
    const double weight = terms_[row_].weight;
    table_.shares[cell] = to_share_ * weight * detail::times_power(along, exponent);
    table_.log_norms[cell] = std::log(std::abs(weight)) + std::log(norm) +
                             static_cast<double>(exponent) * std::numbers::ln2;
  }

  const LossTerms<T>& terms_;
  const Parameter<T>& parameter_;
  const TimeTableOptions<T>& options_;
  TapeState<T>& state_;
  ParameterUses uses_;
  std::size_t size_;
  TimeTable table_;
  std::vector<double> gradient_;
  std::vector<T> direction_;
  double to_share_ = 0;
  std::vector<Factors> factors_;  // of each use
  std::optional<detail::LagBands<T>> bands_;
  std::size_t row_ = 0;
  std::vector<Scaled> sums_;  // of this row, for times with several uses
};

}  // namespace

template <class T>
TimeTable time_table(const LossTerms<T>& terms, const Parameter<T>& parameter,
                     const TimeTableOptions<std::type_identity_t<T>>& options) {
  return TableBuilder<T>(terms, parameter, options).build();
}

template <class T>
std::vector<StepGradient<T>> step_gradients(const LossTerms<T>& terms,
                                            const Parameter<T>& parameter) {
  const char* op = "step_gradients";
  TapeState<T>& state = detail::check_terms(op, terms);
  const ParameterUses uses = detail::find_uses(state, op, parameter);
  const std::vector<Scaled> columns = column_gradients(state, op, terms, uses);
  std::vector<StepGradient<T>> gradients;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    Array<T> gradient = Array<T>::from_shape(parameter.value().shape());
    gradient.fill(T{0});
    for (std::size_t k = 0; k < columns[c].values.size(); ++k)
      gradient.data()[k] = static_cast<T>(columns[c].values[k]);
    gradients.push_back({uses.times[c], std::move(gradient)});
  }
  return gradients;
}

template TimeTable time_table(const LossTerms<float>&, const Parameter<float>&,
                              const TimeTableOptions<float>&);
template TimeTable time_table(const LossTerms<double>&, const Parameter<double>&,
                              const TimeTableOptions<double>&);
template std::vector<StepGradient<float>> step_gradients(const LossTerms<float>&,
                                                         const Parameter<float>&);
template std::vector<StepGradient<double>> step_gradients(const LossTerms<double>&,
                                                          const Parameter<double>&);

}  // namespace tapestry
