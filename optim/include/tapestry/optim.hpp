// SPDX-License-Identifier: MIT
// Optimizers, schedules of their learning rates, and gradient clipping.
#pragma once

#include "tapestry/optim/adagrad.hpp"
#include "tapestry/optim/adam.hpp"
#include "tapestry/optim/adamw.hpp"
#include "tapestry/optim/clip_grad_norm.hpp"
#include "tapestry/optim/optimizer.hpp"
#include "tapestry/optim/rmsprop.hpp"
#include "tapestry/optim/rules.hpp"
#include "tapestry/optim/schedule.hpp"
#include "tapestry/optim/sgd.hpp"
