// SPDX-License-Identifier: MIT
// Random configurations of RNN, LSTM and GRU: values and all gradients equal PyTorch's.
#define BOOST_TEST_MODULE recurrent_pytorch
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "layer_checks.hpp"
#include "recurrent_cases.hpp"
#include "reference.hpp"

using namespace tapestry::test;
using tapestry::Array;

namespace {

const std::vector<std::string> result_names = {"output",     "h_n",      "c_n",
                                               "grad/input", "grad/h_0", "grad/c_0"};

RecurrentCase case_of(const ReferenceCase& c) {
  const auto size = [&](const char* name) { return c.option<std::size_t>(name, 0); };
  return {.seed = size("seed"),
          .kind = c.option<std::string>("kind", ""),
          .steps = size("steps"),
          .batch = size("batch"),
          .input_size = size("input_size"),
          .hidden_size = size("hidden_size"),
          .proj_size = size("proj_size"),
          .num_layers = size("num_layers"),
          .bias = c.option("bias", true),
          .bidirectional = c.option("bidirectional", false),
          .state = c.option("state", false),
          .lengths = c.option("lengths", tapestry::layers::Lengths())};
}

/// The sum of the result times the random numbers of a tensor.
template <class T>
double projection(const Array<T>& result, std::uint64_t seed, std::uint64_t tensor) {
  const auto weights = case_numbers<double>(seed, tensor, tapestry::Shape(result.shape()));
  double total = 0;
  for (std::size_t i = 0; i < result.size(); ++i)
    total += static_cast<double>(result.data()[i]) * weights.data()[i];
  return total;
}

/// The largest error of the checksums, relative to the largest number of the tensor and, as errors
/// of the elements partly cancel, to the root of their count. A hundredth is the least scale: where
/// numbers around 1 cancel to less, PyTorch's own float results have lost their digits, too.
template <class T>
double error_of(const Array<T>& result, const Array<double>& expected, std::uint64_t seed,
                std::uint64_t tensor) {
  const double root = std::sqrt(static_cast<double>(result.size()));
  double largest = 0;
  for (const T value : result) largest = std::max(largest, std::abs(static_cast<double>(value)));
  const double error =
      std::max({std::abs(projection(result, seed, tensor + 500) - expected(0)) / root,
                std::abs(projection(result, seed, tensor + 600) - expected(1)) / root,
                std::abs(largest - expected(2))});
  return error / std::max(expected(2), 0.01);
}

/// Compares all results; returns how many.
template <class T>
std::size_t expect_pytorch(const ReferenceCase& reference) {
  const RecurrentCase c = case_of(reference);
  const auto results = run_case<T>(c);
  std::vector<std::string> names = result_names;
  names.resize(parameter_tensors);
  for (const char* suffix : {"_l0", "_l0_reverse", "_l1", "_l1_reverse", "_l2", "_l2_reverse"})
    for (const char* name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"})
      if (const std::string full = std::string("grad/") + name + suffix; results.contains(full))
        names.push_back(full);
  std::size_t compared = 0;
  for (std::size_t k = 0; k < names.size(); ++k) {
    BOOST_REQUIRE_EQUAL(results.contains(names[k]), reference.has(names[k]));
    if (!results.contains(names[k])) continue;
    const double error = error_of<T>(results.at(names[k]), reference.array(names[k]), c.seed, k);
    BOOST_TEST(error < tolerance<T>, reference.name() << ", " << names[k] << ": " << error);
    ++compared;
  }
  BOOST_REQUIRE_EQUAL(compared, results.size());
  return compared;
}

}  // namespace

using Types = std::tuple<float, double>;

BOOST_AUTO_TEST_CASE_TEMPLATE(random_configurations, T, Types) {
  const Reference reference("recurrent.json");
  std::size_t compared = 0, cases = 0;
  for (const ReferenceCase& c : reference.cases()) {
    compared += expect_pytorch<T>(c);
    ++cases;
  }
  BOOST_TEST(cases == 600u);
  BOOST_TEST(compared > 8000u);
}
