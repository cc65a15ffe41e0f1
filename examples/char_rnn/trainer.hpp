// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "options.hpp"

/// Trains a model on a text, in a folder: "last.safetensors" and "best.safetensors", checkpoints
/// from which training and sampling go on; "metrics.csv" and "loss.svg". A run that is resumed has
/// bitwise the results of one that never stopped.
///
/// Throws FileError for a text that cannot be used, for a folder that holds a run already, unless
/// it is to be resumed or overwritten, and when the last checkpoint cannot be written;
/// AnomalyError, with the op, when a loss or gradient is not finite.
void train(CharRnnOptions options, const RunOptions& run);
