// SPDX-License-Identifier: MIT
// The whole layers component: models, their parts, and functions that save and load them.
#pragma once

#include "tapestry/layers/attention.hpp"
#include "tapestry/layers/bundle.hpp"
#include "tapestry/layers/decode.hpp"
#include "tapestry/layers/dropout.hpp"
#include "tapestry/layers/embedding.hpp"
#include "tapestry/layers/encoder_decoder.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/health.hpp"
#include "tapestry/layers/init.hpp"
#include "tapestry/layers/initialise.hpp"
#include "tapestry/layers/layer_norm.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/module.hpp"
#include "tapestry/layers/npz.hpp"
#include "tapestry/layers/rnn.hpp"
#include "tapestry/layers/safetensors.hpp"
#include "tapestry/layers/saved_part.hpp"
#include "tapestry/layers/sequence_loss.hpp"
#include "tapestry/layers/truncated_bptt.hpp"
