// SPDX-License-Identifier: MIT
// What can be done with a trained model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

struct SampleOptions {
  std::string checkpoint;
  std::string prime;
  std::size_t length = 500;  ///< tokens after the prime; 0: without end
  double temperature = 0.8;
  std::size_t top_k = 0;  ///< 0: all
  double top_p = 1;
  std::size_t beam = 0;  ///< width of a search for the likeliest text; 0: draws at random
  std::optional<std::uint64_t> seed;
};

/// Writes text in the style of what the model has read, token by token, in constant memory.
void sample(const SampleOptions& options);

struct InspectOptions {
  std::string checkpoint;
  std::string text;   ///< a file
  std::string prime;  ///< or the text itself
  std::size_t length = 2000;
  std::optional<std::size_t> layer;  ///< from 0; the last by default
  std::string gate = "h";            ///< or another name in the layer's equations
  std::vector<std::size_t> units;
  std::string output = "cells.html";
};

/// Draws what the cells of a layer do over a text, and lists where the chosen ones fire most.
void inspect(const InspectOptions& options);

struct GraphOptions {
  std::string checkpoint;
  std::string prime;
  std::size_t steps = 3;
  bool values = false;
  bool gradients = false;
  bool inside = false;  ///< all that fused ops stand for
  bool roll = false;    ///< steps that repeat each other as one
  std::string output = "graph.dot";
};

/// Draws the computation of the model's loss over some steps, as DOT and, with Graphviz, as SVG.
void graph(const GraphOptions& options);
