// SPDX-License-Identifier: MIT
// Arrays as users see them. This is the only header of the project that includes xtensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>

#if __has_include(<xtensor/containers/xarray.hpp>)  // xtensor 0.26 and later
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/io/xio.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xio.hpp>
#endif

namespace tapestry {

/// A row-major array of any rank that owns its data: what parameters are and what users pass in.
/// The allocator is named so that the type does not depend on xtensor's build macros.
template <class T = float>
using Array = xt::xarray_container<xt::uvector<T, std::allocator<T>>, xt::layout_type::row_major,
                                   xt::dynamic_shape<std::size_t>>;

/// Integer tokens, class numbers and positions, of any rank.
using Indices = Array<std::int64_t>;

/// A read-only view of values or gradients that live in a tape; usable in any xtensor expression.
/// It is valid until the tape is cleared or rewound past it; one of a value that was computed
/// without recording, as long as a variable refers to that.
template <class T>
using View = decltype(xt::adapt<xt::layout_type::row_major>(static_cast<const T*>(nullptr),
                                                            std::size_t{}, xt::no_ownership(),
                                                            xt::dynamic_shape<std::size_t>{}));

}  // namespace tapestry

namespace xt {

/// The shape of an array, as NumPy writes it: `std::cout << array.shape()`. Here, where it is
/// found.
std::ostream& operator<<(std::ostream& out, const dynamic_shape<std::size_t>& shape);

}  // namespace xt
