// SPDX-License-Identifier: MIT
#include "uses.hpp"

#include <algorithm>
#include <string>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

/// Checks the terms; returns the losses that gradients flow from.
template <class T>
std::vector<Variable<T>> losses_of(std::string_view op, const LossTerms<T>& terms) {
  if (terms.empty()) throw ArgumentError(op, "there are no loss terms");
  std::vector<Variable<T>> losses;
  for (const LossTerm<T>& term : terms) {
    static_cast<void>(term.loss.state(op));
    const std::size_t seeds = term.seed.empty() ? 1 : term.seed.size();
    if (term.loss.size() != seeds)
      throw ShapeError(op, "the loss of step " + std::to_string(term.time) + " has shape " +
                               term.loss.shape().str() + ", but its seed " + std::to_string(seeds) +
                               (seeds == 1 ? " element" : " elements"));
    losses.push_back(term.loss);
  }
  return losses;
}

/// The times of all uses on the tape, which need not be those that gradients flow from.
template <class T>
std::vector<std::int64_t> known_times(std::string_view op, std::span<const Variable<T>> losses,
                                      const Source<T>& source) {
  const Parameter<T>* parameter = source.parameter();
  if (!parameter) return {};
  const std::string name = "'" + parameter->name() + "'";
  const std::vector<Variable<T>> uses = uses_of(op, *parameter, losses);
  std::vector<std::int64_t> times = use_times(op, *parameter, losses[0]);
  if (uses.empty() && times.empty())
    throw ArgumentError(op, "the tape has no use of the parameter " + name);
  if (!uses.empty() && !uses[0].requires_grad())
    throw GradientError(op, "the parameter " + name + " is frozen: it has no gradient");
  return times;
}

/// Sees whether the gradient of a use is a product of known factors, few enough to be of help.
template <class T>
void factor(const Record<T>& record, Use& use) {
  const auto out = record.out(use.node);
  if (out.size() != 1 || record.shape(use.node).rank() != 2) return;
  const StudyEdge& edge = record.edges()[out[0]];
  const GraphNode& product = record.at(edge.to);
  const bool transposed = is_on(product.attributes, "bT");
  if (product.op != "matmul" || is_on(product.attributes, "aT")) return;
  const std::uint32_t other = record.graph().inputs(record.position(edge.to))[1 - edge.slot].from;
  const Shape& shape = record.graph()[other].shape;
  if (shape.rank() < 1 || shape.rank() > (edge.slot == 1 ? 2U : 1U)) return;
  if (edge.slot == 0 && transposed) return;
  use.rows = shape.rank() == 2 ? shape[0] : 1;
  if (use.rows > shape.back()) return;
  use.factored = true;
  use.other = other;
  use.target = edge.to;
  use.gradient_left = edge.slot == 0 || transposed;
}

}  // namespace

template <class T>
Uses<T> find_uses(std::string_view op, const LossTerms<T>& terms, const Source<T>& source) {
  const std::vector<Variable<T>> losses = losses_of(op, terms);
  std::vector<std::int64_t> times = known_times<T>(op, losses, source);
  Uses<T> found{
      Record<T>(op, source, std::span<const Variable<T>>(losses), !source.parameter()), {}, {}, {}};
  const Record<T>& record = found.record;
  for (const std::uint32_t node : record.sources()) times.push_back(record.time(node));
  std::ranges::sort(times);
  times.erase(std::unique(times.begin(), times.end()), times.end());
  found.times = std::move(times);
  found.counts.resize(found.times.size());
  for (const std::uint32_t node : record.sources()) {
    const auto place = std::ranges::lower_bound(found.times, record.time(node));
    const auto column = static_cast<std::size_t>(place - found.times.begin());
    found.all.push_back({.node = node, .column = column, .target = node});
    ++found.counts[column];
  }
  for (Use& use : found.all)
    if (found.counts[use.column] == 1) factor(record, use);
  return found;
}

TAPESTRY_INSTANTIATE(find_uses)

}  // namespace tapestry::detail
