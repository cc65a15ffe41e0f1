// SPDX-License-Identifier: MIT
#include "tapestry/kernels/gemm.hpp"

#include <algorithm>

#include "gemm_kernels.hpp"
#include "tapestry/kernels/team.hpp"

namespace tapestry::detail {
namespace {

// Columns of the right matrix that are packed at once: a block of them stays in the second cache.
template <class T>
constexpr std::size_t packed_columns = 1536 / sizeof(T);

/// A thread's memory for blocks of the operands, kept until the thread ends. Destructors of static
/// objects may multiply after that: then there is new memory.
template <class T>
class Blocks {
 public:
  static T* right() { return storage(); }
  static T* left() { return storage() + gemm_depth * packed_columns<T>; }

 private:
  struct Owner {
    Owner() = default;
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    ~Owner() {
      delete[] current;
      current = nullptr;
      ended = true;
    }
  };

  static T* storage() {
    if (!current) {
      current = new T[gemm_depth * packed_columns<T> + gemm_kernels<T>().left_size];
      if (!ended) static thread_local Owner owner;
    }
    return current;
  }

  static thread_local T* current;
  static thread_local bool ended;
};

template <class T>
thread_local T* Blocks<T>::current = nullptr;
template <class T>
thread_local bool Blocks<T>::ended = false;

/// The operands of a product, or of a part of it.
template <class T>
struct Operands {
  bool transpose_a;
  bool transpose_b;
  std::size_t m;
  std::size_t n;
  std::size_t k;
  Rows<const T> a;
  Rows<const T> b;
  Rows<T> c;
  bool accumulate;
  const T* row;

  [[nodiscard]] const T* a_at(std::size_t row, std::size_t inner) const {
    return transpose_a ? a.data + inner * a.stride + row : a.data + row * a.stride + inner;
  }
  [[nodiscard]] const T* b_at(std::size_t inner, std::size_t column) const {
    return transpose_b ? b.data + column * b.stride + inner : b.data + inner * b.stride + column;
  }
  [[nodiscard]] Operands rows(const Range& part) const {
    Operands p = *this;
    p.m = part.size();
    p.a.data = a_at(part.first, 0);
    p.c.data += part.first * c.stride;
    return p;
  }
  [[nodiscard]] Operands columns(const Range& part) const {
    Operands p = *this;
    p.n = part.size();
    p.b.data = b_at(0, part.first);
    p.c.data += part.first;
    if (row) p.row += part.first;
    return p;
  }
};

template <class T>
void multiply_alone(const Operands<T>& all) {
  const GemmKernels<T>& kernels = gemm_kernels<T>();
  Operands<T> p = all;
  if (p.m == 1 && p.transpose_b && !p.transpose_a) {  // all but the last, narrow panel
    const std::size_t whole = p.n / kernels.panel * kernels.panel;
    kernels.multiply_row(
        {whole, p.k, p.a.data, p.b.data, p.b.stride, p.c.data, p.accumulate, p.row});
    p = p.columns({whole, p.n});
  }
  T* packed = Blocks<T>::right();
  // For a few rows, what is packed should stay in the first cache.
  const std::size_t width = p.m <= kernels.tile ? kernels.panel : packed_columns<T>;
  for (std::size_t inner = 0; inner < p.k; inner += gemm_depth) {
    const std::size_t depth = std::min(gemm_depth, p.k - inner);
    for (std::size_t column = 0; column < p.n; column += width) {
      const std::size_t columns = std::min(width, p.n - column);
      kernels.pack({p.transpose_b, depth, columns, p.b_at(inner, column), p.b.stride, packed});
      kernels.multiply({p.m, columns, depth, p.transpose_a, p.a_at(0, inner), p.a.stride, packed,
                        p.c.data + column, p.c.stride, p.accumulate || inner > 0,
                        p.row ? p.row + column : nullptr, Blocks<T>::left()});
    }
  }
}

template <class T>
void multiply(const Operands<T>& p) {
  const GemmKernels<T>& kernels = gemm_kernels<T>();
  const bool by_columns = p.n >= p.m;
  const std::size_t unit = by_columns ? kernels.panel : kernels.tile;
  const std::size_t extent = by_columns ? p.n : p.m;
  const std::size_t parts = parts_for(p.m * p.n * p.k, (extent + unit - 1) / unit);
  parallel(parts, [&](std::size_t part) {
    const Range range = part_of(extent, parts, part, unit);
    multiply_alone(by_columns ? p.columns(range) : p.rows(range));
  });
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          const T* a, const T* b, T* c, bool accumulate) {
  gemm(transpose_a, transpose_b, m, n, k, Rows<const T>{a, transpose_a ? m : k},
       Rows<const T>{b, transpose_b ? k : n}, Rows<T>{c, n}, accumulate);
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          Rows<const std::type_identity_t<T>> a, Rows<const std::type_identity_t<T>> b, Rows<T> c,
          bool accumulate, const std::type_identity_t<T>* row) {
  if (m == 0 || n == 0) return;
  if (k > 0)
    return multiply(Operands<T>{transpose_a, transpose_b, m, n, k, a, b, c, accumulate, row});
  for (std::size_t i = 0; i < m && !accumulate; ++i) {
    T* to = c.from(i).data;
    row ? std::copy_n(row, n, to) : std::fill_n(to, n, T{0});
  }
}

template <class T>
void transpose(std::size_t rows, std::size_t columns, Rows<const std::type_identity_t<T>> from,
               Rows<T> to) {
  gemm_kernels<T>().transpose({rows, columns, from.data, from.stride, to.data, to.stride});
}

template <class T>
std::size_t PackedMatrix<T>::size(std::size_t k, std::size_t n) {
  const std::size_t lanes = gemm_kernels<T>().lanes;
  return k * ((n + lanes - 1) / lanes * lanes);
}

template <class T>
PackedMatrix<T>::PackedMatrix(bool transpose, std::size_t k, std::size_t n, Rows<const T> b,
                              T* storage)
    : k_(k), n_(n), packed_(storage) {
  gemm_kernels<T>().pack({transpose, k, n, b.data, b.stride, storage});
}

template <class T>
void PackedMatrix<T>::multiply(std::size_t m, Rows<const T> a, Rows<T> c, bool accumulate) const {
  gemm_kernels<T>().multiply({m, n_, k_, false, a.data, a.stride, packed_, c.data, c.stride,
                              accumulate, nullptr, Blocks<T>::left()});
}

template void transpose(std::size_t, std::size_t, Rows<const float>, Rows<float>);
template void transpose(std::size_t, std::size_t, Rows<const double>, Rows<double>);
template class PackedMatrix<float>;
template class PackedMatrix<double>;

template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, const float*, const float*,
                   float*, bool);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, const double*, const double*,
                   double*, bool);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, Rows<const float>,
                   Rows<const float>, Rows<float>, bool, const float*);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, Rows<const double>,
                   Rows<const double>, Rows<double>, bool, const double*);

}  // namespace tapestry::detail
