# SPDX-License-Identifier: MIT
# What the libraries need. Tests, examples and benchmarks look for their own tools.

# A parent project that adds this one links to these targets too, so they must be visible there.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

find_package(xtensor REQUIRED)
find_package(xsimd REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost REQUIRED CONFIG)  # headers

# By pkg-config: Debian's own configuration of libzip wants programs from other packages.
find_package(PkgConfig REQUIRED)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET GLOBAL libzip)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# OpenBLAS, by xtensor-blas, for the spectra of the gradient study.
if(NOT DEFINED BLA_VENDOR)
  set(BLA_VENDOR OpenBLAS)
endif()
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
