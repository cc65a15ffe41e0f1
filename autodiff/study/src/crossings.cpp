// SPDX-License-Identifier: MIT
#include "tapestry/study/crossings.hpp"

#include <limits>
#include <ostream>
#include <utility>

#include "sweep.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "text.hpp"

namespace tapestry {

using detail::Numbers;
using detail::Record;

template <class T>
struct CrossingSpectrum<T>::Data {
  std::shared_ptr<const Record<T>> record;
  std::vector<bool> marked;     // by edge
  std::vector<Array<T>> terms;  // the rest is the last one
  Array<T> gradient;
};

ArrowMark leaving(std::string name) {
  return [name = std::move(name)](const StudyValue& from, const StudyValue&) {
    return from.name == name;
  };
}

ArrowMark into_other_steps(std::string name) {
  return [name = std::move(name)](const StudyValue& from, const StudyValue& to) {
    return (name.empty() || from.name == name) && from.step >= 0 && to.step >= 0 &&
           from.step != to.step;
  };
}

namespace {

template <class T>
double inner_product(const Array<T>& a, const Array<T>& b) {
  double total = 0;
  for (std::size_t k = 0; k < a.size(); ++k)
    total += static_cast<double>(a.data()[k]) * static_cast<double>(b.data()[k]);
  return total;
}

template <class T>
void check_scalar(const Record<T>& record) {
  if (record.to_shape().size() == 1) return;
  throw GradientError("crossings", "'" + record.to_label() + "' has shape " +
                                       record.to_shape().str() + ", but must be a scalar");
}

/// The reverse sweep with polynomials as cotangents: a list of coefficients, the last of which
/// stands for all higher ones.
template <class T>
std::vector<Numbers<T>> polynomial(const Record<T>& record, const std::vector<bool>& marked,
                                   std::size_t terms) {
  std::vector<Numbers<T>> total(terms);
  if (record.sink() == detail::none) return total;
  std::vector<std::vector<Numbers<T>>> cotangents(record.size());
  cotangents[record.sink()].assign(1, {T{1}});
  std::vector<Numbers<T>> results;
  for (std::uint32_t node = record.sink() + 1; node-- > 0;) {
    const std::vector<Numbers<T>> here = std::exchange(cotangents[node], {});
    const auto edges = record.in(node);
    for (std::size_t m = 0; m < here.size(); ++m) {
      if (here[m].empty()) continue;
      if (record.is_source(node)) detail::accumulate(total[m], here[m]);
      record.vjp(edges, here[m], results);
      for (std::size_t k = 0; k < edges.size(); ++k) {
        auto& to = cotangents[record.edges()[edges[k]].from];
        const std::size_t power = std::min(m + (marked[edges[k]] ? 1 : 0), terms - 1);
        if (to.size() <= power) to.resize(power + 1);
        detail::accumulate(to[power], std::move(results[k]));
      }
    }
  }
  return total;
}

}  // namespace

template <class T>
CrossingSpectrum<T> crossings(const Source<std::type_identity_t<T>>& from, const Variable<T>& to,
                              const ArrowMark& marked, const CrossingOptions& options) {
  if (!marked) throw ArgumentError("crossings", "there is no function that marks arrows");
  auto data = std::make_shared<typename CrossingSpectrum<T>::Data>();
  data->record = std::make_shared<const Record<T>>("crossings", from, to);
  const Record<T>& record = *data->record;
  check_scalar(record);
  for (const detail::StudyEdge& edge : record.edges())
    data->marked.push_back(marked(record.value(edge.from), record.value(edge.to)));
  Numbers<T> total;
  for (const Numbers<T>& term : polynomial(record, data->marked, options.most + 2)) {
    data->terms.push_back(detail::to_array(term, record.from_shape()));
    detail::accumulate(total, term);
  }
  data->gradient = detail::to_array(total, record.from_shape());
  return CrossingSpectrum<T>(std::move(data));
}

template <class T>
std::size_t CrossingSpectrum<T>::size() const {
  return data_->terms.size() - 1;
}

template <class T>
const Array<T>& CrossingSpectrum<T>::operator[](std::size_t m) const {
  if (m >= size())
    throw IndexError("crossings", "there is no term " + std::to_string(m) + " among " +
                                      std::to_string(size()) + ": raise CrossingOptions::most");
  return data_->terms[m];
}

template <class T>
const Array<T>& CrossingSpectrum<T>::rest() const {
  return data_->terms.back();
}

template <class T>
const Array<T>& CrossingSpectrum<T>::gradient() const {
  return data_->gradient;
}

template <class T>
double CrossingSpectrum<T>::share(std::size_t m) const {
  const double whole = inner_product(gradient(), gradient());
  return whole > 0 ? inner_product((*this)[m], gradient()) / whole
                   : std::numeric_limits<double>::quiet_NaN();
}

template <class T>
double CrossingSpectrum<T>::rest_share() const {
  const double whole = inner_product(gradient(), gradient());
  return whole > 0 ? inner_product(rest(), gradient()) / whole
                   : std::numeric_limits<double>::quiet_NaN();
}

template <class T>
Array<T> CrossingSpectrum<T>::at(double z) const {
  const Record<T>& record = *data_->record;
  record.check("crossings");
  Numbers<T> total;
  const std::vector<bool> kept = record.everything();
  detail::ReverseSweep<T> sweep(record, kept);
  if (record.sink() != detail::none) sweep.seed(record.sink(), {T{1}});
  sweep.run(
      [&](std::uint32_t node, const Numbers<T>& y) {
        if (record.is_source(node)) detail::accumulate(total, y);
      },
      [&](std::uint32_t edge, Numbers<T>& x) {
        if (!data_->marked[edge]) return;
        for (T& element : x) element = static_cast<T>(static_cast<double>(element) * z);
      });
  return detail::to_array(total, record.from_shape());
}

template <class T>
std::string CrossingSpectrum<T>::str() const {
  std::vector<std::vector<std::string>> rows{{"marked arrows", "norm", "share"}};
  const auto row = [&](std::string name, const Array<T>& term, double part) {
    rows.push_back({std::move(name), number_text(std::sqrt(inner_product(term, term)), 4),
                    detail::percent_text(part)});
  };
  for (std::size_t m = 0; m < size(); ++m) row(std::to_string(m), (*this)[m], share(m));
  row("more", rest(), rest_share());
  row("all: the gradient", gradient(), inner_product(gradient(), gradient()) > 0 ? 1 : 0);
  return detail::table(rows);
}

template <class T>
std::ostream& operator<<(std::ostream& out, const CrossingSpectrum<T>& spectrum) {
  return out << spectrum.str();
}

TAPESTRY_INSTANTIATE(crossings)
TAPESTRY_INSTANTIATE_TYPES(class CrossingSpectrum)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const CrossingSpectrum<T>&)), operator<<)

}  // namespace tapestry
