// SPDX-License-Identifier: MIT
// What a program shows of the library's objects: `std::cout << loss`. Large arrays are shortened as
// NumPy does it, numbers are the same in every locale, and what cannot be shown says why. Arrays
// themselves are xtensor's, which prints them. See format.hpp for std::format.
#pragma once

#include <iosfwd>

namespace tapestry {

class Shape;
template <class T>
class Parameter;
template <class T>
class Tape;
template <class T>
class Variable;
struct GradcheckResult;

/// As NumPy writes it: "(32, 64)".
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Name, shape and value: "loss = 0.25", "grid (2, 2) =" and its rows. Of more than 1000 elements
/// the first and last three of each axis are shown. Throws nothing: a variable without a value says
/// what became of it.
template <class T>
std::ostream& operator<<(std::ostream& out, const Variable<T>& x);

/// The same of a parameter.
template <class T>
std::ostream& operator<<(std::ostream& out, const Parameter<T>& parameter);

/// One line: how many values and ops there are, and their memory.
template <class T>
std::ostream& operator<<(std::ostream& out, const Tape<T>& tape);

/// "passed, largest error 3e-10", or "failed" and the worst disagreement.
std::ostream& operator<<(std::ostream& out, const GradcheckResult& result);

}  // namespace tapestry
