// SPDX-License-Identifier: MIT
// A recurrent layer as fused ops against the same layer step by step.
#pragma once

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>
#include <vector>

#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"

namespace tapestry::test {

/// How many ops of each name a tape has recorded.
template <class T>
std::map<std::string, std::size_t> ops_on(const Tape<T>& tape) {
  std::map<std::string, std::size_t> count;
  for (const auto& node : tape.state().nodes) ++count[std::string(node.info->name)];
  return count;
}

template <class T>
bool has_sequence(const Tape<T>& tape) {
  for (const auto& [name, count] : ops_on(tape))
    if (name.ends_with("_sequence")) return true;
  return false;
}

/// Output, last states, and the gradients of something that depends on all of them.
template <class Layer>
std::vector<Array<double>> results(Layer& layer, bool primitive, const Array<double>& input,
                                   const auto&... args) {
  Tape<double> tape;
  tape.set_primitive(primitive);
  seed(3);
  for (auto* p : parameters(layer)) p->zero_grad();
  const auto x = tape.variable(input);
  const auto [output, state] = layer(x, args...);
  std::vector<Array<double>> all{output.value()};
  auto loss = sum(square(output));
  for (const auto& part : state.variables()) {
    all.push_back(part.value());
    loss = loss + sum(sin(part));
  }
  loss.backward();
  all.push_back(x.grad());
  for (auto* p : parameters(layer)) all.push_back(p->grad());
  BOOST_TEST(has_sequence(tape) == (layer.fuses() && !primitive));
  return all;
}

template <class Layer>
void expect_fused_is_steps(Layer& layer, const std::string& what, double bound,
                           const Array<double>& x, const auto&... args) {
  const auto fused = results(layer, false, x, args...), steps = results(layer, true, x, args...);
  BOOST_REQUIRE(fused.size() == steps.size());
  for (std::size_t i = 0; i < fused.size(); ++i) {
    const double off = relative_difference(fused[i], steps[i]);
    BOOST_TEST(off < bound, what << ": result " << i << " differs by " << off);
  }
}

}  // namespace tapestry::test
