// SPDX-License-Identifier: MIT
// The bounds that the search for the strongest paths between arrays rests on.
#define BOOST_TEST_MODULE study_bounds
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "operator_norm.hpp"
#include "study_models.hpp"

namespace tapestry::test {
namespace {

using detail::spectral_norm_bound;

BOOST_AUTO_TEST_CASE(of_matrices_whose_norm_is_known) {
  const std::vector<std::pair<std::vector<std::vector<double>>, double>> cases{
      {{{3}}, 3},
      {{{3, 4}}, 5},
      {{{3}, {4}}, 5},
      {{{2, 0}, {0, -7}}, 7},
      {{{1, 1}, {1, 1}}, 2},
      {{{1e-200, 0}, {0, 0}}, 1e-200},
      {{{0, 0}, {0, 0}}, 0},
      {{}, 0}};
  for (const auto& [rows, expected] : cases) {
    BOOST_TEST(spectral_norm_bound(rows) >= expected * (1 - 1e-12));
    BOOST_TEST(spectral_norm_bound(rows) <= expected * 1.02);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  BOOST_TEST(spectral_norm_bound({{infinity, 1}}) == infinity);
}

BOOST_AUTO_TEST_CASE(of_random_matrices_by_power_iteration) {
  Generator generator(3);
  for (const std::size_t n : {1U, 4U, 30U, 80U})
    for (const std::size_t m : {1U, 5U, 40U}) {
      std::vector<std::vector<double>> a(n, std::vector<double>(m));
      for (auto& row : a)
        for (double& x : row) x = generator.uniform(-1, 1);
      std::vector<double> x(m, 1.0);
      double norm = 0;
      for (int i = 0; i < 500; ++i) {
        std::vector<double> y(n);
        std::vector<double> next(m);
        for (std::size_t r = 0; r < n; ++r)
          for (std::size_t c = 0; c < m; ++c) y[r] += a[r][c] * x[c];
        for (std::size_t r = 0; r < n; ++r)
          for (std::size_t c = 0; c < m; ++c) next[c] += a[r][c] * y[r];
        double length = 0;
        for (const double element : next) length += element * element;
        norm = std::pow(length, 0.25);
        for (std::size_t c = 0; c < m; ++c) x[c] = next[c] / std::sqrt(length);
      }
      BOOST_TEST(spectral_norm_bound(a) >= norm * (1 - 1e-9));
      BOOST_TEST(spectral_norm_bound(a) <= norm * 1.3);
    }
}

// No path contributes more than the bound of the node where it has come to.
BOOST_AUTO_TEST_CASE(hold_for_all_paths) {
  for (Studied& s : studied_models()) {
    const auto record = std::make_shared<const detail::Record<double>>(
        "test", std::span<const Variable<double>>(&s.x, 1), s.loss);
    const detail::View<double> view(record, std::vector<bool>(record->edges().size(), true),
                                    {.names = {"h", "c"}}, {});
    const detail::PathBounds bounds = path_bounds(view);
    BOOST_TEST(bounds.proven);
    const double bound = bounds.by_node[view.sink()];
    double largest = 0;
    for (const auto& path : paths(s.x, s.loss, {.names = {"h", "c"}})) {
      const Array<double> c = path.contribution();
      double size = 0;
      for (const double element : c) size += element * element;
      largest = std::max(largest, std::sqrt(size));
    }
    BOOST_TEST(largest > 0);
    BOOST_TEST(largest <= bound, s.name);
  }
}

BOOST_AUTO_TEST_CASE(of_large_arrays_are_estimates) {
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({20, 20}), "x");
  const auto a = matmul(x, tape.constant(sample<double>({20, 20}, 5))).named("a");
  const auto loss = mean(square(tanh(a))).named("loss");
  const auto list = paths(x, loss).strongest(1);
  BOOST_TEST(list.size() == 1u);
  BOOST_TEST(list.stopped().starts_with("in an order that rests on estimated bounds"));
  BOOST_TEST(list.share() == 1.0, boost::test_tools::tolerance(1e-12));
}

}  // namespace
}  // namespace tapestry::test
