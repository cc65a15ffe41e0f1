// SPDX-License-Identifier: MIT
// `std::format("{}", loss)`, where the compiler has it: the text that a stream would get, with the
// widths and fills of strings.
#pragma once

#include <version>

#ifdef __cpp_lib_format

#include <concepts>
#include <format>
#include <sstream>
#include <string>
#include <type_traits>

#include "tapestry/autodiff/check.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/print.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

template <class X>
inline constexpr bool is_formatted = false;
template <>
inline constexpr bool is_formatted<Shape> = true;
template <>
inline constexpr bool is_formatted<GradcheckResult> = true;
template <class T>
inline constexpr bool is_formatted<Variable<T>> = true;
template <class T>
inline constexpr bool is_formatted<Parameter<T>> = true;
template <class T>
inline constexpr bool is_formatted<Tape<T>> = true;

}  // namespace tapestry::detail

template <class X>
requires tapestry::detail::is_formatted<X>
struct std::formatter<X, char> : std::formatter<std::string, char> {
  auto format(const X& x, auto& context) const {
    std::ostringstream text;
    text << x;
    return std::formatter<std::string, char>::format(text.str(), context);
  }
};

#endif
