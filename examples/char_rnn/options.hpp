// SPDX-License-Identifier: MIT
// What can be said on the command line. What shaped a model and its training travels in its
// checkpoint, as JSON.
#pragma once

#include <tapestry/data.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// The shape of a model.
struct ModelOptions {
  std::string cell = "lstm";  ///< "rnn", "lstm" or "gru"
  std::size_t layers = 2;
  std::size_t hidden = 128;
  std::size_t embedding = 64;
  double dropout = 0;  ///< between layers and before the head
};

/// How a text becomes tokens.
struct TokenOptions {
  tapestry::data::Unit unit = tapestry::data::Unit::character;
  std::size_t min_count = 1;       ///< rarer symbols become the unknown token
  std::size_t max_vocabulary = 0;  ///< more symbols become the unknown token; 0: no limit
};

/// How the learning rate goes over the steps.
struct ScheduleOptions {
  std::string kind = "cosine";  ///< "constant", "step" or "cosine"
  std::size_t warm_up = 0;      ///< steps
  std::size_t decay_every = 0;  ///< steps between two decays of "step"; 0: a tenth of all steps
  double decay_factor = 0.5;
};

/// All that training depends on: a run is repeated by the same options and text.
struct CharRnnOptions {
  std::string text;
  TokenOptions tokens;
  ModelOptions model;
  ScheduleOptions schedule;
  std::string optimizer = "adam";
  double learning_rate = 4e-3;
  double weight_decay = 0;  ///< of all matrices, not of biases
  double clip = 5;          ///< largest norm of the gradient; 0: any
  std::size_t sequence = 50;
  std::size_t batch = 50;
  std::size_t epochs = 10;
  std::size_t steps = 0;           ///< instead of epochs, if not 0
  double validation = 0.1;         ///< share of the text, at its end
  std::size_t evaluate_every = 0;  ///< steps; 0: an epoch, at most 1000
  std::size_t patience = 0;        ///< evaluations without a gain before it stops; 0: goes on
  std::uint64_t seed = 1;
};

/// How training is run this time, which changes nothing about its results.
struct RunOptions {
  std::string output = "run";  ///< folder
  bool resume = false;
  bool overwrite = false;
  double seconds = 0;  ///< stops, as if interrupted, after this time; 0: does not
  int threads = 1;
};

/// As JSON, and from it. `options_from_json` throws FileError for `file` when it is malformed.
[[nodiscard]] std::string to_json(const CharRnnOptions& options);
[[nodiscard]] CharRnnOptions options_from_json(const std::string& json, const std::string& file);
