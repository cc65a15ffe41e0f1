// SPDX-License-Identifier: MIT
// Comparisons: 1 where true, 0 where false, and no gradient; and the choice by their result.
#pragma once

#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

template <class T>
Variable<T> operator>(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator<(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator>=(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator<=(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator>(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator<(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator>=(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator<=(const Variable<T>& a, Number<T> b);
/// 1 where a = b.
template <class T>
Variable<T> equal(const Variable<T>& a, const Variable<T>& b);

/// a where the condition is not 0, b elsewhere. The condition has no gradient.
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> where(const Variable<T>& condition, Number<T> a, const Variable<T>& b);

}  // namespace tapestry
