// SPDX-License-Identifier: MIT
// All of the autodiff component: tapes, variables, ops, gradients, graphs.
#pragma once

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/check.hpp"
#include "tapestry/autodiff/checkpoint.hpp"
#include "tapestry/autodiff/derivatives.hpp"
#include "tapestry/autodiff/dot.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/gradient.hpp"
#include "tapestry/autodiff/graph.hpp"
#include "tapestry/autodiff/memory_report.hpp"
#include "tapestry/autodiff/op.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/autodiff/threads.hpp"
#include "tapestry/autodiff/variable.hpp"
