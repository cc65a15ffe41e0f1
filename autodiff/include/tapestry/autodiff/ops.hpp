// SPDX-License-Identifier: MIT
// Operations on variables. They check their operands when they are called and throw ShapeError or
// IndexError naming the op, the shapes and the place; a call that throws leaves the tape as it was.
// Operands must be of one tape. Names and meaning are NumPy's where NumPy has the operation.
#pragma once

#include "tapestry/autodiff/ops/activations.hpp"
#include "tapestry/autodiff/ops/arithmetic.hpp"
#include "tapestry/autodiff/ops/beside.hpp"
#include "tapestry/autodiff/ops/comparison.hpp"
#include "tapestry/autodiff/ops/cross_entropy.hpp"
#include "tapestry/autodiff/ops/einsum.hpp"
#include "tapestry/autodiff/ops/extrema.hpp"
#include "tapestry/autodiff/ops/functions.hpp"
#include "tapestry/autodiff/ops/gradient_control.hpp"
#include "tapestry/autodiff/ops/losses.hpp"
#include "tapestry/autodiff/ops/matmul.hpp"
#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/ops/rearrange.hpp"
#include "tapestry/autodiff/ops/reduce.hpp"
#include "tapestry/autodiff/ops/shape.hpp"
#include "tapestry/autodiff/ops/softmax.hpp"
