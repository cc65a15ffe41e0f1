// SPDX-License-Identifier: MIT
#include "flow.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "larger.hpp"
#include "marks.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "text.hpp"
#include "view.hpp"

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
  Numbers<T> d = gradient_of(record, std::vector<bool>(record.edges().size(), true), seed);
  const double length = detail::norm(d);
  if (!(length > 0))
    return Numbers<T>(size, static_cast<T>(1 / std::sqrt(static_cast<double>(size))));
  for (T& element : d) element = static_cast<T>(static_cast<double>(element) / length);
  return d;
}

template <class T>
GradientFlow<T> make_flow(std::span<const Variable<T>> from, const Variable<T>& to,
                          const FlowOptions<T>& options) {
  auto data = std::make_shared<typename GradientFlow<T>::Data>(
      std::make_shared<const Record<T>>("gradient_flow", from, to));
  const Record<T>& record = *data->record;
  const Numbers<T> seed = seed_of(record, options);
  const Numbers<T> direction = direction_of(record, options, seed);
  const std::vector<Numbers<T>> moved = detail::tangents(record, direction);
  data->by_node.assign(record.size(), 0);
  data->by_edge.assign(record.edges().size(), 0);
  reverse_sweep(
      record, std::vector<bool>(record.edges().size(), true), seed,
      [&](std::uint32_t node, const Numbers<T>& y) {
        data->by_node[node] = detail::dot(y, moved[node]);
      },
      [&](std::uint32_t edge, const Numbers<T>& x) {
        data->by_edge[edge] = detail::dot(x, moved[record.edges()[edge].from]);
      });
  if (record.sink() != detail::none) data->total = data->by_node[record.sink()];
  for (const std::uint32_t source : record.sources()) data->source_total += data->by_node[source];
  return GradientFlow<T>(std::move(data));
}

}  // namespace

template <class T>
double GradientFlow<T>::total() const {
  return data_->total;
}

template <class T>
double GradientFlow<T>::of(const Variable<T>& v) const {
  if (&v.state("gradient_flow") != &data_->record->to().state("gradient_flow"))
    v.state("gradient_flow").throw_foreign("gradient_flow");
  const std::uint32_t node = data_->record->find(v.index());
  return node == detail::none ? 0 : data_->by_node[node];
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
  std::vector<bool> first(record.size());
  for (std::uint32_t node = 0; node < record.size(); ++node) first[node] = record.id(node) <= id;
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
    const std::int64_t from = record.value(record.edges()[e].from).step;
    const std::int64_t to = record.value(record.edges()[e].to).step;
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
        record.is_named(node) && record.value(node).role != Role::parameter
            ? number_text(data_->by_node[node], 3)
            : "";
  overlay.title = "flow of the gradient of " + record.to_label() + " by " + record.from_label() +
                  ", total " + number_text(data_->total, 4);
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
  return "flow of the gradient of " + record.to_label() + " by " + record.from_label() +
         ", total " + number_text(data_->total, 5) + '\n' + detail::table(rows);
}

template <class T>
GradientFlow<T> gradient_flow(const Variable<T>& from, const Variable<T>& to,
                              const FlowOptions<T>& options) {
  return make_flow(std::span<const Variable<T>>(&from, 1), to, options);
}

template <class T>
GradientFlow<T> gradient_flow(const Parameter<T>& from, const Variable<T>& to,
                              const FlowOptions<T>& options) {
  return make_flow(std::span<const Variable<T>>(detail::uses_of("gradient_flow", from, to)), to,
                   options);
}

template <class T>
std::ostream& operator<<(std::ostream& out, const GradientFlow<T>& flow) {
  return out << flow.str();
}

template std::vector<Numbers<float>> detail::tangents(const Record<float>&, const Numbers<float>&);
template std::vector<Numbers<double>> detail::tangents(const Record<double>&,
                                                       const Numbers<double>&);
template class GradientFlow<float>;
template class GradientFlow<double>;
template GradientFlow<float> gradient_flow(const Variable<float>&, const Variable<float>&,
                                           const FlowOptions<float>&);
template GradientFlow<double> gradient_flow(const Variable<double>&, const Variable<double>&,
                                            const FlowOptions<double>&);
template GradientFlow<float> gradient_flow(const Parameter<float>&, const Variable<float>&,
                                           const FlowOptions<float>&);
template GradientFlow<double> gradient_flow(const Parameter<double>&, const Variable<double>&,
                                            const FlowOptions<double>&);
template std::ostream& operator<<(std::ostream&, const GradientFlow<float>&);
template std::ostream& operator<<(std::ostream&, const GradientFlow<double>&);

}  // namespace tapestry
