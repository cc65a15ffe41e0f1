// SPDX-License-Identifier: MIT
// What the other components compute with: products of matrices, and the threads. They are made for
// these components, so they stand in tapestry::detail and may change; for programs there are ops
// and `set_num_threads`.
#pragma once

#include "tapestry/kernels/gemm.hpp"
#include "tapestry/kernels/team.hpp"
