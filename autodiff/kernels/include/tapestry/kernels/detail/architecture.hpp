// SPDX-License-Identifier: MIT
// Kernels are written once, as templates over the architecture, and compiled once for each: those
// for the baseline like everything else, the others in files of their own (`*_avx2.cpp`,
// `*_avx512.cpp`) with the flags that CMake gives them. Which one runs is decided at run time.
//
// A file for another architecture must hold nothing that the linker could share with the rest of
// the program: only templates over the architecture.
#pragma once

#include <cstdint>

#include "tapestry/kernels/detail/xsimd.hpp"

namespace tapestry::detail {

enum class Architecture : std::uint8_t {
  baseline,  // what the library was compiled for
  avx2,      // x86-64 with AVX2 and FMA
  avx512,    // and with AVX-512 F, CD, BW, DQ and VL
};

/// What xsimd calls it.
template <Architecture architecture>
struct ArchitectureTag {
  using type = xsimd::default_arch;
};
template <>
struct ArchitectureTag<Architecture::avx2> {
  using type = xsimd::fma3<xsimd::avx2>;
};
template <>
struct ArchitectureTag<Architecture::avx512> {
  using type = xsimd::avx512bw;
};

template <Architecture architecture>
using ArchitectureOf = typename ArchitectureTag<architecture>::type;

/// The numbers that the architecture computes at once.
template <class T, Architecture architecture>
using BatchOf = xsimd::batch<T, ArchitectureOf<architecture>>;

/// Whether the library has kernels for it and this machine can run them.
[[nodiscard]] bool runs(Architecture architecture);

/// The best that runs here. Found out once.
[[nodiscard]] Architecture best_architecture();

/// Calls `choose.template operator()<architecture>()`.
template <class Choose>
decltype(auto) with_architecture([[maybe_unused]] Architecture architecture, const Choose& choose) {
#if defined(TAPESTRY_AVX2_KERNELS)
  if (architecture == Architecture::avx512)
    return choose.template operator()<Architecture::avx512>();
  if (architecture == Architecture::avx2) return choose.template operator()<Architecture::avx2>();
#endif
  return choose.template operator()<Architecture::baseline>();
}

}  // namespace tapestry::detail
