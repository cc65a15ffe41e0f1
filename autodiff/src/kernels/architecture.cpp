// SPDX-License-Identifier: MIT
#include "kernels/architecture.hpp"

namespace tapestry::detail {
namespace {

bool has_avx2() {
#if defined(TAPESTRY_AVX2_KERNELS)
  __builtin_cpu_init();  // this may run before main
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

}  // namespace

bool runs(Architecture architecture) {
  static const bool avx2 = has_avx2();
  return architecture == Architecture::baseline || avx2;
}

Architecture best_architecture() {
  // A library that was compiled for more than AVX2 needs none of it.
  constexpr bool wider = xsimd::batch<float>::size > 8;
  static const Architecture best =
      !wider && runs(Architecture::avx2) ? Architecture::avx2 : Architecture::baseline;
  return best;
}

}  // namespace tapestry::detail
