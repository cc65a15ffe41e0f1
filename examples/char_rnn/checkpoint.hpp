// SPDX-License-Identifier: MIT
// Checkpoints: safetensors files that hold the weights and, as metadata, the options and the
// vocabulary, so that a sample needs nothing but the file.
#pragma once

#include <tapestry/autodiff.hpp>
#include <tapestry/data.hpp>

#include <cstdint>
#include <string>

#include "model.hpp"
#include "options.hpp"

/// What a checkpoint says about itself.
struct CheckpointInfo {
  CharRnnOptions options;
  tapestry::data::Vocabulary vocabulary;
  std::uint64_t text = 0;  ///< fingerprint of the text it was trained on
};

[[nodiscard]] tapestry::Metadata to_metadata(const CheckpointInfo& info);

/// Throws FileError when `path` cannot be read, is no checkpoint of this program, or does not hold
/// the matrices that its options and vocabulary speak of.
[[nodiscard]] CheckpointInfo read_info(const std::string& path);

/// A model as it was saved, ready for use: dropout is off.
struct Checkpoint {
  CheckpointInfo info;
  CharModel model;
};

/// Throws as `read_info`, and when the weights do not fit.
[[nodiscard]] Checkpoint read_checkpoint(const std::string& path);

/// Where a text begins that nothing comes before: after a new line, if the vocabulary has one.
[[nodiscard]] std::int64_t first_token(const tapestry::data::Vocabulary& vocabulary);
