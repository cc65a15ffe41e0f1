// SPDX-License-Identifier: MIT
// What a program must give, the comparison with it, and the reduction of programs that fail.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "differential/naive.hpp"
#include "differential/program.hpp"

namespace differential {

/// The right results, and the magnitudes of the numbers that they are sums of: rounding is relative
/// to these.
struct Expected {
  Outcome outcome;
  Outcome scale;
};

template <class N>
Naive<N> evaluate(const Program& program) {
  Naive<N> naive;
  for (const Leaf& leaf : program.leaves) naive.leaf(leaf, leaf.data);
  for (const Instruction& i : program.instructions) naive.run(i);
  return naive;
}

/// Whether values are cut off from what they were computed from. Differences see through that, and
/// what remains is no gradient of any function, so its derivatives are not symmetric.
inline bool detaches(const Program& program) {
  return std::ranges::any_of(program.instructions,
                             [](const Instruction& i) { return i.op == Op::detach; });
}

inline Expected expected_of(const Program& program) {
  const Naive<Dual> naive = evaluate<Dual>(program);
  const auto& graph = naive.graph();
  Expected expected;
  auto& [outcome, scale] = expected;
  for (std::size_t v = 0; v < program.value_count; ++v) {
    outcome.shapes.emplace_back();
    outcome.values.emplace_back();
    scale.values.emplace_back();
    outcome.differentiable.push_back(false);
  }
  const auto add = [&](std::size_t v) {
    outcome.shapes[v] = naive[v].shape;
    outcome.differentiable[v] = naive[v].differentiable;
    for (const std::size_t node : naive[v].nodes) {
      outcome.values[v].push_back(value_of(graph.value(node)));
      scale.values[v].push_back(graph.scale(node) + 1e-5);  // squares of rounding errors
    }
  };
  for (const Leaf& leaf : program.leaves) add(leaf.value);
  for (const Instruction& i : program.instructions)
    for (const std::size_t v : i.results) add(v);
  std::vector<std::pair<std::size_t, double>> seeds;
  for (const Root& root : program.roots)
    if (naive[root.value].differentiable)
      for (std::size_t k = 0; k < root.weights.size(); ++k)
        seeds.emplace_back(naive[root.value].nodes[k], root.weights[k]);
  const auto adjoints = graph.backward(seeds);
  Dual floor;  // terms as small as the rounding of others, such as 1 - tanh^2 for large numbers
  for (const Dual& all : adjoints.scale) {
    floor.value = std::max(floor.value, 1e-4 * all.value);
    floor.slope = std::max(floor.slope, 1e-4 * std::max(all.value, all.slope));
  }
  for (const Leaf& leaf : program.leaves) {
    for (Outcome* part : {&outcome, &scale}) {
      part->gradients.emplace_back();
      part->second.emplace_back();
    }
    if (!leaf.has_gradient()) continue;
    for (const std::size_t node : naive[leaf.value].nodes) {
      outcome.gradients.back().push_back(adjoints.gradient[node].value);
      outcome.second.back().push_back(adjoints.gradient[node].slope);
      scale.gradients.back().push_back(adjoints.scale[node].value + floor.value);
      scale.second.back().push_back(adjoints.scale[node].slope + floor.slope);
    }
  }
  return expected;
}

/// How far results may be off, relative to their scale.
struct Tolerance {
  double value = 1e-13;
  double gradient = 1e-12;
  double second = 1e-11;
};

struct Comparison {
  std::string mismatch;  // the first one; empty if there is none
  double largest = 0;    // error relative to its tolerance
};

inline void compare_numbers(Comparison& comparison, const std::string& what, const Numbers& actual,
                            const Numbers& expected, const Numbers& scale, double tolerance) {
  if (!comparison.mismatch.empty()) return;
  if (actual.size() != expected.size()) {
    comparison.mismatch = what + " has " + text_of(actual.size()) + " elements instead of " +
                          text_of(expected.size());
    return;
  }
  for (std::size_t k = 0; k < actual.size(); ++k) {
    const double error = std::abs(actual[k] - expected[k]);
    const double allowed = tolerance * scale[k];
    if (error <= allowed) {
      if (error > 0) comparison.largest = std::max(comparison.largest, error / allowed);
      continue;
    }
    comparison.mismatch = what + ", element " + text_of(k) + ", is " + text_of(actual[k]) +
                          " instead of " + text_of(expected[k]) + " (scale " + text_of(scale[k]) +
                          ")";
    return;
  }
}

/// How much of an outcome is compared.
enum class Looks { values, gradients, second };

/// Gradients that are not there stand for zeros.
inline Comparison compare(const Program& program, const Expected& expected, const Outcome& actual,
                          Looks looks, const Tolerance& tolerance = {}) {
  Comparison result;
  const Outcome& right = expected.outcome;
  for (std::size_t v = 0; v < program.value_count && result.mismatch.empty(); ++v) {
    const std::string name = "v" + text_of(v);
    compare_numbers(result, name, actual.values[v], right.values[v], expected.scale.values[v],
                    tolerance.value);
    if (result.mismatch.empty() && actual.shapes[v] != right.shapes[v])
      result.mismatch = name + " has shape {" + list_of(actual.shapes[v]) + "} instead of {" +
                        list_of(right.shapes[v]) + "}";
    if (result.mismatch.empty() && looks != Looks::values &&
        actual.differentiable[v] != right.differentiable[v])
      result.mismatch =
          name + (right.differentiable[v] ? " needs a gradient, but" : "needs no gradient, but") +
          " the library thinks otherwise";
  }
  for (std::size_t k = 0; k < program.leaves.size(); ++k) {
    const Leaf& leaf = program.leaves[k];
    if (!leaf.has_gradient() || looks == Looks::values) continue;
    const std::string name = "v" + text_of(leaf.value);
    const Numbers zeros(leaf.data.size());
    const auto or_zeros = [&](const Numbers& found) { return found.empty() ? zeros : found; };
    compare_numbers(result, "gradient by " + name, or_zeros(actual.gradients[k]),
                    right.gradients[k], expected.scale.gradients[k], tolerance.gradient);
    if (looks == Looks::second)
      compare_numbers(result, "second derivative by " + name, or_zeros(actual.second[k]),
                      right.second[k], expected.scale.second[k], tolerance.second);
  }
  return result;
}

/// What is wrong with a program's results; empty if nothing is.
using Check = std::function<std::string(const Program&)>;

/// Runs a check; an exception is something wrong, too.
inline std::string complaint(const Check& check, const Program& program) {
  try {
    return check(program);
  } catch (const std::exception& error) {
    return std::string("exception: ") + error.what();
  }
}

/// Leaves out instructions and leaves that no root depends on.
inline void drop_unused(Program& program) {
  std::set<std::size_t> needed;
  for (const Root& root : program.roots) needed.insert(root.value);
  for (std::size_t i = program.instructions.size(); i-- > 0;) {
    const Instruction& instruction = program.instructions[i];
    const auto& results = instruction.results;
    if (std::ranges::any_of(results, [&](std::size_t v) { return needed.contains(v); }))
      needed.insert(instruction.inputs.begin(), instruction.inputs.end());
    else
      program.instructions.erase(program.instructions.begin() + static_cast<std::ptrdiff_t>(i));
  }
  std::erase_if(program.leaves, [&](const Leaf& leaf) { return !needed.contains(leaf.value); });
}

/// The results of instruction `index` as leaves.
inline Program without(Program program, std::size_t index) {
  const Naive<double> naive = evaluate<double>(program);
  for (const std::size_t value : program.instructions[index].results) {
    const NodeArray& array = naive[value];
    Leaf leaf{value,
              array.differentiable ? LeafKind::variable : LeafKind::constant,
              array.shape,
              {},
              Numbers(array.nodes.size(), 1.0)};
    for (const std::size_t node : array.nodes) leaf.data.push_back(naive.graph().value(node));
    program.leaves.push_back(std::move(leaf));
  }
  program.instructions.erase(program.instructions.begin() + static_cast<std::ptrdiff_t>(index));
  return program;
}

/// The last results of instruction `index` as the only root.
inline Program rooted(Program program, std::size_t index) {
  const Naive<double> naive = evaluate<double>(program);
  const std::size_t value = program.instructions[index].results.back();
  program.roots = {{value, Numbers(naive[value].nodes.size(), 1.0)}};
  return program;
}

/// A program as small as can be had that fails the check in the same way.
inline Program minimised(Program program, const Check& check) {
  const auto kind = [](const std::string& text) {  // up to the numbers
    return text.substr(0, text.find_first_of("0123456789"));
  };
  const std::string wanted = kind(complaint(check, program));
  const auto accept = [&](Program smaller) {
    drop_unused(smaller);
    const std::string found = complaint(check, smaller);
    if (found.empty() || kind(found) != wanted) return false;
    program = std::move(smaller);
    return true;
  };
  for (std::size_t i = 0; i < program.instructions.size(); ++i)  // the first that fails alone
    if (accept(rooted(program, i))) break;
  for (std::size_t r = program.roots.size(); r-- > 0;) {
    Program smaller = program;
    smaller.roots.erase(smaller.roots.begin() + static_cast<std::ptrdiff_t>(r));
    if (!smaller.roots.empty()) accept(std::move(smaller));
  }
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = program.instructions.size(); i-- > 0;)
      again |= i < program.instructions.size() && accept(without(program, i));
  }
  for (std::size_t k = 0; k < program.leaves.size(); ++k) {  // short numbers read better
    Program rounded = program;
    for (double& x : rounded.leaves[k].data) x = std::round(x * 4) / 4;
    std::ranges::fill(rounded.leaves[k].direction, 1.0);
    accept(std::move(rounded));
  }
  return program;
}

/// What to print: how to run it again, what is wrong, and the smallest program found.
inline std::string report(const Program& program, const Check& check) {
  const Program small = minimised(program, check);
  return "program " + std::to_string(program.seed) + " fails: " + complaint(check, program) +
         "\nrun it alone with TAPESTRY_SEED=" + std::to_string(program.seed) +
         " TAPESTRY_PROGRAMS=1\nthe smallest program like it: " + complaint(check, small) + "\n" +
         text_of(small);
}

}  // namespace differential
