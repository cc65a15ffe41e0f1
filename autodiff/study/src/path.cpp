// SPDX-License-Identifier: MIT
// Single paths, and lists of them.
#include <algorithm>
#include <ostream>

#include "marks.hpp"
#include "path_set.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "text.hpp"

namespace tapestry {

using detail::percent_text;

template <class T>
std::vector<std::uint32_t> Path<T>::places() const {
  std::vector<std::uint32_t> places{start_};
  for (const std::uint32_t edge : edges_) places.push_back(set_->view.edges()[edge].to);
  return places;
}

template <class T>
std::vector<StudyValue> Path<T>::values() const {
  std::vector<StudyValue> values;
  for (const std::uint32_t place : places())
    values.push_back(set_->record().value(set_->view.node(place)));
  return values;
}

template <class T>
std::vector<std::string> Path<T>::labels() const {
  std::vector<std::string> labels;
  for (const std::uint32_t place : places()) labels.push_back(set_->view.label(place));
  return labels;
}

template <class T>
std::string Path<T>::str() const {
  std::string text;
  for (const std::string& label : labels()) text += (text.empty() ? "" : " -> ") + label;
  return text;
}

template <class T>
Array<T> Path<T>::contribution() const {
  return detail::to_array(set_->transport(edges_), set_->record().from_shape());
}

template <class T>
double Path<T>::share() const {
  return set_->share(set_->transport(edges_));
}

template <class T>
std::vector<Array<T>> Path<T>::partials() const {
  set_->record().check("partials");
  std::vector<Array<T>> partials;
  for (std::size_t k = edges_.size(); k-- > 0;)
    partials.push_back(detail::edge_jacobian(set_->view, edges_[k]));
  return partials;
}

template <class T>
std::string Path<T>::formula() const {
  const std::vector<std::string> names = labels();
  const detail::View<T>& view = set_->view;
  const bool scalar = view.is_scalar();
  const detail::Numbers<T> contribution = set_->transport(edges_);
  std::string symbols;
  std::string numbers;
  for (std::size_t k = edges_.size(); k-- > 0;) {
    const auto& edge = view.edges()[edges_[k]];
    const std::string between = symbols.empty() ? "" : " · ";
    symbols += between + "∂" + names[k + 1] + "/∂" + names[k];
    if (scalar)
      numbers += between + number_text(set_->weights()[edges_[k]], 5);
    else
      numbers += between + "(" + std::to_string(set_->record().shape(view.node(edge.to)).size()) +
                 "×" + std::to_string(set_->record().shape(view.node(edge.from)).size()) + ")";
  }
  if (symbols.empty()) symbols = "∂" + names[0] + "/∂" + names[0];
  if (scalar && set_->seed[0] != T{1})
    numbers = number_text(static_cast<double>(set_->seed[0]), 5) +
              (numbers.empty() ? "" : " · " + numbers);
  const std::string result =
      scalar ? number_text(contribution.empty() ? 0 : static_cast<double>(contribution[0]), 5)
             : "norm " + number_text(detail::norm(contribution), 5);
  return symbols + (numbers.empty() || (scalar && edges_.size() == 1) ? "" : " = " + numbers) +
         (scalar ? " = " : ", ") + result;
}

template <class T>
std::string Path<T>::latex() const {
  const std::vector<StudyValue> path = values();
  const std::vector<std::string> names = labels();
  std::vector<std::string> symbols;
  for (std::size_t k = 0; k < path.size(); ++k)
    symbols.push_back(detail::latex_symbol(path[k], names[k]));
  if (edges_.empty()) return "1";
  std::string text;
  for (std::size_t k = edges_.size(); k-- > 0;)
    text += "\\frac{\\partial " + symbols[k + 1] + "}{\\partial " + symbols[k] + '}';
  return text;
}

template <class T>
DotOverlay Path<T>::overlay() const {
  DotOverlay overlay;
  const detail::Record<T>& record = set_->record();
  overlay.other_values.faded = overlay.other_arrows.faded = true;
  for (const std::uint32_t place : places())
    overlay.values[record.id(set_->view.node(place))] = {.color = std::string(detail::path_color),
                                                         .width = 2.2};
  for (const std::uint32_t edge : edges_)
    for (const std::uint32_t primitive : set_->view.primitives(edge)) {
      const detail::StudyEdge& along = record.edges()[primitive];
      overlay.arrows[record.arrow(primitive)] = {.color = std::string(detail::path_color),
                                                 .width = 2.4};
      for (const std::uint32_t node : {along.from, along.to})
        overlay.values.try_emplace(record.id(node),
                                   DotMark{.color = std::string(detail::path_color), .width = 1.4});
    }
  overlay.title = str();
  return overlay;
}

template <class T>
PathCount PathList<T>::left_out() const {
  return set_->count() - PathCount(paths_.size());
}

template <class T>
Array<T> PathList<T>::sum() const {
  Array<T> sum = detail::to_array<T>({}, set_->record().from_shape());
  for (const Path<T>& path : paths_) {
    const Array<T> contribution = path.contribution();
    for (std::size_t k = 0; k < sum.size(); ++k) sum.data()[k] += contribution.data()[k];
  }
  return sum;
}

template <class T>
Array<T> PathList<T>::total() const {
  return detail::to_array(set_->total(), set_->record().from_shape());
}

template <class T>
Array<T> PathList<T>::remainder() const {
  Array<T> rest = total();
  const Array<T> listed = sum();
  for (std::size_t k = 0; k < rest.size(); ++k) rest.data()[k] -= listed.data()[k];
  return rest;
}

template <class T>
double PathList<T>::share() const {
  const Array<T> listed = sum();
  return set_->share({listed.data(), listed.data() + listed.size()});
}

namespace {

/// A number, or the norm of several.
template <class T>
std::string size_text(const Array<T>& x) {
  if (x.size() == 1) return number_text(static_cast<double>(*x.data()), 5);
  return "norm " + number_text(detail::norm(detail::Numbers<T>(x.data(), x.data() + x.size())), 5);
}

}  // namespace

template <class T>
std::string PathList<T>::str() const {
  std::vector<std::vector<std::string>> rows;
  Array<T> sum = detail::to_array<T>({}, set_->record().from_shape());
  for (const Path<T>& path : paths_) {
    const Array<T> contribution = path.contribution();
    for (std::size_t k = 0; k < sum.size(); ++k) sum.data()[k] += contribution.data()[k];
    rows.push_back({path.str(), size_text(contribution),
                    percent_text(set_->share(
                        {contribution.data(), contribution.data() + contribution.size()}))});
  }
  const std::string gradient =
      "d " + set_->record().to_label() + " / d " + set_->record().from_label();
  const double listed = set_->share({sum.data(), sum.data() + sum.size()});
  std::string text = detail::table(rows) + std::to_string(size()) + " of " + set_->count().brief() +
                     (set_->count() == 1 ? " path" : " paths") + ": sum " + size_text(sum) + ", " +
                     percent_text(listed) + " of " + gradient;
  if (left_out() > 0)
    text += "; the other " + left_out().brief() + ": " + size_text(remainder()) + ", " +
            percent_text(set_->share(set_->total()) - listed);
  return text + (stopped_.empty() ? "" : "; " + stopped_) + '\n';
}

template <class T>
std::string Paths<T>::latex() const {
  const detail::Record<T>& record = set_->record();
  const auto symbol = [&](std::uint32_t node) {
    return detail::latex_symbol(record.value(node), record.label(node));
  };
  if (set_->view.sources().empty()) return "0";
  StudyValue from = record.value(record.sources()[0]);
  const std::string by = record.sources().size() == 1 ? symbol(record.sources()[0])
                                                      : detail::latex_symbol(from, from.name);
  std::string text = "\\begin{aligned}\n\\frac{\\mathrm{d} " + symbol(record.sink()) +
                     "}{\\mathrm{d} " + by + "}\n";
  bool first_term = true;
  for (const Path<T>& path : first(set_->options.cap)) {
    text += (first_term ? "  &= " : "  \\\\ &+ ") + path.latex() + '\n';
    first_term = false;
  }
  if (PathCount(set_->options.cap) < count())
    text += "  \\\\ &+ \\cdots \\quad (" + (count() - PathCount(set_->options.cap)).brief() +
            "\\text{ more paths})\n";
  return text + "\\end{aligned}";
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Path<T>& path) {
  return out << path.str();
}

template <class T>
std::ostream& operator<<(std::ostream& out, const PathList<T>& list) {
  return out << list.str();
}

TAPESTRY_INSTANTIATE_TYPES(class Path, class PathList)
TAPESTRY_INSTANTIATE_MEMBERS(Paths, latex)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const Path<T>&)), operator<<)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const PathList<T>&)), operator<<)

}  // namespace tapestry
