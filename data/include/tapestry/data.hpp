// SPDX-License-Identifier: MIT
// From text to tokens, from tokens to batches, and from a model's logits back to tokens and text.
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
