// SPDX-License-Identifier: MIT
#include "flow.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "larger.hpp"
#include "marks.hpp"
#include "sweep.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "text.hpp"

namespace tapestry {
namespace detail {

template <class T>
std::vector<Numbers<T>> tangents(const Record<T>& record, const Numbers<T>& direction) {
  std::vector<Numbers<T>> moved(record.size());
  for (const std::uint32_t source : record.sources()) moved[source] = direction;
  for (std::uint32_t node = 0; node < record.size(); ++node)
    record.add_jvp(
        record.in(node), [&](std::uint32_t n) -> const Numbers<T>& { return moved[n]; },
        moved[node]);
  return moved;
}

}  // namespace detail

namespace {

using detail::larger;
using detail::Numbers;
using detail::Record;

template <class T>
Numbers<T> seed_of(const Record<T>& record, const FlowOptions<T>& options) {
  if (options.seed)
    return detail::to_numbers("gradient_flow", "the seed", *options.seed, record.to_shape());
  if (record.to_shape().size() == 1) return {T{1}};
  throw GradientError("gradient_flow", "'" + record.to_label() + "' has shape " +
                                           record.to_shape().str() +
                                           ": FlowOptions::seed tells how its elements are "
                                           "weighted");
}

/// Along the gradient, unless the options say otherwise. Where there is no gradient, all elements
/// move alike.
template <class T>
Numbers<T> direction_of(const Record<T>& record, const FlowOptions<T>& options,
                        const Numbers<T>& seed) {
  if (options.direction)
    return detail::to_numbers("gradient_flow", "the direction", *options.direction,
                              record.from_shape());
  const std::size_t size = record.from_shape().size();
  if (size == 1) return {T{1}};
  Numbers<T> d = gradient_of(record, record.everything(), seed);
  const double length = detail::norm(d);
  if (!(length > 0))
    return Numbers<T>(size, static_cast<T>(1 / std::sqrt(static_cast<double>(size))));
  for (T& element : d) element = static_cast<T>(static_cast<double>(element) / length);
  return d;
}

}  // namespace

template <class T>
GradientFlow<T> gradient_flow(const Source<std::type_identity_t<T>>& from, const Variable<T>& to,
                              const FlowOptions<std::type_identity_t<T>>& options) {
  auto data = std::make_shared<typename GradientFlow<T>::Data>(
      std::make_shared<const Record<T>>("gradient_flow", from, to));
  const Record<T>& record = *data->record;
  const Numbers<T> seed = seed_of(record, options);
  const Numbers<T> direction = direction_of(record, options, seed);
  const std::vector<Numbers<T>> moved = detail::tangents(record, direction);
  data->by_node.assign(record.size(), 0);
  data->by_edge.assign(record.edges().size(), 0);
  if (record.sink() == detail::none) return GradientFlow<T>(std::move(data));
  const std::vector<bool> kept = record.everything();
  detail::ReverseSweep<T> sweep(record, kept);
  sweep.seed(record.sink(), seed);
  sweep.run([&](std::uint32_t node,
                const Numbers<T>& y) { data->by_node[node] = detail::dot(y, moved[node]); },
            [&](std::uint32_t edge, const Numbers<T>& x) {
              data->by_edge[edge] = detail::dot(x, moved[record.edges()[edge].from]);
            });
  data->total = data->by_node[record.sink()];
  return GradientFlow<T>(std::move(data));
}

template <class T>
double GradientFlow<T>::total() const {
  return data_->total;
}

template <class T>
double GradientFlow<T>::of(const Variable<T>& v) const {
  const Record<T>& record = *data_->record;
  const auto at = record.live().find("gradient_flow", v);
  double flow = 0;
  for (std::uint32_t node = 0; at && node < record.size(); ++node)
    if (record.position(node) == *at) flow += data_->by_node[node];
  return flow;
}

template <class T>
auto GradientFlow<T>::arrows() const -> std::vector<Arrow> {
  std::vector<Arrow> arrows;
  const Record<T>& record = *data_->record;
  for (std::size_t e = 0; e < record.edges().size(); ++e) {
    const detail::StudyEdge& edge = record.edges()[e];
    arrows.push_back(
        {record.value(edge.from), record.value(edge.to), edge.slot, data_->by_edge[e]});
  }
  return arrows;
}

template <class T>
double GradientFlow<T>::cut(std::uint32_t id) const {
  const Record<T>& record = *data_->record;
  // Values within a fused op have numbers of their own; nodes are in the order of the tape.
  std::uint32_t end = 0;
  for (std::uint32_t node = 0; node < record.size(); ++node)
    if (!record.is_source(node) &&
        (id < detail::first_inner_id ? record.id(node) <= id : record.id(node) == id))
      end = node + 1;
  std::vector<bool> first(record.size());
  std::fill_n(first.begin(), end, true);
  for (const std::uint32_t source : record.sources()) first[source] = true;
  if (record.sink() != detail::none) first[record.sink()] = false;
  double flow = 0;
  for (std::size_t e = 0; e < record.edges().size(); ++e)
    if (first[record.edges()[e].from] && !first[record.edges()[e].to]) flow += data_->by_edge[e];
  return flow;
}

template <class T>
double GradientFlow<T>::across_step(std::int64_t step) const {
  const Record<T>& record = *data_->record;
  double flow = 0;
  for (std::size_t e = 0; e < record.edges().size(); ++e) {
    const std::int64_t from = record.time(record.edges()[e].from);
    const std::int64_t to = record.time(record.edges()[e].to);
    if (from >= 0 && from <= step && to > step) flow += data_->by_edge[e];
  }
  return flow;
}

template <class T>
double GradientFlow<T>::imbalance() const {
  const Record<T>& record = *data_->record;
  double largest = 0;
  double difference = 0;
  for (const double flow : data_->by_edge) largest = larger(largest, std::abs(flow));
  for (std::uint32_t node = 0; node < record.size(); ++node) {
    const double through = data_->by_node[node];
    if (!record.in(node).empty())
      difference = larger(difference, std::abs(data_->sum(record.in(node)) - through));
    if (!record.out(node).empty())
      difference = larger(difference, std::abs(data_->sum(record.out(node)) - through));
  }
  return largest == 0 ? 0 : difference / largest;
}

template <class T>
DotOverlay GradientFlow<T>::overlay() const {
  constexpr double widest = 5;
  constexpr std::size_t few = 60;  // arrows that numbers can be written beside
  const Record<T>& record = *data_->record;
  DotOverlay overlay;
  overlay.other_arrows.faded = overlay.other_values.faded = true;
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> flows;
  for (std::uint32_t e = 0; e < record.edges().size(); ++e)
    flows[record.arrow(e)] += data_->by_edge[e];
  double largest = 0;
  for (const auto& [arrow, flow] : flows) largest = std::max(largest, std::abs(flow));
  for (const auto& [arrow, flow] : flows) {
    DotMark& mark = overlay.arrows[arrow];
    if (!(std::abs(flow) > 0)) {
      mark.faded = true;
      continue;
    }
    mark.color = std::string(flow < 0 ? detail::negative_color : detail::positive_color);
    mark.width = 0.3 + widest * std::abs(flow) / largest;
    if (flows.size() <= few) mark.note = number_text(flow, 3);
  }
  // Uses of a parameter may share a box, and have no number in common.
  for (std::uint32_t node = 0; node < record.size(); ++node)
    overlay.values[record.id(node)].note =
        record.is_named(node) && record.at(node).role != Role::parameter
            ? number_text(data_->by_node[node], 3)
            : "";
  overlay.title = "flow of the gradient of " + record.to_label() + " with respect to " +
                  record.from_label() + ", total " + number_text(data_->total, 4);
  return overlay;
}

template <class T>
std::string GradientFlow<T>::str() const {
  const Record<T>& record = *data_->record;
  std::vector<std::vector<std::string>> rows;
  for (std::uint32_t node = 0; node < record.size(); ++node)
    if (record.is_named(node))
      rows.push_back({record.label(node), number_text(data_->by_node[node], 5),
                      detail::percent_text(data_->by_node[node] / data_->total)});
  return "flow of the gradient of " + record.to_label() + " with respect to " +
         record.from_label() + ", total " + number_text(data_->total, 5) + '\n' +
         detail::table(rows);
}

template <class T>
std::ostream& operator<<(std::ostream& out, const GradientFlow<T>& flow) {
  return out << flow.str();
}

TAPESTRY_INSTANTIATE(detail::tangents, gradient_flow)
TAPESTRY_INSTANTIATE_TYPES(class GradientFlow)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const GradientFlow<T>&)), operator<<)

}  // namespace tapestry
