// SPDX-License-Identifier: MIT
// Links tapestry::kernels alone: a product, by two threads.
#include <tapestry/kernels.hpp>
#include <vector>

int main() {
  constexpr std::size_t n = 256;
  const std::vector<float> a(n * n, 1);
  const std::vector<float> b(n * n, 2);
  std::vector<float> c(n * n);
  tapestry::detail::use_threads(2);
  tapestry::detail::gemm(false, true, n, n, n, a.data(), b.data(), c.data(), false);
  return c.front() == 512 && c.back() == 512 ? 0 : 1;
}
