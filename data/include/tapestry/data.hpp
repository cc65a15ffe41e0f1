// SPDX-License-Identifier: MIT
// Text to tokens, tokens to batches, and what a model says to tokens, text and figures.
#pragma once

#include "tapestry/data/bucket_batches.hpp"
#include "tapestry/data/metrics.hpp"
#include "tapestry/data/mixed_radix.hpp"
#include "tapestry/data/sampling.hpp"
#include "tapestry/data/sequence_batches.hpp"
#include "tapestry/data/split.hpp"
#include "tapestry/data/text_file.hpp"
#include "tapestry/data/token_source.hpp"
#include "tapestry/data/vocabulary.hpp"
