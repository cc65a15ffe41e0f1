// SPDX-License-Identifier: MIT
#include "tapestry/kernels/detail/architecture.hpp"

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

bool has_avx512() {
#if defined(TAPESTRY_AVX2_KERNELS)
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

}  // namespace

bool runs(Architecture architecture) {
  static const bool avx2 = has_avx2();
  static const bool avx512 = has_avx512();
  switch (architecture) {
    case Architecture::baseline:
      return true;
    case Architecture::avx2:
      return avx2;
    case Architecture::avx512:
      return avx512;
  }
  return false;
}

Architecture best_architecture() {
  static const Architecture best = [] {
    constexpr std::size_t lanes = xsimd::batch<float>::size;  // of the baseline
    if (lanes < 16 && runs(Architecture::avx512)) return Architecture::avx512;
    if (lanes < 8 && runs(Architecture::avx2)) return Architecture::avx2;
    return Architecture::baseline;
  }();
  return best;
}

}  // namespace tapestry::detail
