// SPDX-License-Identifier: MIT
// The whole library.
#pragma once

#include "tapestry/autodiff.hpp"
#include "tapestry/data.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/optim.hpp"
#include "tapestry/study.hpp"
