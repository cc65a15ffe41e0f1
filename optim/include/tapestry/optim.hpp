// SPDX-License-Identifier: MIT
// Optimizers and gradient clipping.
#pragma once

#include "tapestry/optim/adam.hpp"
#include "tapestry/optim/clip_grad_norm.hpp"
#include "tapestry/optim/optimizer.hpp"
#include "tapestry/optim/sgd.hpp"
