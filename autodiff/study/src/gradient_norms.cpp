// SPDX-License-Identifier: MIT
#include "tapestry/study/gradient_norms.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <ostream>

#include "marks.hpp"
#include "sweep.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "text.hpp"

namespace tapestry {
namespace {

using detail::Numbers;
using detail::Record;

/// All leaves that `y` was computed from and that need a gradient.
template <class T>
std::vector<Variable<T>> leaves_of(const Variable<T>& y) {
  const Graph graph = snapshot(y, {.expand = Expand::none});
  std::vector<Variable<T>> leaves;
  for (const GraphNode& node : graph.nodes())
    if (node.op.empty() && node.requires_grad)
      leaves.emplace_back(y.state("gradient_norms"), node.id);
  return leaves;
}

}  // namespace

template <class T>
GradientNorms<T> gradient_norms(const Variable<T>& y) {
  detail::check_scalar("gradient_norms", y);
  const std::vector<Variable<T>> leaves = leaves_of(y);
  const Record<T> record("gradient_norms", std::span<const Variable<T>>(leaves), y);
  std::vector<double> norms(record.size());
  std::map<const Parameter<T>*, Numbers<T>> of_parameters;
  const auto parameter = [&](std::uint32_t node) {
    return record.live().parameter(record.position(node));
  };
  const std::vector<bool> kept = record.everything();
  detail::ReverseSweep<T> sweep(record, kept);
  sweep.seed(record.sink(), {T{1}});
  sweep.run([&](std::uint32_t node, const Numbers<T>& gradient) {
    norms[node] = detail::norm(gradient);
    if (parameter(node)) detail::accumulate(of_parameters[parameter(node)], gradient);
  });
  std::vector<typename GradientNorms<T>::Norm> result;
  std::vector<std::string> labels;
  for (std::uint32_t node = 0; node < record.size(); ++node) {
    if (parameter(node)) norms[node] = detail::norm(of_parameters[parameter(node)]);
    result.push_back({record.value(node), norms[node]});
    labels.push_back(record.label(node));
  }
  return GradientNorms<T>(record.to_label(), std::move(result), std::move(labels));
}

template <class T>
double GradientNorms<T>::of(const Variable<T>& v) const {
  const std::uint32_t id = detail::id_of("gradient_norms", v);
  for (const Norm& norm : norms_)
    if (norm.value.id == id) return norm.norm;
  return 0;
}

template <class T>
DotOverlay GradientNorms<T>::overlay() const {
  DotOverlay overlay;
  double largest = 0;
  for (const Norm& norm : norms_) largest = std::max(largest, norm.norm);
  double lowest = largest / 10;
  for (const Norm& norm : norms_)
    if (norm.norm > 0) lowest = std::min(lowest, norm.norm);
  lowest = std::max(lowest, largest * 1e-8);
  for (const Norm& norm : norms_) {
    const double strength =
        norm.norm > lowest ? std::log(norm.norm / lowest) / std::log(largest / lowest) : 0.0;
    overlay.values[norm.value.id] = {.fill = detail::shade(strength),
                                     .note = "‖∇‖ " + number_text(norm.norm, 2)};
  }
  overlay.title = "norms of the gradients of " + of_ + ": darkest " + number_text(largest, 3) +
                  ", white " + number_text(lowest, 3) + " or less";
  return overlay;
}

template <class T>
std::string GradientNorms<T>::str() const {
  std::vector<std::vector<std::string>> rows{{"gradient of " + of_ + " with respect to", "norm"}};
  for (std::size_t k = 0; k < norms_.size(); ++k)
    if (!norms_[k].value.name.empty()) rows.push_back({labels_[k], number_text(norms_[k].norm, 5)});
  return detail::table(rows);
}

template <class T>
std::ostream& operator<<(std::ostream& out, const GradientNorms<T>& norms) {
  return out << norms.str();
}

TAPESTRY_INSTANTIATE(gradient_norms)
TAPESTRY_INSTANTIATE_TYPES(class GradientNorms)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const GradientNorms<T>&)), operator<<)

}  // namespace tapestry
