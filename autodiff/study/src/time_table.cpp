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

using detail::Numbers;
using detail::ReverseSweep;
using detail::Use;
using detail::Uses;

constexpr detail::SweepOptions as_backward{.hooks = true, .rescales = true};

template <class T>
Numbers<T> seed_of(const LossTerm<T>& term, double weight) {
  Numbers<T> seed = term.seed.empty() ? Numbers<T>{T{1}} : term.seed;
  for (T& x : seed) x = static_cast<T>(x * weight);
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

/// The gradients of the objective with respect to the uses of each time.
template <class T>
std::vector<Scaled> column_gradients(const LossTerms<T>& terms, const Uses<T>& uses) {
  std::vector<Scaled> columns(uses.times.size());
  std::vector<std::size_t> column_of(uses.record.size());
  for (const Use& use : uses.all) column_of[use.node] = use.column;
  const std::vector<bool> kept = uses.record.everything();
  ReverseSweep<T> sweep(uses.record, kept, as_backward);
  for (std::size_t k = 0; k < terms.size(); ++k)
    if (const std::uint32_t sink = uses.record.sinks()[k]; sink != detail::none)
      sweep.seed(sink, seed_of(terms[k], terms[k].weight));
  sweep.run([&](std::uint32_t node, const Numbers<T>& gradient) {
    if (uses.record.is_source(node))
      columns[column_of[node]].add(std::span<const T>(gradient), sweep.exponent());
  });
  for (Scaled& column : columns) column.scale_back();
  return columns;
}

template <class T>
class TableBuilder {
 public:
  TableBuilder(const LossTerms<T>& terms, const Source<T>& source,
               const TimeTableOptions<T>& options)
      : terms_(terms),
        options_(options),
        uses_(detail::find_uses(op, terms, source)),
        name_(detail::name_of(source)),
        shape_(detail::shape_of(source)),
        size_(shape_.size()) {}

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
  static constexpr std::size_t no_use = std::numeric_limits<std::size_t>::max();

  /// What is known of a use before the sweeps.
  struct Factors {
    std::vector<T> with_direction;  // <G, d> = <gradient of the product, this>
    std::vector<double> gram;       // inner products of the rows of the other factor
  };

  /// One backward pass gives the gradient, and what each time contributes to it.
  void add_margins() {
    gradient_.assign(size_, 0);
    for (const Scaled& column : column_gradients(terms_, uses_)) {
      table_.use_norms.push_back(norm_of(column.values));
      for (std::size_t k = 0; k < column.values.size(); ++k) gradient_[k] += column.values[k];
    }
    table_.gradient_norm = norm_of(gradient_);
    if (!std::isfinite(table_.gradient_norm))
      throw GradientError(op, "the gradient of '" + name_ + "' is not finite");
  }

  /// The direction as a unit vector, which is in the range of T however small it is.
  void choose_direction() {
    std::vector<double> direction = gradient_;
    if (options_.direction) {
      const Array<T>& given = *options_.direction;
      if (!(Shape(given.shape()) == shape_))
        throw ShapeError(op, "the direction " + Shape(given.shape()).str() +
                                 " must be shaped like '" + name_ + "' " + shape_.str());
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
    factors_.resize(uses_.all.size());
    for (std::size_t u = 0; u < uses_.all.size(); ++u)
      if (uses_.all[u].factored) prepare(uses_.all[u], factors_[u]);
  }

  /// The other operand of a product.
  [[nodiscard]] const T* other_of(const Use& use) const {
    return uses_.record.live().value(op, use.other).data();
  }

  void prepare(const Use& use, Factors& factors) const {
    const T* x = other_of(use);
    const std::size_t p = shape_[0], q = shape_[1];
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
    std::vector<bool> kept = uses_.record.everything();
    use_at_.assign(uses_.record.size(), no_use);
    for (std::size_t u = 0; u < uses_.all.size(); ++u) {
      const Use& use = uses_.all[u];
      use_at_[use.target] = u;
      for (const std::uint32_t edge : uses_.record.out(use.node)) kept[edge] = !use.factored;
    }
    bands_.emplace(table_, size_, options_.windows, options_.bias_memory, options_.max_lag);
    for (row_ = 0; row_ < terms_.size(); ++row_) sweep_row(kept);
  }

  void sweep_row(const std::vector<bool>& kept) {
    std::uint32_t last = detail::none;  // the first node that has to be reached
    for (const Use& use : uses_.all)
      if (bands_->reaches(lag(use.column))) last = std::min(last, use.target);
    const std::uint32_t sink = uses_.record.sinks()[row_];
    if (sink == detail::none || last == detail::none) return;
    sums_.assign(uses_.times.size(), {});
    // The gradient is finite, and so are the partial derivatives.
    ReverseSweep<T> sweep(uses_.record, kept,
                          {.hooks = true, .rescales = true, .skips_zeros = true});
    sweep.seed(sink, seed_of(terms_[row_], 1));
    const auto arrive = [&](std::uint32_t node, const Numbers<T>& gradient) {
      const std::size_t u = use_at_[node];
      if (u != no_use && bands_->reaches(lag(uses_.all[u].column)))
        add(u, gradient, sweep.exponent());
    };
    sweep.run(arrive, last);
    for (std::size_t c = 0; c < sums_.size(); ++c)
      if (!sums_[c].values.empty()) add_cell(c, std::exchange(sums_[c], {}));
  }

  [[nodiscard]] bool limited() const {
    return options_.max_lag != std::numeric_limits<std::int64_t>::max();
  }

  [[nodiscard]] std::optional<std::int64_t> lag(std::size_t column) const {
    if (uses_.times[column] == no_step) return std::nullopt;
    return terms_[row_].time - uses_.times[column];
  }

  void add(std::size_t u, std::span<const T> gradient, std::int64_t exponent) {
    const Use& use = uses_.all[u];
    if (uses_.counts[use.column] > 1)
      sums_[use.column].add(gradient, exponent);
    else if (use.factored)
      add_product(use, factors_[u], gradient, exponent);
    else
      add_gradient(use.column, gradient, exponent);
  }

  /// A cell whose gradient is of rank `use.rows` or less.
  void add_product(const Use& use, const Factors& factors, std::span<const T> gradient,
                   std::int64_t exponent) {
    const double along =
        std::inner_product(gradient.begin(), gradient.end(), factors.with_direction.begin(), 0.0);
    const std::vector<double> own = gram(gradient.data(), use.rows, gradient.size() / use.rows);
    const double square =
        std::inner_product(own.begin(), own.end(), factors.gram.begin(), 0.0);  // ||G||²
    set_cell(use.column, along, std::sqrt(std::max(square, 0.0)), exponent);
    const auto factor = static_cast<T>(detail::times_power(terms_[row_].weight, exponent));
    bands_->add(lag(use.column), factor, gradient, {other_of(use), use.rows}, use.gradient_left);
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
  const TimeTableOptions<T>& options_;
  Uses<T> uses_;
  std::string name_;
  Shape shape_;
  std::size_t size_;
  TimeTable table_;
  std::vector<double> gradient_;
  std::vector<T> direction_;
  double to_share_ = 0;
  std::vector<Factors> factors_;     // of each use
  std::vector<std::size_t> use_at_;  // by node
  std::optional<detail::LagBands<T>> bands_;
  std::size_t row_ = 0;
  std::vector<Scaled> sums_;  // of this row, for times with several uses
};

}  // namespace

template <class T>
TimeTable time_table(const LossTerms<T>& terms, const Source<std::type_identity_t<T>>& source,
                     const TimeTableOptions<std::type_identity_t<T>>& options) {
  return TableBuilder<T>(terms, source, options).build();
}

template <class T>
std::vector<StepGradient<T>> step_gradients(const LossTerms<T>& terms,
                                            const Source<std::type_identity_t<T>>& source) {
  const Uses<T> uses = detail::find_uses("step_gradients", terms, source);
  const std::vector<Scaled> columns = column_gradients(terms, uses);
  std::vector<StepGradient<T>> gradients;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const Numbers<T> gradient(columns[c].values.begin(), columns[c].values.end());
    gradients.push_back({uses.times[c], detail::to_array(gradient, detail::shape_of(source))});
  }
  return gradients;
}

TAPESTRY_INSTANTIATE(time_table)
TAPESTRY_INSTANTIATE_AS((std::vector<StepGradient<T>>(const LossTerms<T>&, const Source<T>&)),
                        step_gradients)

}  // namespace tapestry
