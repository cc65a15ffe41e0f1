// SPDX-License-Identifier: MIT
// Text to tokens and tokens to batches.
#pragma once

#include "tapestry/data/sampling.hpp"
#include "tapestry/data/sequence_batches.hpp"
#include "tapestry/data/vocabulary.hpp"
