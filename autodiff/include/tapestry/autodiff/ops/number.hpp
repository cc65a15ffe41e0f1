// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

namespace tapestry {

/// A number beside a variable: anything that converts to its scalar type.
template <class T>
using Number = std::type_identity_t<T>;

}  // namespace tapestry
