// SPDX-License-Identifier: MIT
#include "uses.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>

#include "graph/times.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/study/time_table.hpp"

namespace tapestry::detail {
namespace {

struct Consumer {
  std::size_t count = 0;
  std::uint32_t node = 0;  // the last one
  std::uint32_t slot = 0;
};

/// Sees whether the gradient of a use is a product of known factors, few enough to be of help.
template <class T>
void factor(const TapeState<T>& state, const Consumer& by, ParameterUse& use) {
  const Node<T>& node = state.nodes[by.node];
  const Shape& shape = state.entries[use.leaf].shape;
  if (by.count != 1 || shape.rank() != 2 || std::string_view(node.info->name) != "matmul") return;
  if (state.entries[use.leaf].hooked || state.entries[node.first_output].hooked) return;
  const OpAttributes attributes = node.info->attributes(node.op);
  const std::uint32_t other = state.edges[node.first_input + 1 - by.slot];
  const Entry<T>& x = state.entries[other];
  const bool transposed = is_on(attributes, "bT");
  if (is_on(attributes, "aT")) return;
  if (x.shape.rank() < 1 || x.shape.rank() > (by.slot == 1 ? 2u : 1u) || x.released) return;
  if (by.slot == 0 && transposed) return;
  use.rows = x.shape.rank() == 2 ? x.shape[0] : 1;
  if (use.rows > x.shape.back()) return;
  use.factored = true;
  use.other = other;
  use.target = node.first_output;
  use.gradient_left = by.slot == 0 || transposed;
}

template <class T>
std::vector<std::uint32_t> leaves_of(const TapeState<T>& state, const Parameter<T>& parameter) {
  std::vector<std::uint32_t> leaves;
  for (std::uint32_t i = 0; i < state.entries.size(); ++i)
    if (state.parameter_of(state.entries[i]) == &parameter) leaves.push_back(i);
  return leaves;
}

template <class T>
std::unordered_map<std::uint32_t, Consumer> consumers_of(const TapeState<T>& state,
                                                         const std::vector<std::uint32_t>& leaves) {
  std::unordered_map<std::uint32_t, Consumer> consumers;
  for (const std::uint32_t leaf : leaves) consumers[leaf];
  for (std::uint32_t n = 0; n < state.nodes.size(); ++n)
    for (std::uint32_t slot = 0; slot < state.nodes[n].input_count; ++slot) {
      const auto found = consumers.find(state.edges[state.nodes[n].first_input + slot]);
      if (found == consumers.end()) continue;
      found->second = {found->second.count + 1, n, slot};
    }
  return consumers;
}

}  // namespace

template <class T>
ParameterUses find_uses(const TapeState<T>& state, std::string_view op,
                        const Parameter<T>& parameter) {
  const std::string name = "'" + parameter.name() + "'";
  const std::vector<std::uint32_t> leaves = leaves_of(state, parameter);
  if (leaves.empty()) throw ArgumentError(op, "the tape has no use of the parameter " + name);
  if (!state.entries[leaves[0]].requires_grad)
    throw GradientError(op, "the parameter " + name + " is frozen: it has no gradient");
  const auto consumers = consumers_of(state, leaves);
  std::set<std::int64_t> times;
  for (const std::uint32_t leaf : leaves) times.insert(time_of(state, state.entries[leaf].scope));
  for (const std::uint32_t leaf : leaves) {
    const Consumer& by = consumers.at(leaf);
    if (*times.rbegin() == no_step && by.count > 0 && state.nodes[by.node].info->expand)
      throw ArgumentError(op, "the parameter " + name + " is used by the fused op " +
                                  std::string(state.nodes[by.node].info->name) +
                                  ", which does not show its steps: record the model after "
                                  "tape.set_primitive(true)");
  }
  ParameterUses found;
  found.times.assign(times.begin(), times.end());
  found.counts.resize(times.size());
  for (const std::uint32_t leaf : leaves) {
    const std::int64_t time = time_of(state, state.entries[leaf].scope);
    const auto place = std::ranges::lower_bound(found.times, time) - found.times.begin();
    found.uses.push_back({.leaf = leaf, .column = static_cast<std::size_t>(place), .target = leaf});
    ++found.counts[found.uses.back().column];
  }
  for (ParameterUse& use : found.uses)
    if (found.counts[use.column] == 1) factor(state, consumers.at(use.leaf), use);
  return found;
}

template <class T>
TapeState<T>& check_terms(std::string_view op, const LossTerms<T>& terms) {
  if (terms.empty()) throw ArgumentError(op, "there are no loss terms");
  TapeState<T>& state = terms[0].loss.state(op);
  for (const LossTerm<T>& term : terms) {
    if (&term.loss.state(op) != &state) state.throw_foreign(op);
    const std::size_t seeds = term.seed.empty() ? 1 : term.seed.size();
    if (term.loss.size() != seeds)
      throw ShapeError(op, "the loss of step " + std::to_string(term.time) + " has shape " +
                               term.loss.shape().str() + ", but its seed " + std::to_string(seeds) +
                               (seeds == 1 ? " element" : " elements"));
  }
  return state;
}

template ParameterUses find_uses(const TapeState<float>&, std::string_view,
                                 const Parameter<float>&);
template ParameterUses find_uses(const TapeState<double>&, std::string_view,
                                 const Parameter<double>&);
template TapeState<float>& check_terms(std::string_view, const LossTerms<float>&);
template TapeState<double>& check_terms(std::string_view, const LossTerms<double>&);

}  // namespace tapestry::detail
