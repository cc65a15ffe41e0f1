// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/backward_graph.hpp"

#include <span>

#include "tapestry/autodiff/gradient.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {
namespace {

template <class T>
std::vector<Variable<T>> gradient_leaves_of(const Variable<T>& y) {
  detail::TapeState<T>& tape = y.state("backward_graph");
  std::vector<Variable<T>> leaves;
  const Graph graph = snapshot(y);
  for (const GraphNode& node : graph.nodes())
    if (node.op.empty() && node.requires_grad) leaves.emplace_back(tape, node.id);
  return leaves;
}

}  // namespace

template <class T>
Graph backward_graph(const Variable<T>& y, const std::vector<Variable<T>>& x,
                     const SnapshotOptions& options) {
  detail::TapeState<T>& tape = y.state("backward_graph");
  const std::vector<Variable<T>> by = x.empty() ? gradient_leaves_of(y) : x;
  const detail::Position before = tape.position();
  const Graph graph = detail::attempt(tape, [&] {
    const Switched recording(tape.recording, true);
    const auto results = gradients(y, std::span<const Variable<T>>(by), {.differentiable = true});
    for (std::size_t i = 0; i < by.size(); ++i)
      if (results[i].index() >= before.entries)
        results[i].named("∂" + y.name() + "/∂" + by[i].name());
    return snapshot(results, options);
  });
  tape.truncate(before, true);
  return graph;
}

TAPESTRY_INSTANTIATE(backward_graph)

}  // namespace tapestry
