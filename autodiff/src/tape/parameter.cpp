// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/parameter.hpp"

#include <utility>

namespace tapestry {

template <class T>
Parameter<T>::Parameter(Array<T> value, std::string name)
    : value_(std::move(value)), name_(std::move(name)) {}

template <class T>
Parameter<T>::Parameter(detail::BracedRows<T> rows, std::string name)
    : Parameter(detail::from_braces("Parameter", rows), std::move(name)) {}

template <class T>
Parameter<T>::Parameter(detail::BracedMatrices<T> matrices, std::string name)
    : Parameter(detail::from_braces("Parameter", matrices), std::move(name)) {}

template <class T>
const Array<T>& Parameter<T>::grad() const {
  if (!has_grad_) {
    grad_.resize(value_.shape());
    grad_.fill(T{0});
  }
  return grad_;
}

template <class T>
Array<T>& Parameter<T>::grad() {
  static_cast<void>(std::as_const(*this).grad());
  has_grad_ = true;
  return grad_;
}

template <class T>
T* Parameter<T>::grad_storage(bool& stored) {
  stored = has_grad_;
  if (!has_grad_) grad_.resize(value_.shape());
  has_grad_ = true;
  return grad_.data();
}

template class Parameter<float>;
template class Parameter<double>;

}  // namespace tapestry
